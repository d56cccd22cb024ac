//! The recovery time of a drill, as an interval that the true one lies in.
//!
//! Nobody sees the instant at which a service comes back; a client sees writes that fail and writes
//! that do not. With the fault applied somewhere in `[f0, f1]` (just before and just after the
//! call), a last failed write sent at `s` and the first good one after it answered at `r`, the
//! service was down at some instant after `s` and up at some instant before `r`, so that
//! `RTO ∈ [max(0, s − f1), r − f0]`. On a fixed schedule its width is at most one period, one
//! answer and the length of the call. Every stamp is of one clock and one observer. Where nobody
//! looked, because the runner had vanished or the witness was blind, nothing is known: no row of
//! good writes reaches across that, and the interval only becomes wider.

use serde::Serialize;

use crate::{
    evidence::{
        origin::Since,
        say::{self, Answer},
        scale::{Window, signed},
        timeline::{MomentKind, Phase, Timeline},
    },
    journal::entry::{Found, Outcome},
};

/// A write of the witness, and what was found of it afterwards. As JSON:
/// `[seq, sent_us, took_us, outcome, found]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "(u64, i64, u64, Outcome, Option<Found>)")]
pub struct Attempt {
    /// The record's number.
    pub seq: u64,
    /// When it was sent, in microseconds since the run began.
    pub sent_us: i64,
    /// How long until the answer, or until it was given up.
    pub took_us: u64,
    /// What was answered.
    pub outcome: Outcome,
    /// What was found afterwards; none if nobody looked.
    pub found: Option<Found>,
    /// How often it was found, where it was.
    pub copies: u32,
    /// What was found on a side that was not to take it any more; none if nobody looked.
    pub elsewhere: Option<Found>,
}

impl From<Attempt> for (u64, i64, u64, Outcome, Option<Found>) {
    fn from(it: Attempt) -> Self {
        (it.seq, it.sent_us, it.took_us, it.outcome, it.found)
    }
}

impl Attempt {
    /// Whether the service answered as it should.
    pub fn good(&self) -> bool {
        self.outcome == Outcome::Acked
    }

    /// Whether it was tried at all; what was not says nothing of the service.
    pub fn tried(&self) -> bool {
        self.outcome != Outcome::Blind
    }

    /// When the answer came, or the wait ended.
    pub fn received_us(&self) -> i64 {
        self.sent_us.saturating_add(signed(self.took_us))
    }
}

/// What a client saw of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The service failed and came back.
    Restored {
        /// When the last failed write before the return was sent.
        last_failed_us: i64,
        /// When the first good write after it was sent, and answered.
        first_good: Window,
    },
    /// The service failed and did not come back while anybody looked.
    Lasting {
        /// When the last failed write was sent.
        last_failed_us: i64,
    },
    /// No write failed: an outage, if there was one, fits between two good writes.
    Unseen {
        /// The longest that such an outage can have been.
        upper_us: i64,
    },
    /// No write was sent after the fault.
    Blind,
}

/// What the attempts, in the order of sending, show of an outage that a fault began. The service
/// counts as restored at the first of `in_a_row` good attempts that were sent after the fault had
/// been applied and after an attempt that failed, with nothing unseen between them: before each of
/// `resumed_us` nobody had looked for a while.
pub fn outage(fault: Window, attempts: &[Attempt], in_a_row: u32, resumed_us: &[i64]) -> Outage {
    let mut last_failed_us = None;
    let mut streak: Option<(Window, u32)> = None;
    let mut looked_us = i64::MIN;
    for it in attempts {
        if resumed_us.iter().any(|at| looked_us < *at && *at <= it.sent_us) {
            streak = None;
        }
        looked_us = it.sent_us;
        if !it.tried() {
            streak = None;
            continue;
        }
        if !it.good() {
            if it.received_us() >= fault.from_us {
                last_failed_us = Some(it.sent_us);
                streak = None;
            }
            continue;
        }
        let (Some(last), true) = (last_failed_us, it.sent_us >= fault.to_us) else { continue };
        let answered = Window { from_us: it.sent_us, to_us: it.received_us() };
        let (first_good, length) = streak.map_or((answered, 1), |(at, n)| (at, n + 1));
        if length >= in_a_row {
            return Outage::Restored { last_failed_us: last, first_good };
        }
        streak = Some((first_good, length));
    }
    match last_failed_us {
        Some(last_failed_us) => Outage::Lasting { last_failed_us },
        None => unseen(fault, attempts),
    }
}

fn unseen(fault: Window, attempts: &[Attempt]) -> Outage {
    let tried = || attempts.iter().filter(|it| it.tried());
    let Some(first) = tried().find(|it| it.sent_us >= fault.to_us) else {
        return Outage::Blind;
    };
    let pairs = tried().zip(tried().skip(1));
    let gaps = pairs
        .filter(|(_, next)| next.received_us() >= fault.from_us)
        .map(|(it, next)| next.received_us().saturating_sub(it.sent_us));
    let first = first.received_us().saturating_sub(fault.from_us);
    Outage::Unseen { upper_us: gaps.max().unwrap_or(0).max(first) }
}

/// The recovery time and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rto {
    /// Whether the objective was met.
    pub answer: Answer,
    /// Why, in a sentence.
    pub why: String,
    /// The objective, in microseconds.
    pub objective_us: u64,
    /// It took at least so long.
    pub lower_us: Option<i64>,
    /// It took at most so long; none while the service is not back.
    pub upper_us: Option<i64>,
    /// Whether any write failed.
    pub outage_seen: bool,
    /// What it counts from.
    pub since: Since,
    /// Just before and just after what it counts from: the call that applied the fault, if it is
    /// one of ours.
    pub fault: Option<Window>,
    /// When the last failed write was sent.
    pub last_failed_sent_us: Option<i64>,
    /// When the first good write after it was sent and answered.
    pub first_good: Option<Window>,
    /// From the fault to the end of the phase that verified the data, as an interval.
    pub verified: Option<Window>,
    /// Where the time went.
    pub parts: Vec<Part>,
    /// Share of writes acknowledged between the fault and the return.
    pub degraded_ratio: Option<f64>,
    /// How many writes were sent between the fault and the return.
    pub degraded_attempts: u64,
    /// How many writes failed after the return.
    pub failed_again: u64,
}

/// A part of the recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What was done.
    pub name: String,
    /// From when to when.
    pub window: Window,
}

/// Judges the recovery time against its objective. `attempts` are in the order of sending.
pub fn judge(timeline: &Timeline, attempts: &[Attempt], terms: (u64, u32)) -> Rto {
    let (objective_us, in_a_row) = terms;
    let fault = timeline.disaster();
    let mut rto = Rto {
        answer: Answer::NotExercised,
        why: String::new(),
        objective_us,
        lower_us: None,
        upper_us: None,
        outage_seen: false,
        since: timeline.since(),
        fault,
        last_failed_sent_us: None,
        first_good: None,
        verified: None,
        parts: Vec::new(),
        degraded_ratio: None,
        degraded_attempts: 0,
        failed_again: 0,
    };
    let Some(fault) = fault else {
        "no fault was applied and no start was declared, so recovery was not exercised"
            .clone_into(&mut rto.why);
        return rto;
    };
    if attempts.is_empty() {
        "no witness wrote anything, so the recovery time was not measured".clone_into(&mut rto.why);
        return rto;
    }
    let resumed = timeline.moments.iter().filter(|it| it.what == MomentKind::Resumed);
    let resumed: Vec<i64> = resumed.map(|it| it.at_us).collect();
    let seen = outage(fault, attempts, in_a_row, &resumed);
    rto.measure(fault, seen, (timeline, attempts));
    rto.say(seen);
    rto.doubt(timeline);
    rto.parts = parts(timeline, fault, rto.first_good);
    let back = rto.first_good.map_or(i64::MAX, |it| it.to_us);
    rto.verified = timeline
        .phases
        .iter()
        .filter(|it| it.name.to_lowercase().starts_with("verify"))
        .filter_map(|it| it.to_us)
        .find(|end| *end >= back)
        .and_then(|end| {
            let from_us = timeline.shortest_us(fault.to_us, end);
            Some(Window { from_us, to_us: timeline.longest_us(fault.from_us, end)? })
        });
    rto
}

impl Rto {
    fn measure(
        &mut self,
        fault: Window,
        seen: Outage,
        (timeline, attempts): (&Timeline, &[Attempt]),
    ) {
        let since = |us: i64| timeline.shortest_us(fault.to_us, us);
        match seen {
            Outage::Restored { last_failed_us, first_good } => {
                self.lower_us = Some(since(last_failed_us));
                self.upper_us = timeline.longest_us(fault.from_us, first_good.to_us);
                self.last_failed_sent_us = Some(last_failed_us);
                self.first_good = Some(first_good);
            }
            Outage::Lasting { last_failed_us } => {
                self.lower_us = Some(since(last_failed_us));
                self.last_failed_sent_us = Some(last_failed_us);
            }
            Outage::Unseen { upper_us } => {
                self.lower_us = Some(0);
                // Wherever it was, it may have spanned every restart.
                let last = attempts.last().map_or(fault.to_us, |it| it.sent_us);
                let more = timeline.longest_us(fault.from_us, last);
                let more = more.map(|it| it.saturating_sub(last.saturating_sub(fault.from_us)));
                self.upper_us = more.map(|it| it.saturating_add(upper_us));
            }
            Outage::Blind => {}
        }
        self.outage_seen = self.last_failed_sent_us.is_some();
        let back = self.first_good.map(|it| it.from_us);
        if self.outage_seen {
            let end = back.unwrap_or(i64::MAX);
            let during: Vec<bool> = attempts
                .iter()
                .filter(|it| it.tried() && it.sent_us >= fault.from_us && it.sent_us < end)
                .map(Attempt::good)
                .collect();
            let good = say::count(during.iter().filter(|it| **it).count());
            self.degraded_attempts = say::count(during.len());
            self.degraded_ratio = (!during.is_empty())
                .then(|| say::number(good) / say::number(self.degraded_attempts));
        }
        if let Some(back) = back {
            let again = attempts.iter().filter(|it| it.sent_us >= back && it.tried() && !it.good());
            self.failed_again = say::count(again.count());
        }
    }

    fn say(&mut self, seen: Outage) {
        let wanted = say::length_u(self.objective_us);
        let objective = signed(self.objective_us);
        let (lower, upper) = (self.lower_us.unwrap_or(0), self.upper_us);
        let (took, watched) = (say::interval(lower, upper), say::bound(lower));
        let since = self.since.word();
        (self.answer, self.why) = match (seen, upper) {
            (Outage::Blind, _) => (
                Answer::Inconclusive,
                format!("no write was sent after {since}, so the recovery time is not known"),
            ),
            (Outage::Unseen { .. } | Outage::Restored { .. }, None) if lower <= objective => (
                Answer::Inconclusive,
                format!(
                    "the machine was restarted and nobody knows for how long: \
                     the service took writes again after {took}"
                ),
            ),
            (Outage::Unseen { .. }, Some(upper)) if upper <= objective => (
                Answer::Pass,
                format!(
                    "no write failed: an outage, if there was one, lasted at most {}, \
                     and {wanted} is allowed",
                    say::bound(upper)
                ),
            ),
            (Outage::Unseen { .. }, _) => (
                Answer::Inconclusive,
                format!("no write failed, but writes were too far apart to see {wanted}"),
            ),
            (Outage::Lasting { .. }, _) if lower > objective => (
                Answer::Fail,
                format!("the service was still down after {watched}, and {wanted} is allowed"),
            ),
            (Outage::Lasting { .. }, _) => (
                Answer::Inconclusive,
                format!("the service was still down after {watched}, when the witness stopped"),
            ),
            (Outage::Restored { .. }, Some(upper)) if upper <= objective => (
                Answer::Pass,
                format!("the service took writes again after {took}, and {wanted} is allowed"),
            ),
            (Outage::Restored { .. }, _) if lower > objective => (
                Answer::Fail,
                format!("the service took writes again only after {took}, and {wanted} is allowed"),
            ),
            (Outage::Restored { .. }, _) => (
                Answer::Inconclusive,
                format!(
                    "the service took writes again after {took}: \
                     the objective of {wanted} lies between the two bounds"
                ),
            ),
        };
    }
}

impl Rto {
    /// What people attest of the time of day is worth no more than the clock that they read.
    fn doubt(&mut self, timeline: &Timeline) {
        if self.since == Since::Declared && self.answer != Answer::NotExercised {
            self.why += ", counted from the declared start";
        }
        if timeline.origin.is_some_and(|it| !it.sure) && self.answer != Answer::NotExercised {
            self.answer = Answer::Inconclusive;
            self.why += "; but this machine's time of day followed no reference, so that the time \
                         that was attested may be wrong";
        }
    }
}

/// Where the time went: detection, decision, then the phases after it by their own names, and
/// between the end of routing (or of the last phase before) and the first good write, warming up.
fn parts(timeline: &Timeline, fault: Window, first_good: Option<Window>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut from_us = fault.from_us;
    let marks = [(MomentKind::Detected, "detection"), (MomentKind::Declared, "decision")];
    for (what, name) in marks {
        let after = timeline.moments.iter().find(|it| it.what == what && it.at_us >= from_us);
        if let Some(mark) = after {
            let window = Window { from_us, to_us: mark.at_us };
            parts.push(Part { name: name.to_owned(), window });
            from_us = mark.at_us;
        }
    }
    // A planned switch-over begins within a phase, which is the first part of it.
    let begun = |it: &Phase| match timeline.since() {
        Since::Declared if parts.is_empty() => it.to_us > Some(from_us),
        _ => it.from_us >= from_us,
    };
    let ended = |it: &&Phase| begun(it) && it.to_us.is_some();
    let after: Vec<&Phase> = timeline.phases.iter().filter(ended).collect();
    let after_parts = after.iter().map(|phase| {
        let start = phase.from_us.max(from_us);
        let window = Window { from_us: start, to_us: phase.to_us.unwrap_or(start) };
        Part { name: phase.name.clone(), window }
    });
    let after_parts: Vec<Part> = after_parts.collect();
    parts.extend(after_parts);
    if let Some(good) = first_good {
        let mut route = after.iter().filter(|it| it.name.to_lowercase().starts_with("rout"));
        let mut ended = after.iter().filter(|it| it.to_us <= Some(good.to_us));
        let last = route.next_back().or(ended.next_back()).and_then(|it| it.to_us);
        if let Some(routed) = last.filter(|end| *end <= good.to_us) {
            let window = Window { from_us: routed, to_us: good.to_us };
            parts.push(Part { name: "warm-up".to_owned(), window });
        }
    }
    parts.sort_by_key(|it| (it.window.from_us, it.window.to_us));
    parts
}
