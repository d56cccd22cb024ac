//! The objectives beside the recovery time and the count of losses: how old a loss may be, what can
//! be borne at most, and how much service there must be meanwhile.

use serde::Serialize;

use crate::{
    evidence::{
        rpo::Rpo,
        rto::{Attempt, Rto},
        say::{self, Answer},
        scale::{Window, signed},
        timeline::Phase,
    },
    journal::began::Objectives,
};

/// An objective, and whether it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Term {
    /// What it is called.
    pub name: &'static str,
    /// The same in Chinese.
    pub name_zh: &'static str,
    /// Whether it was met.
    pub answer: Answer,
    /// Why, in a sentence.
    pub why: String,
}

/// How much of the service there was in a phase, as the witness saw it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// The phase.
    pub phase: String,
    /// Writes that were tried in it.
    pub tried: u64,
    /// Those that were acknowledged.
    pub good: u64,
    /// Their share, 0 to 1; none if nothing was tried.
    pub ratio: Option<f64>,
    /// The share in the worst second of the phase.
    pub worst: Option<f64>,
}

/// A second at least, and at least so many writes, make a stretch of which a share is told.
const STRETCH_US: i64 = 1_000_000;
const STRETCH_WRITES: i64 = 5;

/// How much of the service there was in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Second {
    sent: u64,
    good: u64,
    blind: u64,
}

impl Second {
    /// The share that was acknowledged, as far as it is known: what could not be tried counts for
    /// either. Where nothing was sent, nothing is known.
    fn share(self) -> (f64, f64) {
        if self.sent == 0 {
            return (0.0, 1.0);
        }
        let of = |part: u64| say::number(part) / say::number(self.sent);
        (of(self.good), of(self.good + self.blind))
    }
}

/// The seconds of a stretch, one after the other; what is left over belongs to the last of them.
fn seconds(window: Window, attempts: &[Attempt], every_us: u64) -> Vec<Second> {
    let length = STRETCH_US.max(signed(every_us).saturating_mul(STRETCH_WRITES));
    let many = (window.length_us() / length).max(1);
    let mut all = Vec::new();
    let mut from = attempts.partition_point(|it| it.sent_us < window.from_us);
    for n in 1..=many {
        let end_us =
            if n == many { window.to_us } else { window.from_us.saturating_add(n * length) };
        let end = attempts.partition_point(|it| it.sent_us < end_us);
        let within = attempts.get(from..end).unwrap_or_default();
        let (sent, good, blind) = counted(within);
        all.push(Second { sent, good, blind });
        from = end;
    }
    all
}

/// How many were sent, acknowledged, and could not be tried.
fn counted(attempts: &[Attempt]) -> (u64, u64, u64) {
    let good = attempts.iter().filter(|it| it.good()).count();
    let blind = attempts.iter().filter(|it| !it.tried()).count();
    (say::count(attempts.len()), say::count(good), say::count(blind))
}

/// Judges what the objectives name.
pub fn terms(
    objectives: &Objectives,
    (rto, rpo): (&Rto, &Rpo),
    (attempts, every_us): (&[Attempt], u64),
) -> Vec<Term> {
    let mut terms = Vec::new();
    if let Some(allowed) = objectives.rpo_us {
        let (answer, why) = age(signed(allowed), rpo);
        terms.push(Term { name: "age of the loss", name_zh: "丢失数据时长", answer, why });
    }
    if let Some(borne) = objectives.mtpd_us {
        let (answer, why) = borne_time(signed(borne), rto);
        let name = "maximum tolerable period of disruption";
        terms.push(Term { name, name_zh: "最大可容忍中断时间", answer, why });
    }
    if let Some(percent) = objectives.service_level_percent {
        let (answer, why) = degraded(percent, rto, (attempts, every_us));
        terms.push(Term {
            name: "service while degraded", name_zh: "降级期服务水平", answer, why
        });
    }
    terms
}

/// The earliest lost write was acknowledged so long before the fault struck, as an interval.
fn age(allowed: i64, rpo: &Rpo) -> (Answer, String) {
    let allowed_said = say::length(allowed);
    if rpo.classes.not_judged > 0 {
        let what = say::plural(rpo.classes.not_judged, "acknowledged write");
        return (Answer::Inconclusive, format!("{what} could not be read back"));
    }
    match rpo.loss_age {
        Some(age) if rpo.classes.lost > 0 => {
            let took = say::interval(age.from_us, Some(age.to_us));
            let why = format!(
                "the earliest lost write was acknowledged {took} before the fault, \
                 and {allowed_said} is allowed"
            );
            (side(age.from_us, Some(age.to_us), allowed), why)
        }
        None if rpo.classes.lost > 0 && rpo.answer.verdict().is_some() => {
            let why = "how old the earliest lost write was is not known".to_owned();
            (Answer::Inconclusive, why)
        }
        Some(_) | None => match rpo.answer {
            Answer::Pass => (Answer::Pass, "no acknowledged write is gone".to_owned()),
            other => (other, rpo.why.clone()),
        },
    }
}

fn borne_time(borne: i64, rto: &Rto) -> (Answer, String) {
    let (Some(lower), upper) = (rto.lower_us, rto.upper_us) else {
        return (rto.answer, rto.why.clone());
    };
    let took = say::interval(lower, upper);
    let why = format!("the service was away for {took}, and {} can be borne", say::length(borne));
    (side(lower, upper, borne), why)
}

/// Met only if the upper bound meets it, missed only if the lower bound misses it.
fn side(lower: i64, upper: Option<i64>, allowed: i64) -> Answer {
    match upper {
        Some(upper) if upper <= allowed => Answer::Pass,
        _ if lower > allowed => Answer::Fail,
        _ => Answer::Inconclusive,
    }
}

/// In every second from the fault until the return the share must be reached, not only on average.
fn degraded(percent: u8, rto: &Rto, (attempts, every_us): (&[Attempt], u64)) -> (Answer, String) {
    let Some(fault) = rto.fault else {
        return (Answer::NotExercised, "no fault was applied".to_owned());
    };
    let last = attempts.last().map_or(fault.to_us, |it| it.sent_us.saturating_add(1));
    let back = rto.first_good.map_or(last, |it| it.from_us);
    let window = Window { from_us: fault.to_us, to_us: back.max(fault.to_us) };
    let from = attempts.partition_point(|it| it.sent_us < window.from_us);
    let end = attempts.partition_point(|it| it.sent_us < window.to_us);
    let during = attempts.get(from..end).unwrap_or_default();
    if !rto.outage_seen || during.is_empty() {
        let why = "the service was never seen to be degraded".to_owned();
        return (if rto.outage_seen { Answer::Inconclusive } else { rto.answer }, why);
    }
    let shares: Vec<(f64, f64)> =
        seconds(window, attempts, every_us).into_iter().map(Second::share).collect();
    let lower = shares.iter().map(|it| it.0).fold(1.0, f64::min);
    let upper = shares.iter().map(|it| it.1).fold(1.0, f64::min);
    let wanted = f64::from(percent) / 100.0;
    let answer = if lower >= wanted {
        Answer::Pass
    } else if upper < wanted {
        Answer::Fail
    } else {
        Answer::Inconclusive
    };
    let (sent, good, blind) = counted(during);
    let whole = said(Second { sent, good, blind }.share());
    let why = format!(
        "while it was degraded, {whole} of {} were acknowledged, in the worst second {}, \
         and {percent} % is wanted in each",
        say::plural(sent, "write"),
        said((lower, upper)),
    );
    (answer, why)
}

fn said((lower, upper): (f64, f64)) -> String {
    let (lower, upper) = (say::percent(lower), say::percent(upper));
    if lower == upper { lower } else { format!("{lower} to {upper}") }
}

/// The share of good writes, phase by phase, and in the worst second of each; phases in which
/// nothing was written are left out.
pub fn levels(phases: &[Phase], attempts: &[Attempt], every_us: u64) -> Vec<Level> {
    let last = attempts.last().map_or(0, |it| it.sent_us.saturating_add(1));
    let level = |phase: &Phase| {
        let to_us = phase.to_us.unwrap_or(last).min(last).max(phase.from_us);
        let seconds = seconds(Window { from_us: phase.from_us, to_us }, attempts, every_us);
        let tried = seconds.iter().map(|it| it.sent - it.blind).sum();
        let good = seconds.iter().map(|it| it.good).sum();
        let share = |tried, good| (tried > 0).then(|| say::number(good) / say::number(tried));
        let each = seconds.iter().filter_map(|it| share(it.sent - it.blind, it.good));
        Level {
            phase: phase.name.clone(),
            tried,
            good,
            ratio: share(tried, good),
            worst: each.min_by(f64::total_cmp),
        }
    };
    phases.iter().map(level).filter(|it| it.tried > 0).collect()
}
