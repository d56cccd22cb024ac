//! A drill's course as rows of cells, for every form that shows tables.

use crate::evidence::{
    course::{Question, Road, Step},
    say,
};

/// What is planned and what was: step, name, owner, planned, took, deviation, state.
pub(super) fn steps(road: &Road) -> Vec<[String; 7]> {
    let none = || "–".to_owned();
    let row = |it: &Step| {
        let planned = &it.planned;
        let state = format!("{} {}", it.state.word(), it.state.word_zh());
        let state = it.why.as_ref().map_or_else(|| state.clone(), |why| format!("{state}: {why}"));
        [
            planned.step.clone(),
            format!("{} ({})", planned.name, planned.kind.replace('_', " ")),
            if planned.owner.is_empty() { none() } else { planned.owner.clone() },
            planned.planned_us.map_or_else(none, say::length_u),
            it.took_us().map_or_else(none, say::length),
            it.deviation().unwrap_or_else(none),
            state,
        ]
    };
    road.steps.iter().map(row).collect()
}

/// What was asked and answered: step, question, answers, what came of it.
pub(super) fn questions(road: &Road) -> Vec<[String; 4]> {
    let row = |it: &Question| {
        let answers = it.answers.iter().map(|(at, it)| {
            let note =
                if it.note.is_empty() { String::new() } else { format!(" “{}”", it.note) };
            let kept = it.attachment.as_ref().map(|it| {
                let (file, hash) = (&it.file, it.sha256.get(..16).unwrap_or(&it.sha256));
                format!(", attached {file} (SHA-256 {hash}…)")
            });
            format!(
                "{} said {}{note} at {}, {} {}{}",
                it.whose(),
                it.word.word(),
                say::bound(*at),
                it.voice.word(),
                it.voice.word_zh(),
                kept.unwrap_or_default()
            )
        });
        let decided = match &it.decided {
            Some((_, outcome, why)) => format!("{}: {why}", outcome.word()),
            None => "not decided".to_owned(),
        };
        let text = format!("{}: {}", it.asked.name, it.asked.text);
        [it.asked.step.clone(), text, answers.collect::<Vec<_>>().join("; "), decided]
    };
    road.questions.iter().map(row).collect()
}

/// Answers that did not count, and resumptions, one sentence each.
pub(super) fn remarks(road: &Road) -> Vec<String> {
    let away = road
        .turned_away
        .iter()
        .map(|it| format!("At {} {} was turned away: {}.", say::bound(it.at_us), it.by, it.why));
    let resumed = road.resumed.iter().map(|it| {
        let settled = it.settled.iter().map(|it| format!(" Step {}: {}.", it.step, it.why));
        let unwritten = it.unwritten.map(|(from, to)| {
            format!(
                " Of records {from} to {} nobody knows whether the witness wrote them; they count \
                 for nothing.",
                to.saturating_sub(1)
            )
        });
        format!(
            "At {} {} went on after {} in which nobody played{}.{}{}",
            say::bound(it.at_us),
            it.operator,
            say::length_u(it.gap_us),
            if it.restarted { ", and the machine was restarted" } else { "" },
            settled.collect::<String>(),
            unwritten.unwrap_or_default()
        )
    });
    away.chain(resumed).collect()
}
