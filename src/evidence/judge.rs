//! The one place where a run is judged: reasons, each with its weight, and the worst of them.

use crate::{
    evidence::{
        course,
        fold::{Evidence, Hypothesis},
        say::{self, Answer},
        shown,
        timeline::{Act, ActState, MomentKind},
    },
    journal::entry::{Family, Found, UndoClass, When},
    verdict::Verdict,
};

/// A sentence, and the best verdict that it leaves open.
pub(crate) type Reason = (Verdict, String);

/// The verdict and its sentences, the worst first.
pub(crate) fn settle(mut reasons: Vec<Reason>) -> (Verdict, Vec<String>) {
    if reasons.is_empty() {
        reasons.push((Verdict::Inconclusive, "nothing was judged".to_owned()));
    }
    reasons.sort_by_key(|it| std::cmp::Reverse(it.0));
    let verdict = Verdict::of(reasons.iter().map(|it| it.0));
    (verdict, reasons.into_iter().map(|it| it.1).collect())
}

/// Everything that weighs on a run. What still stands is no fault of a run that is going on.
pub(crate) fn reasons(evidence: &Evidence, ended: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let talk = evidence.course.as_ref().is_some_and(course::Road::is_talk);
    // Where nothing is changed, there is nothing to be measured.
    if let Some(drill) = evidence.drill.as_ref().filter(|it| !talk || it.witness.is_some()) {
        reasons.push(weigh("recovery time", drill.rto.answer, &drill.rto.why));
        reasons.push(weigh("data loss", drill.rpo.answer, &drill.rpo.why));
        reasons.extend(drill.terms.iter().map(|it| weigh(it.name, it.answer, &it.why)));
    }
    reasons.extend(evidence.hypotheses.iter().flat_map(hypothesis));
    reasons.extend(evidence.course.iter().flat_map(|it| it.reasons(&evidence.timeline)));
    reasons.extend(evidence.timeline.acts.iter().flat_map(shown::reasons));
    if reasons.is_empty() {
        reasons.push((Verdict::Inconclusive, "nothing was judged".to_owned()));
    }
    reasons.extend(evidence.timeline.acts.iter().flat_map(|it| act(it, ended)));
    // What is left of an act that is known makes that act stuck.
    let left = evidence.residue.iter().flat_map(|it| &it.left).filter(|it| it.act.is_none());
    reasons
        .extend(left.map(|it| (Verdict::Fail, format!("of this run still stands: {}", it.what))));
    for phase in &evidence.not_exercised {
        let why = format!("phase “{}” was planned and not exercised", phase.phase);
        reasons.push((Verdict::Inconclusive, why));
    }
    let resumed = evidence.timeline.moments.iter().rposition(|it| it.what == MomentKind::Resumed);
    for (n, it) in evidence.timeline.moments.iter().enumerate() {
        let what = match it.what {
            // What was resumed was seen through; what that cost is told of each step and fault.
            MomentKind::Guardian | MomentKind::Recover if Some(n) < resumed => continue,
            MomentKind::Aborted => "the run was stopped early",
            MomentKind::Guardian => "the runner vanished and its guardian took over",
            MomentKind::Recover => "the run was cut off and recovered later",
            MomentKind::Started
            | MomentKind::Detected
            | MomentKind::Declared
            | MomentKind::Reached
            | MomentKind::Resumed => continue,
        };
        reasons.push((Verdict::Inconclusive, format!("{what}: {}", it.note)));
    }
    reasons.extend(clocks(evidence));
    if !ended {
        let why = "the run has not ended: it is going on, or was cut off";
        reasons.push((Verdict::Inconclusive, why.to_owned()));
    }
    reasons
}

fn weigh(what: &str, answer: Answer, why: &str) -> Reason {
    let verdict = answer.verdict().unwrap_or(Verdict::Inconclusive);
    (verdict, format!("{what}: {}, {why}", answer.word()))
}

/// A stretch in words.
pub fn when(when: When) -> &'static str {
    match when {
        When::Before => "before",
        When::During => "during",
        When::After => "after",
    }
}

fn hypothesis(it: &Hypothesis) -> Vec<Reason> {
    let name = &it.planned.name;
    let judgements = it.judgements.iter();
    judgements
        .map(|it| weigh(&format!("“{name}”, {}", when(it.when)), it.answer, &it.why))
        .collect()
}

fn act(it: &Act, ended: bool) -> Vec<Reason> {
    let name = &it.name;
    let mut reasons = Vec::new();
    // What a step showed says already why nothing may follow.
    if let Some(why) = it.failed.as_ref().filter(|_| it.showing.is_none()) {
        let worst = match it.family {
            Family::Fault => Verdict::Inconclusive,
            Family::Step => Verdict::Fail,
        };
        reasons.push((worst, format!("“{name}” could not be done: {why}")));
    }
    if let Some(effect) = it.effect.as_ref().filter(|it| it.seen != Verdict::Pass) {
        let why = format!("“{name}” was not seen to act: {}", effect.how);
        reasons.push((Verdict::Inconclusive, why));
    }
    let stands = match (it.state, it.family) {
        (ActState::Stuck, _) => {
            let why = it.stuck.as_deref().unwrap_or("no reason given");
            Some((Verdict::Fail, format!("“{name}” could not be undone: {why}")))
        }
        (ActState::Outstanding, _) if ended => {
            Some((Verdict::Fail, format!("“{name}” was not undone")))
        }
        (ActState::Outstanding, _) => {
            Some((Verdict::Inconclusive, format!("“{name}” stands in the world")))
        }
        (ActState::Kept, Family::Fault) if it.class != UndoClass::OneShot => Some((
            Verdict::Inconclusive,
            format!("the fault “{name}” was left standing on purpose"),
        )),
        (ActState::Kept | ActState::Undone | ActState::Spent, _) => None,
    };
    reasons.extend(stands);
    reasons
}

fn clocks(evidence: &Evidence) -> Vec<Reason> {
    let clocks = &evidence.clocks;
    let mut reasons = Vec::new();
    if clocks.slept_us > 0 {
        let why = format!(
            "the machine slept for {} during the run, which its steady clock does not count",
            say::length(clocks.slept_us)
        );
        reasons.push((Verdict::Inconclusive, why));
    }
    if evidence.timeline.restarts.iter().any(|it| it.doubt_us.is_none()) {
        let why = "the machine was restarted during the run, and its time of day followed no \
                   reference: how long that took is not known";
        reasons.push((Verdict::Inconclusive, why.to_owned()));
    }
    reasons
}

/// Whether a record was found at all.
pub(crate) fn is_there(found: Found) -> bool {
    match found {
        Found::Same | Found::Altered => true,
        Found::Absent | Found::Blind => false,
    }
}
