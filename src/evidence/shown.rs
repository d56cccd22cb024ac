//! What steps showed, judged as far as only the whole run can tell: the age of a recovery point.

use serde::Serialize;

use crate::{
    evidence::{
        judge::Reason,
        say::{self, Answer},
        scale::{Scale, Window},
        timeline::{Act, Timeline},
    },
    journal::showing::{RecoveryPoint, Showing},
    verdict::Verdict,
};

/// How old a recovery point was when the disaster struck: what was committed in that time is not
/// in what was brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Age {
    /// The last transaction that is there, RFC 3339 in UTC.
    pub point: String,
    /// It is at least so old, in microseconds: reckoned from just before the fault was applied.
    /// Below zero if the last transaction is later than that.
    pub lower_us: i64,
    /// It is at most so old, in microseconds: reckoned from just after the fault was applied.
    pub upper_us: i64,
    /// Pass only if it is certainly not too old, fail only if it certainly is.
    pub answer: Answer,
    /// Why, in a sentence.
    pub why: String,
}

/// Reckons the ages of the recovery points that acts showed.
pub(crate) fn reckon(timeline: &mut Timeline, scale: &Scale) {
    let struck = timeline.disaster();
    for act in &mut timeline.acts {
        let point = act.showing.as_ref().and_then(|it| it.recovery_point.as_ref());
        act.recovery_point = point.and_then(|it| age(it, struck?, scale));
    }
}

fn age(point: &RecoveryPoint, struck: Window, scale: &Scale) -> Option<Age> {
    let lower_us = scale.wall_us(struck.from_us)?.saturating_sub(point.wall_us);
    let upper_us = scale.wall_us(struck.to_us)?.saturating_sub(point.wall_us);
    let was = format!("the recovery point was {} old", signed_interval(lower_us, upper_us));
    let (answer, why) = match point.age_max_us.map(crate::evidence::scale::signed) {
        None => (Answer::NotExercised, format!("{was}; no objective was set")),
        Some(max) => {
            let goal = say::length(max);
            if upper_us <= max {
                (Answer::Pass, format!("{was}, at most {goal} are allowed"))
            } else if lower_us > max {
                (Answer::Fail, format!("{was}, and at most {goal} are allowed"))
            } else {
                (Answer::Inconclusive, format!("{was}, which may be more than {goal} or less"))
            }
        }
    };
    let point = say::wall(Some(point.wall_us))?;
    Some(Age { point, lower_us, upper_us, answer, why })
}

/// As lengths are said; one below zero is later than the disaster.
fn signed_interval(lower_us: i64, upper_us: i64) -> String {
    if lower_us >= 0 {
        return say::interval(lower_us, Some(upper_us));
    }
    let bound = |us: i64| if us < 0 { format!("−{}", say::bound(-us)) } else { say::bound(us) };
    format!("{} to {}", bound(lower_us), bound(upper_us))
}

/// What an act showed, as a reason for the run's verdict.
pub(crate) fn reasons(act: &Act) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(it) = &act.showing {
        reasons.push((it.verdict, format!("“{}”: {}, {}", act.name, it.verdict.word(), it.why)));
    }
    if let Some(it) = &act.recovery_point
        && let Some(verdict) = it.answer.verdict()
    {
        reasons.push((verdict, format!("“{}”: {}, {}", act.name, verdict.word(), it.why)));
    }
    reasons
}

/// What stands behind a judgement, a line each.
pub fn lines(act: &Act) -> Vec<String> {
    let Some(Showing { figures, details, details_left_out, attachments, .. }) = &act.showing else {
        return Vec::new();
    };
    let mut lines: Vec<String> = Vec::new();
    lines.extend(figures.iter().map(|it| format!("{}: {}", it.name, it.value)));
    if let Some(it) = &act.recovery_point {
        lines.push(format!("last transaction: {}; {}", it.point, it.why));
    }
    lines.extend(details.iter().cloned());
    if *details_left_out > 0 {
        lines.push(format!("and {} more", say::grouped(*details_left_out)));
    }
    lines.extend(attachments.iter().map(|it| {
        let size = say::bytes(it.bytes);
        format!("{} ({size}, from {}), SHA-256 {}", it.file, it.from, it.sha256)
    }));
    lines
}

/// Acts that showed something.
pub fn acts(timeline: &Timeline) -> impl Iterator<Item = (&Act, &Showing)> {
    timeline.acts.iter().filter_map(|it| Some((it, it.showing.as_ref()?)))
}

/// The verdict of what an act showed, with the age of its recovery point.
pub fn verdict(act: &Act) -> Option<Verdict> {
    let shown = act.showing.as_ref()?.verdict;
    let age = act.recovery_point.as_ref().and_then(|it| it.answer.verdict());
    Some(age.map_or(shown, |it| it.max(shown)))
}
