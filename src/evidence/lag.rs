//! How far the standby was behind, as the witness saw it: what it had acknowledged to have, and
//! what a reader of the standby would have missed.

use serde::Serialize;

use crate::evidence::{rto::Attempt, say, scale::signed};

/// So many writes can be under way at once; older ones are answered.
const FLIGHT: usize = 512;

/// A look at the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peeked {
    /// When it was asked, in microseconds since the run began.
    pub sent_us: i64,
    /// How long it took to answer.
    pub took_us: u64,
    /// The highest number that it had; none if it had no record yet.
    pub newest: Option<u64>,
}

/// How far the standby was behind before the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// How often it was asked.
    pub looks: u64,
    /// How often it lacked a write that had been acknowledged before it was asked: a stale read.
    pub stale: u64,
    /// So many acknowledged writes it lacked at most.
    pub behind_writes_max: u64,
    /// So long ago, at most, had the oldest of them been acknowledged when the answer came.
    pub behind_us_max: i64,
    /// The longest time between two looks, in which the lag is not known.
    pub gap_us_max: i64,
}

impl Lag {
    /// So far back a loss can reach: the greatest lag, and what it can have grown between looks.
    pub fn window_us(&self) -> i64 {
        self.behind_us_max.saturating_add(self.gap_us_max)
    }
}

/// The lag before `fault_us`; none if nobody asked. `attempts` are in the order of sending.
pub fn lag(attempts: &[Attempt], peeks: &[Peeked], fault_us: i64) -> Option<Lag> {
    let mut before: Vec<&Peeked> = peeks.iter().filter(|it| it.sent_us < fault_us).collect();
    before.sort_by_key(|it| it.sent_us);
    let (first, last) = (before.first()?, before.last()?);
    let gaps = before.iter().zip(before.iter().skip(1)).map(|(a, b)| b.sent_us - a.sent_us);
    let mut lag = Lag {
        looks: say::count(before.len()),
        stale: 0,
        behind_writes_max: 0,
        behind_us_max: 0,
        gap_us_max: gaps.max().unwrap_or(0).max(fault_us.saturating_sub(last.sent_us)),
    };
    // Writes before the first look are as unknown as those between two.
    let begun = attempts.first().map_or(first.sent_us, |it| it.sent_us);
    lag.gap_us_max = lag.gap_us_max.max(first.sent_us.saturating_sub(begun));
    let mut good = vec![0_u64];
    for it in attempts {
        let sum = good.last().copied().unwrap_or(0);
        good.push(sum + u64::from(it.good()));
    }
    for peek in before {
        let Some((writes, oldest)) = behind(attempts, &good, peek) else { continue };
        lag.stale += 1;
        lag.behind_writes_max = lag.behind_writes_max.max(writes);
        let age = peek.sent_us.saturating_add(signed(peek.took_us)).saturating_sub(oldest);
        lag.behind_us_max = lag.behind_us_max.max(age);
    }
    Some(lag)
}

/// What the standby lacked at a look: so many writes that had been acknowledged by then, and when
/// the earliest of them was. None if it lacked nothing. `good` counts acknowledgements up to each
/// attempt.
fn behind(attempts: &[Attempt], good: &[u64], peek: &Peeked) -> Option<(u64, i64)> {
    let end = attempts.partition_point(|it| it.sent_us < peek.sent_us);
    let from = peek.newest.map_or(0, |newest| attempts.partition_point(|it| it.seq <= newest));
    let due = |it: &&Attempt| it.good() && it.received_us() <= peek.sent_us;
    let missing = attempts.get(from..end)?;
    // Of those that were under way together, a later one may have been answered first.
    let first = missing.iter().position(|it| due(&it))?;
    let together = missing.iter().skip(first).take(FLIGHT);
    let oldest = together.filter(due).map(Attempt::received_us).min()?;
    // Of those sent lately some were answered later.
    let late = missing.get(missing.len().saturating_sub(FLIGHT)..).unwrap_or(missing);
    let late = late.iter().filter(|it| it.good() && !due(it)).count();
    let all = good.get(end)?.saturating_sub(*good.get(from)?);
    Some((all.saturating_sub(say::count(late)), oldest))
}
