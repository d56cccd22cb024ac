//! Energy of sites: over a stretch, on top of the baseline, in a year of waiting, and at most.

use super::{
    figure::{Basis, Figure, Known},
    track::Track,
};
use crate::{
    evidence::{say, scale::Window},
    journal::index::EnergyFigures,
};

/// Joules in a kilowatt-hour.
pub const JOULES_PER_KWH: f64 = 3_600_000.0;
/// Hours in a year, of 365 days.
const YEAR_HOURS: f64 = 8_760.0;
/// How power varies cannot be told from fewer readings of it.
const SLICES_MIN: usize = 3;

/// Cumulative energy: the best estimate, and its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Power {
    joules: Track,
    low: Track,
    high: Track,
    method: String,
    basis: Basis,
}

/// Mean power between two readings, in watts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slice {
    /// Between which instants.
    pub window: Window,
    /// The best estimate.
    pub watts: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

/// Measured, unless it is a model's.
fn basis(method: &str) -> Basis {
    if method == "model" { Basis::Modelled } else { Basis::Measured }
}

impl Power {
    /// From cumulative readings in order of time, all by one method.
    pub fn of(readings: &[(i64, EnergyFigures)]) -> Result<Self, String> {
        let Some((_, first)) = readings.first() else {
            return Err("no energy was read".to_owned());
        };
        if readings.iter().any(|it| it.1.method != first.method) {
            let why = "the method changed during the run, and amounts of two are not added";
            return Err(why.to_owned());
        }
        let track = |of: fn(&EnergyFigures) -> f64| {
            Track::of(readings.iter().map(|(at, it)| (*at, of(it))), &[])
        };
        Ok(Self {
            joules: track(|it| it.joules),
            low: track(|it| it.low),
            high: track(|it| it.high),
            method: first.method.clone(),
            basis: basis(&first.method),
        })
    }

    /// The part of a machine's energy that falls to processes, by processor time:
    ///
    /// ```text
    /// part = energy of the machine × processor time of the processes ÷ (processors × time)
    /// ```
    ///
    /// Idling is nobody's. It is a model, whatever counts the machine's energy.
    pub fn shared(&self, cpu: &[&Track], cpus: f64, end_us: i64) -> Result<Self, String> {
        let whole = Window { from_us: i64::MIN, to_us: end_us };
        let Some(first) = cpu.iter().find(|it| it.instants(whole).next().is_some()) else {
            return Err("the processor time of its processes is not known".to_owned());
        };
        let instants: Vec<i64> = first.instants(whole).collect();
        let mut sums = [0.0; 3];
        let mut readings = Vec::new();
        for pair in instants.windows(2) {
            let [from_us, to_us] = *pair else { continue };
            let window = Window { from_us, to_us };
            let used: f64 = cpu.iter().filter_map(|it| it.gained(window)).map(|it| it.value).sum();
            let share = (used / (cpus * say::seconds(window.length_us()))).clamp(0.0, 1.0);
            if readings.is_empty() {
                readings.push((from_us, sums));
            }
            let tracks = [&self.joules, &self.low, &self.high];
            for (sum, track) in sums.iter_mut().zip(tracks) {
                *sum += track.gained(window).map_or(0.0, |it| it.value) * share;
            }
            // Where the machine's energy is not known, neither is a part of it.
            if self.joules.covered_us(window) > 0 {
                readings.push((to_us, sums));
            }
        }
        let track = |at: usize| {
            let of = |it: &(i64, [f64; 3])| Some((it.0, *it.1.get(at)?));
            Track::of(readings.iter().filter_map(of), &[])
        };
        Ok(Self {
            joules: track(0),
            low: track(1),
            high: track(2),
            method: format!("{}, shared out by processor time", self.method),
            basis: Basis::Modelled,
        })
    }

    /// Joules over a stretch, with the bounds of the method and of the readings around its ends.
    pub fn joules(&self, window: Window) -> Figure {
        let unknown = || "no reading of energy covers this stretch".to_owned();
        let (Some(best), Some(low), Some(high)) =
            (self.joules.gained(window), self.low.gained(window), self.high.gained(window))
        else {
            return Figure::none(unknown());
        };
        Figure::Known(Known {
            value: best.value,
            low: low.low.min(best.value),
            high: high.high.max(best.value),
            basis: self.basis,
            method: self.method.clone(),
            covered_ratio: ratio(best.covered_us, window),
        })
    }

    /// Mean power between readings, each at least a second apart.
    pub fn slices(&self, window: Window) -> Vec<Slice> {
        let (low, high) = (self.low.slices(window), self.high.slices(window));
        let best = self.joules.slices(window);
        let mut slices = Vec::new();
        for (((window, best), (_, low)), (_, high)) in best.into_iter().zip(low).zip(high) {
            let [watts, low, high] =
                [best, low, high].map(|joules| joules / say::seconds(window.length_us()));
            slices.push(Slice { window, watts, low: low.min(watts), high: high.max(watts) });
        }
        slices
    }

    /// What the run used on top of an equally long baseline, in kWh:
    ///
    /// ```text
    /// E = E(run) − W(baseline) × T(run)
    /// ```
    ///
    /// `T` is the part of the run that readings enclose, `W` the mean power of the baseline. The
    /// bounds let the baseline have gone on as its quietest and as its busiest reading. Of what was
    /// measured, the run's least meets the baseline's most, and the other way round. A model has
    /// the same error in both, so that each bound is held against its like.
    pub fn incremental(&self, baseline: Window, run: Window) -> Figure {
        self.over(baseline, run).into()
    }

    fn over(&self, baseline: Window, run: Window) -> Result<Known, String> {
        let slices = self.enough(baseline)?;
        let mean = |of: fn(&Slice) -> f64| weighted(&slices, of);
        let unknown = || "no reading of energy covers the run".to_owned();
        let best = self.joules.gained(run).ok_or_else(unknown)?;
        let low = self.low.gained(run).ok_or_else(unknown)?;
        let high = self.high.gained(run).ok_or_else(unknown)?;
        let length = say::seconds(best.over_us);
        let value = best.value - mean(|it| it.watts) * length;
        let (least, most) = (least(&slices), most(&slices));
        let mut ends = vec![value];
        match self.basis {
            Basis::Measured => {
                ends.extend([low.low - most.high * length, high.high - least.low * length]);
            }
            Basis::Modelled => {
                let each = [
                    (best, least.watts, most.watts),
                    (low, least.low, most.low),
                    (high, least.high, most.high),
                ];
                for (gain, least, most) in each {
                    ends.extend([gain.low - most * length, gain.high - least * length]);
                }
            }
        }
        let least = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(Known {
            value: value / JOULES_PER_KWH,
            low: least / JOULES_PER_KWH,
            high: most / JOULES_PER_KWH,
            basis: self.basis,
            method: self.method.clone(),
            covered_ratio: ratio(best.covered_us, run),
        })
    }

    /// What a year of waiting takes, in kWh: the price of the recovery time.
    ///
    /// ```text
    /// E(year) = W(baseline) × 8760 h
    /// ```
    ///
    /// The bounds are the baseline's quietest and busiest reading, with the method's own.
    pub fn year(&self, baseline: Window) -> Figure {
        let known = self.enough(baseline).map(|slices| {
            let kwh = |watts: f64| watts * YEAR_HOURS / 1_000.0;
            let covered = self.joules.covered_us(baseline);
            let length = say::length(covered);
            Known {
                value: kwh(weighted(&slices, |it| it.watts)),
                low: kwh(least(&slices).low),
                high: kwh(most(&slices).high),
                basis: self.basis,
                method: format!("{}; mean of a baseline of {length}, for 8,760 h", self.method),
                covered_ratio: ratio(covered, baseline),
            }
        });
        known.into()
    }

    fn enough(&self, baseline: Window) -> Result<Vec<Slice>, String> {
        let slices = self.slices(baseline);
        if slices.len() >= SLICES_MIN {
            return Ok(slices);
        }
        Err(format!(
            "the baseline has {} of power, and how it varies cannot be told from fewer than {SLICES_MIN}",
            say::plural(say::count(slices.len()), "reading")
        ))
    }
}

fn weighted(slices: &[Slice], of: fn(&Slice) -> f64) -> f64 {
    let seconds = |it: &Slice| say::seconds(it.window.length_us());
    let length: f64 = slices.iter().map(seconds).sum();
    slices.iter().map(|it| of(it) * seconds(it)).sum::<f64>() / length
}

fn least(slices: &[Slice]) -> Slice {
    end(slices, f64::min, f64::INFINITY)
}

fn most(slices: &[Slice]) -> Slice {
    end(slices, f64::max, f64::NEG_INFINITY)
}

fn end(slices: &[Slice], choose: fn(f64, f64) -> f64, start: f64) -> Slice {
    let of = |part: fn(&Slice) -> f64| slices.iter().map(part).fold(start, choose);
    let window = Window { from_us: 0, to_us: 0 };
    Slice { window, watts: of(|it| it.watts), low: of(|it| it.low), high: of(|it| it.high) }
}

/// The share of a stretch that is covered.
pub fn ratio(covered_us: i64, window: Window) -> f64 {
    let length = say::seconds(window.length_us().max(1));
    (say::seconds(covered_us) / length).clamp(0.0, 1.0)
}

/// The greatest power of all these together: of the stretches in which all were read, the one whose
/// sum of mean powers is greatest; the bounds are those of the greatest sums of bounds.
pub fn peak(all: &[&Power], run: Window) -> Figure {
    let Some(first) = all.first() else { return Figure::none("no site's energy was read") };
    if all.iter().any(|it| it.basis != first.basis) {
        let why = "one site is measured and another modelled, and the two are not added";
        return Figure::none(why);
    }
    let slices: Vec<Vec<Slice>> = all.iter().map(|it| it.slices(run)).collect();
    let mut cuts: Vec<i64> =
        slices.iter().flatten().flat_map(|it| [it.window.from_us, it.window.to_us]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let (mut covered_us, mut top) = (0, None::<[f64; 3]>);
    for pair in cuts.windows(2) {
        let [from_us, to_us] = *pair else { continue };
        let here = |of: &Vec<Slice>| {
            let at = of.partition_point(|it| it.window.to_us <= from_us);
            of.get(at).copied().filter(|it| it.window.from_us <= from_us)
        };
        let Some(now) = slices.iter().map(here).collect::<Option<Vec<Slice>>>() else { continue };
        covered_us += Window { from_us, to_us }.length_us();
        let sum = |of: fn(&Slice) -> f64| now.iter().map(of).sum::<f64>();
        let sums = [sum(|it| it.watts), sum(|it| it.low), sum(|it| it.high)];
        let top = top.get_or_insert(sums);
        top.iter_mut().zip(sums).for_each(|(top, it)| *top = top.max(it));
    }
    let Some([value, low, high]) = top else {
        return Figure::none("there is no stretch in which all sites were read");
    };
    let mut methods: Vec<&str> = all.iter().map(|it| it.method.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    Figure::Known(Known {
        value,
        low,
        high,
        basis: first.basis,
        method: methods.join("; "),
        covered_ratio: ratio(covered_us, run),
    })
}
