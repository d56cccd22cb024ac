//! Utilisation and energy, site by site and phase by phase: what the drill cost on top of a
//! baseline, what it costs to keep a standby, and how much room the standby had when it took over.
//!
//! Every number is a [`Figure`]: with bounds, basis, method and coverage, or unavailable with a
//! reason. The formulas are at their functions, and in `docs/measurement.md`.

pub mod figure;
mod gather;
pub mod power;
mod room;
pub mod track;

use serde::Serialize;

pub(crate) use self::gather::Draft;
use self::{
    figure::{Figure, grams},
    gather::{Place, Scope},
    power::{JOULES_PER_KWH, Power},
};
use crate::{
    evidence::{say, scale::Window, timeline::Phase},
    journal::site::{PlannedSite, Resource, Role, SiteRow},
};

/// What all sites used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sites {
    /// The baseline: the first phase of that name.
    pub baseline: Option<Window>,
    /// The stretch over which the standby's room is told: from the end of the promotion until the
    /// data was verified.
    pub take_over: Option<Window>,
    /// Site by site, in the order of the file.
    pub each: Vec<Site>,
    /// The greatest power of the primaries and standbys together, in watts.
    pub peak_dual_watts: Figure,
}

/// What one site used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// What was planned.
    pub planned: PlannedSite,
    /// By how much the instants of its readings can be wrong, in microseconds, where another
    /// machine's clock told them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_error_us: Option<u64>,
    /// Phase by phase, in the order of the timeline.
    pub phases: Vec<SiteUse>,
    /// Over the whole run.
    pub whole: SiteUse,
    /// The energy of the run on top of an equally long baseline, in kWh.
    pub incremental_kwh: Figure,
    /// The same is not to be told from nothing: its interval holds zero. None if there is none.
    pub indistinguishable: Option<bool>,
    /// Emissions of the whole run, in grams of `CO2e`.
    pub grams: Figure,
    /// Emissions of what the run used on top of the baseline, in grams of `CO2e`.
    pub incremental_grams: Figure,
    /// What a standby takes in a year of waiting, in kWh; none for other sites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_year_kwh: Option<Figure>,
    /// Emissions of that, in grams of `CO2e`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_year_grams: Option<Figure>,
    /// How much room a standby had when it took over; none for other sites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headroom: Option<Headroom>,
}

/// What a site used over a stretch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteUse {
    /// The phase's name, or `whole run`.
    pub name: String,
    /// The stretch.
    pub window: Window,
    /// The host, under an empty name, and the processes.
    pub scopes: Vec<ScopeUse>,
    /// Energy in joules.
    pub joules: Figure,
    /// Mean power over what the readings cover, in watts.
    pub watts: Figure,
}

/// What a host or a process used over a stretch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScopeUse {
    /// The process's name; empty for the whole host.
    pub process: String,
    /// So many processes there were at least and at most, by that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<(u32, u32)>,
    /// Processor time, in seconds.
    pub cpu_seconds: Figure,
    /// Its share of all processors of the machine, 0 to 1.
    pub cpu_ratio: Figure,
    /// The most memory in use, in bytes.
    pub memory_bytes: Figure,
    /// Bytes read from disks.
    pub disk_read_bytes: Figure,
    /// Bytes written to disks.
    pub disk_written_bytes: Figure,
    /// Bytes that came over the network.
    pub network_received_bytes: Figure,
    /// Bytes that went over the network.
    pub network_sent_bytes: Figure,
}

/// What was left of a machine while it had just taken over: 1 less the share in use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headroom {
    /// Of its processors, in the mean.
    pub cpu: Figure,
    /// Of its processors, between the two readings between which they were busiest.
    pub cpu_least: Figure,
    /// Of its memory, at the reading at which most was in use.
    pub memory: Figure,
}

/// All of it, from what was gathered; none if the run names no site.
pub(crate) fn sites(draft: &Draft<'_>, phases: &[Phase], end_us: i64) -> Option<Sites> {
    if draft.planned.is_empty() {
        return None;
    }
    let run = Window { from_us: 0, to_us: end_us.max(0) };
    let baseline = baseline(phases, run);
    let take_over = take_over(phases, run);
    let places: Vec<(Place<'_>, Result<Power, String>)> = draft
        .planned
        .iter()
        .map(|it| draft.place(it))
        .map(|it| {
            let power = it.power(draft, end_us);
            (it, power)
        })
        .collect();
    let each = places.iter().map(|(place, power)| {
        let parts = Parts { place, power, phases, run, baseline, take_over };
        parts.site(draft)
    });
    Some(Sites { baseline, take_over, each: each.collect(), peak_dual_watts: dual(&places, run) })
}

/// The first phase called baseline.
fn baseline(phases: &[Phase], run: Window) -> Option<Window> {
    let found = phases.iter().find(|it| it.name.to_lowercase().starts_with("baseline"))?;
    Some(Window { from_us: found.from_us, to_us: found.to_us.unwrap_or(run.to_us) })
}

/// From the end of the first phase called promote or switch until the end of the next one called
/// verify.
fn take_over(phases: &[Phase], run: Window) -> Option<Window> {
    let named = |it: &&Phase, words: &[&str]| {
        let name = it.name.to_lowercase();
        words.iter().any(|word| name.starts_with(word))
    };
    let from_us = phases.iter().find(|it| named(it, &["promote", "switch"]))?.to_us?;
    let verified = phases.iter().find(|it| named(it, &["verify"]) && it.from_us >= from_us);
    let to_us = verified.and_then(|it| it.to_us).unwrap_or(run.to_us);
    Some(Window { from_us, to_us })
}

/// The power of all that a take-over keeps running side by side.
fn dual(places: &[(Place<'_>, Result<Power, String>)], run: Window) -> Figure {
    let taking_part = |role| places.iter().filter(move |it| it.0.planned.role == role);
    let both: Vec<_> = taking_part(Role::Primary).chain(taking_part(Role::Standby)).collect();
    if taking_part(Role::Primary).count() == 0 || taking_part(Role::Standby).count() == 0 {
        return Figure::none("a primary and a standby are not both named");
    }
    let here = both.iter().filter(|it| it.0.planned.local);
    if here.clone().count() > 1 && here.clone().any(|it| it.0.planned.host) {
        let why = "one site is this whole machine, and the other is on it: it would count twice";
        return Figure::none(why);
    }
    let mut all = Vec::new();
    for (place, power) in both {
        match power {
            Ok(it) => all.push(it),
            Err(why) => return Figure::none(format!("{}: {why}", place.planned.name)),
        }
    }
    power::peak(&all, run)
}

struct Parts<'a> {
    place: &'a Place<'a>,
    power: &'a Result<Power, String>,
    phases: &'a [Phase],
    run: Window,
    baseline: Option<Window>,
    take_over: Option<Window>,
}

impl Parts<'_> {
    fn site(&self, draft: &Draft<'_>) -> Site {
        let Self { place, phases, run, .. } = self;
        let planned = place.planned;
        let phases = phases.iter().map(|it| {
            let to_us = it.to_us.unwrap_or(run.to_us);
            self.stretch(&it.name, Window { from_us: it.from_us, to_us })
        });
        let phases = phases.collect();
        let whole = self.stretch("whole run", *run);
        let incremental_kwh = self.against_baseline(|power, baseline| {
            let after = Window { from_us: baseline.to_us, to_us: run.to_us };
            power.incremental(baseline, after)
        });
        let of = |kwh: &Figure| grams(kwh, planned.grid.as_ref(), planned.pue.as_ref());
        let standby = planned.role == Role::Standby;
        let idle = standby.then(|| self.against_baseline(Power::year));
        Site {
            planned: planned.clone(),
            clock_error_us: place.clock_error_us(),
            phases,
            indistinguishable: incremental_kwh.known().map(|it| it.low <= 0.0 && it.high >= 0.0),
            grams: of(&whole.joules.clone().times(1.0 / JOULES_PER_KWH)),
            incremental_grams: of(&incremental_kwh),
            incremental_kwh,
            whole,
            idle_year_grams: idle.as_ref().map(of),
            idle_year_kwh: idle,
            headroom: standby.then(|| room::headroom(place, draft, self.take_over)),
        }
    }

    fn against_baseline(&self, figure: impl FnOnce(&Power, Window) -> Figure) -> Figure {
        match (self.power, self.baseline) {
            (Err(why), _) => Figure::none(why),
            (Ok(_), None) => Figure::none("no phase of the run is called baseline"),
            (Ok(power), Some(baseline)) => figure(power, baseline),
        }
    }

    fn stretch(&self, name: &str, window: Window) -> SiteUse {
        let joules = match self.power {
            Ok(power) => power.joules(window),
            Err(why) => Figure::none(why),
        };
        let watts = joules.clone().map(|it| {
            let length = say::seconds(window.length_us()) * it.covered_ratio;
            figure::Known {
                value: it.value / length,
                low: it.low / length,
                high: it.high / length,
                ..it
            }
        });
        let scopes = self.place.scopes.iter().map(|it| it.uses(window, self.place.planned));
        SiteUse { name: name.to_owned(), window, scopes: scopes.collect(), joules, watts }
    }
}

impl Scope<'_> {
    fn uses(&self, window: Window, planned: &PlannedSite) -> ScopeUse {
        let counter = |resource, of: fn(&SiteRow) -> Option<f64>| {
            self.counter((resource, of), window, planned)
        };
        ScopeUse {
            process: self.process.to_owned(),
            processes: self.processes(window),
            cpu_seconds: counter(Resource::Cpu, |it| it.cpu_seconds),
            cpu_ratio: self.cpu_ratio(window, planned),
            memory_bytes: self.memory(window, planned),
            disk_read_bytes: counter(Resource::Disk, |it| it.disk_read_bytes),
            disk_written_bytes: counter(Resource::Disk, |it| it.disk_written_bytes),
            network_received_bytes: counter(Resource::Network, |it| it.network_received_bytes),
            network_sent_bytes: counter(Resource::Network, |it| it.network_sent_bytes),
        }
    }
}
