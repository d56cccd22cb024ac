//! The objectives beside the recovery time and the count of losses: how old a loss may be, what can
//! be borne at most, and how much service there must be meanwhile.

use serde::Serialize;

use crate::{
    evidence::{
        rpo::Rpo,
        rto::{Attempt, Rto},
        say::{self, Answer},
        scale::signed,
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
}

/// Judges what the objectives name.
pub fn terms(objectives: &Objectives, rto: &Rto, rpo: &Rpo, attempts: &[Attempt]) -> Vec<Term> {
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
        let (answer, why) = degraded(percent, rto, attempts);
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

/// Of the writes sent from the fault until the return, what could not be tried counts for either.
fn degraded(percent: u8, rto: &Rto, attempts: &[Attempt]) -> (Answer, String) {
    let Some(fault) = rto.fault else {
        return (Answer::NotExercised, "no fault was applied".to_owned());
    };
    let back = rto.first_good.map_or(i64::MAX, |it| it.from_us);
    let within = |it: &&Attempt| rto.outage_seen && it.sent_us >= fault.to_us && it.sent_us < back;
    let all = attempts.iter().filter(within).count();
    let good = attempts.iter().filter(within).filter(|it| it.good()).count();
    let blind = attempts.iter().filter(within).filter(|it| !it.tried()).count();
    if all == 0 {
        let why = "the service was never seen to be degraded".to_owned();
        return (if rto.outage_seen { Answer::Inconclusive } else { rto.answer }, why);
    }
    let share = |part: usize| say::number(say::count(part)) / say::number(say::count(all));
    let (lower, upper) = (share(good), share(good + blind));
    let wanted = f64::from(percent) / 100.0;
    let answer = if lower >= wanted {
        Answer::Pass
    } else if upper < wanted {
        Answer::Fail
    } else {
        Answer::Inconclusive
    };
    let said = if blind == 0 {
        say::percent(lower)
    } else {
        format!("{} to {}", say::percent(lower), say::percent(upper))
    };
    let why = format!(
        "while it was degraded, {said} of {} were acknowledged, and {percent} % is wanted",
        say::plural(say::count(all), "write")
    );
    (answer, why)
}

/// The share of good writes, phase by phase; phases in which nothing was written are left out.
pub fn levels(phases: &[Phase], attempts: &[Attempt]) -> Vec<Level> {
    let level = |phase: &Phase| {
        let to = phase.to_us.unwrap_or(i64::MAX);
        let from = attempts.partition_point(|it| it.sent_us < phase.from_us);
        let end = attempts.partition_point(|it| it.sent_us < to);
        let within = attempts.get(from..end).unwrap_or_default();
        let tried = say::count(within.iter().filter(|it| it.tried()).count());
        let good = say::count(within.iter().filter(|it| it.good()).count());
        let ratio = (tried > 0).then(|| say::number(good) / say::number(tried));
        Level { phase: phase.name.clone(), tried, good, ratio }
    };
    phases.iter().map(level).filter(|it| it.tried > 0).collect()
}
