//! What a journal tells of sites, gathered by host and process, and figures of one of these.

use std::collections::BTreeMap;

use super::{
    figure::{Basis, Figure, Known},
    power::{Power, ratio},
    track::Track,
};
use crate::{
    evidence::{
        energy::Point,
        say,
        scale::{Scale, Window},
    },
    journal::{
        began::Began,
        index::EnergyFigures,
        site::{PlannedSite, Resource, SiteRow, SiteRows},
    },
};

/// What one pass over the journal gathers.
#[derive(Default)]
pub(crate) struct Draft<'a> {
    /// What was planned.
    pub(super) planned: &'a [PlannedSite],
    scopes: BTreeMap<(&'a str, &'a str), Scope<'a>>,
    /// The machine that played the run, from its samples.
    pub(super) here: Vec<(i64, SiteRow)>,
}

/// A host or a process.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scope<'a> {
    /// The process's name; empty for the host.
    pub(super) process: &'a str,
    /// Readings, in order of time.
    pub(super) rows: Vec<(i64, &'a SiteRow)>,
    missing: BTreeMap<Resource, &'a str>,
    blind: Option<&'a str>,
    clock_error_us: Option<u64>,
}

/// A site with what was read of it.
pub(super) struct Place<'a> {
    pub(super) planned: &'a PlannedSite,
    pub(super) scopes: Vec<Scope<'a>>,
}

impl<'a> Draft<'a> {
    /// Nothing was read yet.
    pub(crate) fn of(began: Option<&'a Began>) -> Self {
        Self { planned: began.map_or(&[][..], |it| &it.sites), ..Self::default() }
    }

    /// Takes readings.
    pub(crate) fn meet(&mut self, more: &'a SiteRows, scale: &Scale) {
        let key = (more.site.as_str(), more.process.as_str());
        let scope = self.scopes.entry(key).or_default();
        scope.process = &more.process;
        scope.rows.extend(more.rows.iter().map(|it| (scale.at(it.at_us), it)));
        scope.missing.extend(more.missing.iter().map(|(of, why)| (*of, why.as_str())));
        scope.blind = more.blind.as_deref().or(scope.blind);
        scope.clock_error_us = scope.clock_error_us.max(more.clock_error_us);
    }

    /// Takes the samples of the machine that played the run: its utilisation and its energy.
    pub(crate) fn samples(&mut self, points: &[Point], began: Option<&Began>) {
        let Some(host) = began.map(|it| &it.host) else { return };
        let cpus = f64::from(host.cpus);
        let (mut busy, mut before) = (0.0, None::<&Point>);
        for it in points {
            // From one runner to the next nobody looked.
            let since = before.filter(|before| before.epoch == it.epoch);
            let since = since.map_or(0, |before| it.at_us.saturating_sub(before.at_us));
            before = Some(it);
            busy += it.sample.cpu_ratio * cpus * say::seconds(since.max(0));
            let row = SiteRow {
                cpu_seconds: Some(busy),
                cpus: Some(cpus),
                memory_bytes: Some(say::number(it.sample.memory_used_bytes)),
                memory_total_bytes: Some(say::number(host.memory_bytes)),
                energy: it.sample.energy.clone(),
                ..SiteRow::default()
            };
            self.here.push((it.at_us, row));
        }
    }

    /// One site. What was never read has a scope without readings.
    pub(super) fn place(&self, planned: &'a PlannedSite) -> Place<'a> {
        let host = planned.host.then_some("");
        let names = host.into_iter().chain(planned.processes.iter().map(String::as_str));
        let scope = |process: &'a str| {
            let found = self.scopes.get(&(planned.name.as_str(), process)).cloned();
            let mut scope = found.unwrap_or_else(|| Scope { process, ..Scope::default() });
            scope.rows.sort_by_key(|it| it.0);
            scope
        };
        Place { planned, scopes: names.map(scope).collect() }
    }
}

impl Place<'_> {
    /// By how much its clock can be wrong.
    pub(super) fn clock_error_us(&self) -> Option<u64> {
        self.scopes.iter().filter_map(|it| it.clock_error_us).max()
    }

    /// Its host's readings, where its host is elsewhere.
    pub(super) fn host(&self) -> Option<&Scope<'_>> {
        self.scopes.iter().find(|it| it.process.is_empty())
    }

    /// Its energy: of the host, or the part of this machine's that falls to its processes.
    pub(super) fn power(&self, draft: &Draft<'_>, end_us: i64) -> Result<Power, String> {
        let here = || {
            let all = draft.here.iter().filter_map(|(at, it)| Some((*at, it.energy.clone()?)));
            Power::of(&all.collect::<Vec<(i64, EnergyFigures)>>())
        };
        match (self.planned.local, self.planned.host) {
            (true, true) => here(),
            (true, false) => {
                let cpus = draft.here.iter().find_map(|it| it.1.cpus).unwrap_or(1.0);
                let tracks: Vec<Track> =
                    self.scopes.iter().map(|it| it.track(|it| it.cpu_seconds)).collect();
                here()?.shared(&tracks.iter().collect::<Vec<_>>(), cpus, end_us)
            }
            (false, _) => {
                let scope = self.host();
                let rows = scope.map_or(&[][..], |it| &it.rows);
                let all = rows.iter().filter_map(|(at, it)| Some((*at, it.energy.clone()?)));
                let all: Vec<(i64, EnergyFigures)> = all.collect();
                let why = scope.map(|it| it.why(Resource::Energy));
                if all.is_empty() { Err(why.unwrap_or_default()) } else { Power::of(&all) }
            }
        }
    }
}

impl<'a> Scope<'a> {
    /// A host with these readings.
    pub(super) fn host(rows: Vec<(i64, &'a SiteRow)>) -> Self {
        Self { rows, ..Self::default() }
    }
}

impl Scope<'_> {
    /// A counter's readings. Where something is not in them is a hole.
    pub(super) fn track(&self, of: impl Fn(&SiteRow) -> Option<f64>) -> Track {
        let lossy = self.rows.iter().filter(|it| it.1.unsure > 0).map(|it| it.0);
        let lossy: Vec<i64> = lossy.collect();
        Track::of(self.rows.iter().filter_map(|(at, it)| Some((*at, of(it)?))), &lossy)
    }

    /// Why there is no figure of it.
    pub(super) fn why(&self, resource: Resource) -> String {
        let found = self.missing.get(&resource).copied().or(self.blind);
        found.unwrap_or("nothing was read of it").to_owned()
    }

    pub(super) fn counter(
        &self,
        (resource, of): (Resource, fn(&SiteRow) -> Option<f64>),
        window: Window,
        planned: &PlannedSite,
    ) -> Figure {
        self.check(resource, || {
            let track = self.track(of);
            let gain = track.gained(window)?;
            Some(Known {
                value: gain.value,
                low: gain.low,
                high: gain.high,
                basis: Basis::Measured,
                method: planned.read.clone(),
                covered_ratio: ratio(gain.covered_us, window),
            })
        })
    }

    /// Nothing that is not there is zero: no process that ever fitted is no figure.
    fn check(&self, resource: Resource, known: impl FnOnce() -> Option<Known>) -> Figure {
        let never =
            !self.process.is_empty() && self.rows.iter().all(|it| it.1.processes == Some(0));
        if never && !self.rows.is_empty() {
            return Figure::none("no process ever fitted");
        }
        if self.rows.is_empty() || self.missing.contains_key(&resource) && !self.has(resource) {
            return Figure::none(self.why(resource));
        }
        known().map_or_else(|| Figure::none("no reading covers this stretch"), Figure::Known)
    }

    /// Whether any reading has it.
    fn has(&self, resource: Resource) -> bool {
        self.rows.iter().any(|(_, it)| match resource {
            Resource::Cpu => it.cpu_seconds.is_some(),
            Resource::Memory => it.memory_bytes.is_some(),
            Resource::Disk => it.disk_read_bytes.is_some() || it.disk_written_bytes.is_some(),
            Resource::Network => it.network_received_bytes.is_some(),
            Resource::Energy => it.energy.is_some(),
        })
    }

    /// Processor time, as a share of the time of all processors.
    pub(super) fn cpu_ratio(&self, window: Window, planned: &PlannedSite) -> Figure {
        let cpus = self.rows.iter().find_map(|it| it.1.cpus);
        let Some(cpus) = cpus.filter(|it| *it > 0.0) else {
            let why = self.why(Resource::Cpu);
            let known = self.has(Resource::Cpu);
            return Figure::none(if known {
                "nobody said how many processors".into()
            } else {
                why
            });
        };
        let track = self.track(|it| it.cpu_seconds);
        let seconds = self.counter((Resource::Cpu, |it| it.cpu_seconds), window, planned);
        let over = track.gained(window).map_or(0, |it| it.over_us);
        let all = cpus * say::seconds(over);
        seconds.map(|it| Known {
            value: (it.value / all).min(1.0),
            low: (it.low / all).min(1.0),
            high: (it.high / all).min(1.0),
            ..it
        })
    }

    /// The most memory in use at a reading; at most what the readings just outside show. What it
    /// was between two readings nobody saw.
    pub(super) fn memory(&self, window: Window, planned: &PlannedSite) -> Figure {
        self.check(Resource::Memory, || {
            let (from, to) = self.around(window);
            let all = self.rows.get(from..to)?;
            let known = |it: &(i64, &SiteRow)| Some((it.0, it.1.memory_bytes?));
            let within = |it: &&(i64, &SiteRow)| (window.from_us..=window.to_us).contains(&it.0);
            let inside: Vec<&(i64, &SiteRow)> = all.iter().filter(within).collect();
            let seen = if inside.is_empty() { all.iter().collect() } else { inside };
            let most = seen.iter().filter_map(|it| known(it)).map(|it| it.1).reduce(f64::max)?;
            let least = |it: &&(i64, &SiteRow)| it.1.memory_low_bytes.or(it.1.memory_bytes);
            let low = seen.iter().filter_map(least).reduce(f64::max)?;
            let high = all.iter().filter_map(known).map(|it| it.1).fold(most, f64::max);
            // A level may fall, and no reading of it is lossy: the instants alone count.
            let instants = self.rows.iter().filter(|it| it.1.memory_bytes.is_some());
            let instants = instants.map(|it| (it.0, say::seconds(it.0)));
            let covered_us = Track::of(instants, &[]).covered_us(window);
            (covered_us > 0).then(|| Known {
                value: most,
                low: low.min(most),
                high,
                basis: Basis::Measured,
                method: planned.read.clone(),
                covered_ratio: ratio(covered_us, window),
            })
        })
    }

    /// The places of the readings within a stretch, and of one on either side.
    fn around(&self, window: Window) -> (usize, usize) {
        let from = self.rows.partition_point(|it| it.0 < window.from_us);
        let to = self.rows.partition_point(|it| it.0 <= window.to_us);
        (from.saturating_sub(1), (to + 1).min(self.rows.len()))
    }

    /// So many processes there were, at least and at most.
    pub(super) fn processes(&self, window: Window) -> Option<(u32, u32)> {
        let within = |it: &&(i64, &SiteRow)| (window.from_us..=window.to_us).contains(&it.0);
        let all = self.rows.iter().filter(within).filter_map(|it| it.1.processes);
        all.clone().min().zip(all.max())
    }
}
