//! Asking people, and waiting for them; what comes of it when nobody answers is in the file.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    engine::{
        counter::{Counter, Question},
        desk::Desk,
        play::Halt,
    },
    evidence::{approval::Plan, say},
    journal::{
        began::Objectives,
        course::{Answered, Asked, Course, Outcome, Signed, Sort, Voice},
        entry::{Entry, Fact},
        fold,
    },
    script::course::{Ask, Rehearsed, Step},
    units::Span,
};

/// Asks, waits, and lets the run go on or not.
pub(super) async fn ask(step: &Step, it: &Ask, desk: &Desk) -> Result<(), Halt> {
    let (known, fresh) = desk.fold(|entries| answers(entries, step, it.sort));
    let text = match it.sort {
        Sort::Approval => desk.fold(plan),
        Sort::Gate | Sort::Manual => it.text.clone(),
    };
    let asked = Asked {
        step: step.id.clone(),
        name: step.name.clone(),
        sort: it.sort,
        text,
        who: it.who.clone(),
        persons: it.persons,
        attests: it.attests,
        timeout_us: it.timeout.micros(),
        otherwise: it.otherwise,
    };
    let question = desk.counter.ask(asked.clone(), [known, fresh.clone()].concat());
    desk.write(Fact::Course(Course::Asked(asked)))?;
    for it in fresh {
        desk.write(Fact::Course(Course::Answered(it)))?;
    }
    let settled = tokio::time::timeout(it.timeout.duration(), settled(&question, it, desk));
    let (outcome, why) = if let Ok(outcome) = desk.heed(settled).await.map_err(Halt::Aborted)? {
        (outcome?, said(&question))
    } else {
        let (timeout, then) = (it.timeout, it.otherwise.word());
        (it.otherwise, format!("nobody decided within {timeout}, and then it is: {then}"))
    };
    question.close(outcome);
    let step = step.id.clone();
    desk.write(Fact::Course(Course::Decided { step, outcome, why: why.clone() }))?;
    let name = &question.asked.name;
    if outcome != Outcome::Go {
        return Err(Halt::Aborted(format!("“{name}”: {why}")));
    }
    if let Some(mark) = it.mark {
        desk.write(Fact::Marked { mark, note: format!("{name}: {why}") })?;
    }
    Ok(())
}

/// Waits until the answers come to something; in a rehearsal, gives them.
async fn settled(question: &Question, it: &Ask, desk: &Desk) -> Result<Outcome, Halt> {
    let mut script = it.rehearsal.iter().filter(|_| desk.counter.is_rehearsal());
    let mut next = script.next();
    let mut due = next.map(|it| Instant::now() + after(it));
    loop {
        if let Some(outcome) = question.outcome() {
            return Ok(outcome);
        }
        let rehearsed = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = question.news.notified() => continue,
            () = rehearsed => {}
        }
        if let Some(it) = next {
            rehearse(it, question, desk)?;
        }
        next = script.next();
        due = next.map(|it| Instant::now() + after(it));
    }
}

fn after(it: &Rehearsed) -> Duration {
    it.after.map_or(Duration::ZERO, Span::duration)
}

fn rehearse(it: &Rehearsed, question: &Question, desk: &Desk) -> Result<(), Halt> {
    // One who answered before the run was resumed does not answer twice.
    if question.answers.borrow().iter().any(|before| before.by == it.by) {
        return Ok(());
    }
    let answered = Answered {
        step: question.asked.step.clone(),
        by: it.by.clone(),
        on_behalf: None,
        word: it.answer,
        note: it.note.clone(),
        voice: Voice::Rehearsed,
        attested: it.attested(desk.world.clock.now_us()),
        attachment: None,
        signed: None,
    };
    Counter::put(question, answered, desk).map(drop).map_err(Halt::Aborted)
}

/// Who said what.
fn said(question: &Question) -> String {
    let answers = question.answers.borrow();
    let one = |it: &Answered| {
        let note = if it.note.is_empty() { String::new() } else { format!(" ({})", it.note) };
        format!("{} said {}{note}", it.whose(), it.word.word())
    };
    answers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Answers from before the run was resumed, each person's once; and approvals that it was started
/// with, as far as the journal does not have them yet.
fn answers(entries: &[Entry], step: &Step, sort: Sort) -> (Vec<Answered>, Vec<Answered>) {
    let mut known: Vec<Answered> = Vec::new();
    for it in entries {
        if let Fact::Course(Course::Answered(it)) = &it.fact
            && it.step == step.id
            && !known.iter().any(|known| known.whose() == it.whose())
        {
            known.push(it.clone());
        }
    }
    let began = fold::began(entries).filter(|_| sort == Sort::Approval);
    let approvals = began
        .into_iter()
        .flat_map(|began| began.approvals.iter().filter(|it| it.name != began.operator));
    let mut fresh: Vec<Answered> = Vec::new();
    for it in approvals {
        let (key, signature) = (it.key.clone(), it.signature.clone());
        let answered = Answered {
            step: step.id.clone(),
            by: it.name.clone(),
            on_behalf: None,
            word: crate::journal::course::Word::Approved,
            note: String::new(),
            voice: Voice::Beforehand,
            attested: None,
            attachment: None,
            signed: Some(Signed { key, signature }),
        };
        if !known.iter().chain(&fresh).any(|it| it.by == answered.by) {
            fresh.push(answered);
        }
    }
    (known, fresh)
}

/// What is approved: the plan's line, and its objectives in words.
fn plan(entries: &[Entry]) -> String {
    let Some(began) = fold::began(entries) else { return String::new() };
    let line = Plan::of(began).line();
    let objectives = began.objectives.as_ref().map(objectives).unwrap_or_default();
    format!("{}; {objectives}", line.trim_end())
}

/// Objectives in words.
pub(crate) fn objectives(it: &Objectives) -> String {
    let mut all = vec![
        format!("recovery within {}", say::length_u(it.rto_us)),
        format!("at most {} lost", say::plural(it.lost_writes_max, "acknowledged write")),
    ];
    all.extend(it.rpo_us.map(|us| format!("none of them older than {}", say::length_u(us))));
    let level = it.service_level_percent;
    all.extend(level.map(|it| format!("at least {it} % of writes served meanwhile")));
    all.extend(it.mtpd_us.map(|us| format!("{} can be borne", say::length_u(us))));
    all.join(", ")
}
