//! How busy the machine was and what energy it used, phase by phase.
//!
//! Means are weighted by time: a sample speaks for the stretch since the sample before. Energy
//! samples are cumulative, so a stretch used what they gained between its ends, interpolated
//! between neighbours; bounds are treated likewise. Amounts of different methods are never added.
//! A reading ends with its runner: from there to the next runner's first one nothing is known, and
//! nothing is covered.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    evidence::{say, scale::Window, timeline::Phase},
    journal::{index::EnergyFigures, sample::Sample},
};

/// A sample on the run's scale. As JSON: `[at_us, cpu_ratio, memory_used_bytes, joules]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(into = "(i64, f64, u64, Option<f64>)")]
pub struct Point {
    /// When, in microseconds since the run began.
    pub at_us: i64,
    /// The sample as it was taken.
    pub sample: Sample,
    /// Who played: a drill that was resumed has a sampler, and a reading from nothing, for each.
    pub epoch: u32,
}

impl From<Point> for (i64, f64, u64, Option<f64>) {
    fn from(it: Point) -> Self {
        let sample = it.sample;
        (it.at_us, sample.cpu_ratio, sample.memory_used_bytes, sample.energy.map(|it| it.joules))
    }
}

/// What a stretch of the run used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Use {
    /// The phase's name, or `whole run`.
    pub name: String,
    /// The stretch.
    pub window: Window,
    /// Mean busy share of all CPUs, 0 to 1.
    pub cpu_mean_ratio: Option<f64>,
    /// Highest busy share of a sample.
    pub cpu_peak_ratio: Option<f64>,
    /// Highest memory in use, in bytes.
    pub memory_peak_bytes: Option<u64>,
    /// The processes that the run names.
    pub processes: Vec<ProcessMean>,
    /// The energy used.
    pub energy: Energy,
}

/// What a process used over a stretch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessMean {
    /// Its name in the run.
    pub name: String,
    /// Mean busy CPUs while it was sampled (1 is one whole CPU).
    pub cpus_mean: f64,
    /// Highest resident memory, in bytes.
    pub rss_peak_bytes: u64,
}

/// Energy, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Energy {
    /// So much.
    Measured {
        /// The best estimate with its bounds, in joules, and the method.
        #[serde(flatten)]
        figures: EnergyFigures,
        /// The same in watt-hours: 1 Wh is 3,600 J.
        watt_hours: f64,
        /// The mean power over the stretch that the samples cover, in watts.
        watts_mean: Option<f64>,
        /// The share of the stretch that the samples cover, 0 to 1.
        covered_ratio: f64,
    },
    /// It could not be had.
    Unavailable {
        /// Why.
        why: String,
    },
}

/// The whole run and each of its phases.
pub fn uses(phases: &[Phase], points: &[Point], end_us: i64) -> (Use, Vec<Use>) {
    let whole = Window { from_us: 0, to_us: end_us.max(0) };
    let each = phases.iter().map(|it| {
        let to_us = it.to_us.unwrap_or(whole.to_us);
        stretch(&it.name, Window { from_us: it.from_us, to_us }, points)
    });
    (stretch("whole run", whole, points), each.collect())
}

fn stretch(name: &str, window: Window, points: &[Point]) -> Use {
    let spans = overlaps(window, points);
    let weight: i64 = spans.iter().map(|(us, _)| *us).fold(0, i64::saturating_add);
    let sum: f64 = spans.iter().map(|(us, it)| say::seconds(*us) * it.sample.cpu_ratio).sum();
    Use {
        name: name.to_owned(),
        window,
        cpu_mean_ratio: (weight > 0).then(|| sum / say::seconds(weight)),
        cpu_peak_ratio: spans.iter().map(|(_, it)| it.sample.cpu_ratio).reduce(f64::max),
        memory_peak_bytes: spans.iter().map(|(_, it)| it.sample.memory_used_bytes).max(),
        processes: processes(&spans),
        energy: energy(window, points),
    }
}

/// The samples that speak for some of the stretch, each with how much of it. The first sample of a
/// runner does not speak for the time since the last of the one before: nobody looked.
fn overlaps(window: Window, points: &[Point]) -> Vec<(i64, &Point)> {
    let mut since = points.first().map(|it| (it.epoch, 0));
    let mut spans = Vec::new();
    for point in points {
        let from_us = since.filter(|it| it.0 == point.epoch).map_or(point.at_us, |it| it.1);
        let overlap = point.at_us.min(window.to_us).saturating_sub(from_us.max(window.from_us));
        if overlap > 0 {
            spans.push((overlap, point));
        }
        since = Some((point.epoch, point.at_us));
    }
    spans
}

fn processes(spans: &[(i64, &Point)]) -> Vec<ProcessMean> {
    let mut sums: BTreeMap<&str, (f64, f64, u64)> = BTreeMap::new();
    for (us, point) in spans {
        let mut now: BTreeMap<&str, (f64, u64)> = BTreeMap::new();
        for it in &point.sample.processes {
            let (cpus, rss) = now.entry(&it.name).or_default();
            *cpus += it.cpus;
            *rss = rss.saturating_add(it.rss_bytes);
        }
        for (name, (cpus, rss)) in now {
            let (busy, seconds, peak) = sums.entry(name).or_default();
            *busy += cpus * say::seconds(*us);
            *seconds += say::seconds(*us);
            *peak = rss.max(*peak);
        }
    }
    let mean = |(name, (busy, seconds, peak)): (&str, (f64, f64, u64))| ProcessMean {
        name: name.to_owned(),
        cpus_mean: if seconds > 0.0 { busy / seconds } else { 0.0 },
        rss_peak_bytes: peak,
    };
    sums.into_iter().map(mean).collect()
}

/// What a stretch used.
fn energy(window: Window, points: &[Point]) -> Energy {
    let unavailable = |why: &str| Energy::Unavailable { why: why.to_owned() };
    let metered: Vec<Metered<'_>> = points
        .iter()
        .filter_map(|it| Some((it.at_us, it.epoch, it.sample.energy.as_ref()?)))
        .collect();
    let (Some((.., first)), Some((last_us, ..))) = (metered.first(), metered.last()) else {
        let blind = points.iter().find_map(|it| it.sample.energy_blind.as_deref());
        return unavailable(blind.unwrap_or("no energy was sampled"));
    };
    if metered.iter().any(|(.., it)| it.method != first.method) {
        return unavailable("the method changed during the run, and amounts of two are not added");
    }
    let within = Window { from_us: window.from_us.max(0), to_us: window.to_us.min(*last_us) };
    let covered_us = within.length_us().saturating_sub(unknown_us(&metered, within));
    if covered_us <= 0 {
        return unavailable("no energy sample covers this stretch");
    }
    let used = |of: fn(&EnergyFigures) -> f64| {
        (level(&metered, within.to_us, of) - level(&metered, within.from_us, of)).max(0.0)
    };
    let joules = used(|it| it.joules);
    let figures = EnergyFigures {
        joules,
        low: used(|it| it.low).min(joules),
        high: used(|it| it.high).max(joules),
        method: first.method.clone(),
    };
    let seconds = say::seconds(covered_us);
    Energy::Measured {
        watt_hours: joules / 3_600.0,
        watts_mean: Some(joules / seconds),
        covered_ratio: seconds / say::seconds(window.length_us().max(1)),
        figures,
    }
}

/// When, by whose reading, and what it said.
type Metered<'a> = (i64, u32, &'a EnergyFigures);

/// How much of a stretch lies between the last reading of a runner and the first of its successor.
fn unknown_us(metered: &[Metered<'_>], window: Window) -> i64 {
    let pairs = metered.iter().zip(metered.iter().skip(1));
    let holes = pairs.filter(|((_, before, _), (_, after, _))| before != after);
    let inside = |(from, to): (&Metered<'_>, &Metered<'_>)| {
        to.0.min(window.to_us).saturating_sub(from.0.max(window.from_us)).max(0)
    };
    holes.map(inside).fold(0, i64::saturating_add)
}

/// What was counted until an instant, between the neighbouring samples; nothing was used when the
/// run began, and nothing is known to have been used from one runner to the next.
fn level(metered: &[Metered<'_>], at_us: i64, of: fn(&EnergyFigures) -> f64) -> f64 {
    let (mut from_us, mut from, mut sum) = (0, 0.0, 0.0);
    let mut who = metered.first().map(|it| it.1);
    for (to_us, epoch, figures) in metered {
        let to = of(figures);
        let gain = if who == Some(*epoch) { to - from } else { 0.0 };
        if *to_us >= at_us {
            let length = say::seconds(to_us.saturating_sub(from_us));
            let part = say::seconds(at_us.saturating_sub(from_us).max(0));
            return sum + if length > 0.0 { gain * part / length } else { gain };
        }
        (sum, from_us, from, who) = (sum + gain, *to_us, to, Some(*epoch));
    }
    sum
}
