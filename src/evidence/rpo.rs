//! What a disaster cost: the writes that were acknowledged, held against those that are still
//! there.
//!
//! The classes are those of Jepsen's set checker. Losses are placed by the time of their
//! acknowledgement, not by the time of the fault: a process that is being killed still acknowledges
//! for some milliseconds, so that a lost write can be younger than the fault.

use serde::Serialize;

use crate::{
    evidence::{
        lag::Lag,
        rto::Attempt,
        say::{self, Answer},
        scale::{self, Restart, Window},
    },
    journal::entry::{Found, Outcome},
};

/// So many ranges of lost records are told one by one.
const RANGES_MAX: usize = 50;
/// Writes acknowledged within so long before the fault count as exposed to it, where nobody asked
/// a standby how far it is.
const EXPOSED_US: i64 = 1_000_000;

/// How many writes fell into which class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Classes {
    /// Acknowledged, and there as written.
    pub ok: u64,
    /// Acknowledged, and gone.
    pub lost: u64,
    /// There, and something else than was written.
    pub corrupt: u64,
    /// Not answered, and there.
    pub recovered: u64,
    /// Refused, or never written, and there all the same.
    pub unexpected: u64,
    /// Acknowledged, and not read back.
    pub not_judged: u64,
    /// Written once, and there more than once; each counts in its other class as well.
    pub duplicated: u64,
    /// Of the lost: still there on a side that was not to take writes any more.
    pub stranded: u64,
    /// Of those: sent after that side was to refuse them, and acknowledged by it all the same.
    pub split_brain: u64,
    /// Neither acknowledged nor there.
    pub absent: u64,
    /// Not acknowledged, and not read back.
    pub not_looked_for: u64,
}

/// What was lost, and whether that is allowed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rpo {
    /// Whether the objective was met.
    pub answer: Answer,
    /// Why, in a sentence.
    pub why: String,
    /// So many lost writes are allowed.
    pub lost_writes_max: u64,
    /// Writes by class.
    pub classes: Classes,
    /// Acknowledged writes in all.
    pub acknowledged: u64,
    /// Records that the witness wrote more than once, against its rule.
    pub written_twice: u64,
    /// From the acknowledgement of the earliest lost write to the last acknowledgement before the
    /// service came back, in microseconds.
    pub loss_window_us: Option<i64>,
    /// Lost writes that have a younger survivor of the same time before the return.
    pub holes: u64,
    /// Lost writes that have none: the end of the record was cut off.
    pub tail: u64,
    /// Numbers of lost records, first and last of each range.
    pub lost_ranges: Vec<(u64, u64)>,
    /// Ranges beyond those that are told.
    pub lost_ranges_left_off: u64,
    /// How long before the fault the earliest lost write was acknowledged, as an interval.
    pub loss_age: Option<Window>,
    /// How far the standby was behind before the fault; none if nobody asked it.
    pub lag: Option<Lag>,
    /// So far back before the fault a loss can reach: by the lag that was measured, or else one
    /// second, which is an assumption.
    pub exposed_us: i64,
    /// Acknowledged writes that a loss could have hit: acknowledged so far back before the fault
    /// was applied, or later and before the service failed.
    pub exposed: Option<u64>,
    /// With no loss among the exposed: the 95 % upper bound of the chance that one is lost, by the
    /// rule of three (3/N).
    pub chance_at_most: Option<f64>,
}

/// What the witness saw, and when it mattered.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    /// The witness's writes, in the order of sending.
    pub attempts: &'a [Attempt],
    /// How many records were found afterwards that the witness never wrote.
    pub strangers: u64,
    /// Whether anybody looked for the writes afterwards.
    pub read: bool,
    /// Just before and just after the fault was applied.
    pub fault: Option<Window>,
    /// When the machine was restarted.
    pub restarts: &'a [Restart],
    /// How far the standby was behind before it.
    pub lag: Option<&'a Lag>,
    /// When the first write after the return was sent.
    pub back_us: Option<i64>,
    /// From when on only the recovered side was to acknowledge.
    pub barred_us: Option<i64>,
}

/// Judges the loss.
pub fn judge(ledger: Ledger<'_>, lost_writes_max: u64) -> Rpo {
    let classes = classes(ledger);
    let acknowledged = say::count(ledger.attempts.iter().filter(|it| it.good()).count());
    let mut seqs: Vec<u64> = ledger.attempts.iter().map(|it| it.seq).collect();
    seqs.sort_unstable();
    let all = seqs.len();
    seqs.dedup();
    let (lost_ranges, lost_ranges_left_off) = ranges(ledger.attempts);
    let (holes, tail) = holes(ledger);
    let exposed = exposed(ledger);
    let mut rpo = Rpo {
        answer: Answer::NotExercised,
        why: String::new(),
        lost_writes_max,
        acknowledged,
        written_twice: say::count(all - seqs.len()),
        loss_window_us: loss_window(ledger),
        holes,
        tail,
        lost_ranges,
        lost_ranges_left_off,
        loss_age: loss_age(ledger),
        lag: ledger.lag.cloned(),
        exposed_us: exposed_us(ledger),
        exposed,
        chance_at_most: exposed
            .filter(|n| *n > 0 && classes.lost == 0)
            .map(|n| (3.0 / say::number(n)).min(1.0)),
        classes,
    };
    (rpo.answer, rpo.why) = verdict(ledger, &rpo);
    rpo
}

fn classes(ledger: Ledger<'_>) -> Classes {
    let mut classes = Classes { unexpected: ledger.strangers, ..Classes::default() };
    for it in ledger.attempts {
        let class = match (it.outcome, it.found) {
            (_, Some(Found::Altered)) => &mut classes.corrupt,
            (Outcome::Acked, Some(Found::Same)) => &mut classes.ok,
            (Outcome::Acked, Some(Found::Absent)) => &mut classes.lost,
            (Outcome::Acked, Some(Found::Blind) | None) => &mut classes.not_judged,
            (Outcome::Unknown, Some(Found::Same)) => &mut classes.recovered,
            (Outcome::Refused | Outcome::Blind, Some(Found::Same)) => &mut classes.unexpected,
            (_, Some(Found::Absent)) => &mut classes.absent,
            (_, Some(Found::Blind) | None) => &mut classes.not_looked_for,
        };
        *class = class.saturating_add(1);
        if it.copies > 1 {
            classes.duplicated = classes.duplicated.saturating_add(1);
        }
        if lost(it) && it.elsewhere == Some(Found::Same) {
            classes.stranded = classes.stranded.saturating_add(1);
        }
        if wrong_side(it, ledger.barred_us) {
            classes.split_brain = classes.split_brain.saturating_add(1);
        }
    }
    classes
}

fn lost(it: &Attempt) -> bool {
    it.good() && it.found == Some(Found::Absent)
}

/// Only a side that was to refuse it can have acknowledged it.
fn wrong_side(it: &Attempt, barred_us: Option<i64>) -> bool {
    lost(it)
        && it.elsewhere == Some(Found::Same)
        && barred_us.is_some_and(|since| it.sent_us >= since)
}

fn before_return(ledger: Ledger<'_>) -> impl Iterator<Item = &Attempt> {
    let back = ledger.back_us.unwrap_or(i64::MAX);
    ledger.attempts.iter().filter(move |it| it.good() && it.sent_us < back)
}

fn loss_window(ledger: Ledger<'_>) -> Option<i64> {
    let earliest = ledger.attempts.iter().filter(|it| lost(it)).map(Attempt::received_us).min()?;
    let last = before_return(ledger).map(Attempt::received_us).max()?;
    Some(last.saturating_sub(earliest).max(0))
}

fn holes(ledger: Ledger<'_>) -> (u64, u64) {
    let survived = |it: &&Attempt| it.found == Some(Found::Same);
    let last = before_return(ledger).filter(survived).map(|it| it.seq).max();
    let (mut holes, mut tail) = (0, 0);
    for it in ledger.attempts.iter().filter(|it| lost(it)) {
        if last.is_some_and(|last| it.seq < last) {
            holes += 1;
        } else {
            tail += 1;
        }
    }
    (holes, tail)
}

fn ranges(attempts: &[Attempt]) -> (Vec<(u64, u64)>, u64) {
    let mut seqs: Vec<u64> = attempts.iter().filter(|it| lost(it)).map(|it| it.seq).collect();
    seqs.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for seq in seqs {
        match ranges.last_mut() {
            Some((_, last)) if seq <= last.saturating_add(1) => *last = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    let left_off = ranges.len().saturating_sub(RANGES_MAX);
    ranges.truncate(RANGES_MAX);
    (ranges, say::count(left_off))
}

fn exposed_us(ledger: Ledger<'_>) -> i64 {
    ledger.lag.map_or(EXPOSED_US, Lag::window_us)
}

/// A process that is being killed still acknowledges, so that the earliest loss can be younger than
/// the fault: then it is no time before it.
fn loss_age(ledger: Ledger<'_>) -> Option<Window> {
    let earliest = ledger.attempts.iter().filter(|it| lost(it)).map(Attempt::received_us).min()?;
    let fault = ledger.fault?;
    let from_us = scale::shortest_us(ledger.restarts, (earliest, fault.from_us));
    let to_us = scale::longest_us(ledger.restarts, (earliest, fault.to_us))?.max(0);
    Some(Window { from_us, to_us })
}

fn exposed(ledger: Ledger<'_>) -> Option<u64> {
    let since = ledger.fault?.from_us.saturating_sub(exposed_us(ledger));
    let near = before_return(ledger).filter(|it| it.received_us() >= since);
    Some(say::count(near.count()))
}

fn verdict(ledger: Ledger<'_>, rpo: &Rpo) -> (Answer, String) {
    let classes = &rpo.classes;
    let of = say::plural(rpo.acknowledged, "acknowledged write");
    if ledger.attempts.is_empty() || !ledger.read {
        return (Answer::NotExercised, "nobody looked for the writes afterwards".to_owned());
    }
    if ledger.fault.is_none() {
        let why = "no fault was applied, so a loss of data was not exercised";
        return (Answer::NotExercised, why.to_owned());
    }
    if classes.corrupt > 0 {
        let what = say::plural(classes.corrupt, "record");
        return (Answer::Fail, format!("{what} came back with another content than was written"));
    }
    if classes.split_brain > 0 {
        let what = say::plural(classes.split_brain, "write");
        let why = "were acknowledged by a side that was not to acknowledge any more";
        return (Answer::Fail, format!("split brain: {what} {why}, and only that side has them"));
    }
    if classes.duplicated > 0 {
        let what = say::plural(classes.duplicated, "record");
        return (Answer::Fail, format!("{what} came back more than once, though written once"));
    }
    if classes.lost > rpo.lost_writes_max {
        let why = format!(
            "{} of {of} are gone, and {} are allowed",
            say::grouped(classes.lost),
            say::grouped(rpo.lost_writes_max)
        );
        return (Answer::Fail, why);
    }
    let unsure = if classes.not_judged > 0 {
        Some(format!("{} of {of} could not be read back", say::grouped(classes.not_judged)))
    } else if classes.unexpected > 0 {
        let what = say::plural(classes.unexpected, "record");
        Some(format!("{what} are there that were refused or never written"))
    } else if rpo.written_twice > 0 {
        Some("the witness wrote a record twice, so that its count cannot be trusted".to_owned())
    } else if rpo.exposed == Some(0) {
        Some("no write was acknowledged shortly before the fault: nothing could be lost".to_owned())
    } else {
        None
    };
    if let Some(why) = unsure {
        return (Answer::Inconclusive, why);
    }
    if classes.lost > 0 {
        let lost = say::grouped(classes.lost);
        let allowed = say::grouped(rpo.lost_writes_max);
        return (Answer::Pass, format!("{lost} of {of} are gone, and {allowed} are allowed"));
    }
    let exposed = rpo.exposed.unwrap_or(0);
    let why = format!(
        "none of {of} is gone; {} of them stood in the way of the fault, so that the chance of \
         losing one is below {} (95 %)",
        say::grouped(exposed),
        say::percent(rpo.chance_at_most.unwrap_or(1.0))
    );
    (Answer::Pass, why)
}
