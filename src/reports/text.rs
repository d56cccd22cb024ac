//! A page for a terminal, an email or a log: verdict first, plain text.

use crate::{
    about::About,
    evidence::{
        course::Road,
        fold::{Drill, Evidence},
        judge::when,
        load::HEADS,
        residue, say, shown,
        timeline::{Act, ActState},
    },
    report::ReportKind,
    reports::{
        road,
        service::{LAG, LEVELS, headed, lag, levels},
        sites::{FIGURES, USES, figures, stretches, unavailable, uses},
    },
};

/// This form.
pub const KIND: ReportKind = ReportKind {
    about: &About {
        name: "text",
        summary: "one page for a terminal, an email or a log",
        needs: &[],
        example: "format: text",
    },
    extension: "txt",
    render,
};

fn render(evidence: &Evidence) -> Vec<u8> {
    let mut text = head(evidence);
    text += &section("Why", evidence.why.iter().map(|it| vec![it.clone()]).collect());
    if let Some(drill) = &evidence.drill {
        text += &section("Objectives", objectives(drill));
    }
    if let Some(it) = &evidence.course {
        let facts = it.facts().into_iter().map(|it| vec![it.0.to_owned(), it.2]);
        text += &section("The exercise", facts.collect());
        let steps = road::steps(it).into_iter().map(|[n, name, owner, plan, took, off, state]| {
            vec![n, state, format!("{name}, {owner}: planned {plan}, took {took} ({off})")]
        });
        text += &section("Steps, against the plan", steps.collect());
        let questions = road::questions(it)
            .into_iter()
            .map(|[n, text, answers, decided]| vec![n, decided, format!("{text} {answers}")]);
        text += &section("Who decided what", questions.collect());
        text += &section("On the way", road::remarks(it).into_iter().map(|it| vec![it]).collect());
    }
    text += &section("What had to stay true", judgements(evidence));
    if let Some(drill) = &evidence.drill {
        text += &section("Service, phase by phase", headed(&LEVELS, en, levels(drill)));
        text += &section("How far the standby was behind", headed(&LAG, en, lag(drill)));
    }
    text += &section("Load", loads(evidence));
    text += &section("Phases", phases(evidence));
    if let Some(sites) = &evidence.sites {
        text += &section("Sites: energy and room", headed(&FIGURES, en, figures(sites)));
        text += &section("", vec![vec![stretches(sites)]]);
        text += &section("Sites: utilisation, phase by phase", headed(&USES, en, uses(sites)));
        text += &section("", unavailable(sites).into_iter().map(|it| vec![it]).collect());
    }
    text += &section("What was done, and put back", acts(evidence));
    let residue = evidence.residue.iter().flat_map(residue::lines).map(|it| vec![it]);
    text += &section("What is left of it", residue.collect());
    text += &section("What steps showed", showings(evidence));
    let missed = evidence.not_exercised.iter();
    let missed = missed.map(|it| vec![it.phase.clone(), it.items.join("; ")]).collect();
    text += &section("What was not exercised", missed);
    text.into_bytes()
}

fn head(evidence: &Evidence) -> String {
    let run = &evidence.run;
    let host = run.host.as_ref().map_or("an unknown host", |it| &it.hostname);
    let began = run.began.as_deref().unwrap_or("at an unknown time");
    let mut lines = vec![
        format!(
            "{} {}  {}",
            evidence.verdict.word().to_uppercase(),
            evidence.verdict.word_zh(),
            run.title
        ),
        format!("run {} · seed {} · by {} on {host}", run.id, run.seed, run.operator),
        format!("{began} · {}", say::length(run.length_us)),
    ];
    lines.extend(run.labels());
    lines.extend(evidence.course.iter().filter_map(Road::words));
    lines.into_iter().map(|it| plain(&it) + "\n").collect()
}

fn objectives(drill: &Drill) -> Vec<Vec<String>> {
    let row = |name: &str, answer: say::Answer, why: &str| {
        vec![answer.word().to_owned(), name.to_owned(), why.to_owned()]
    };
    let mut rows = vec![
        row("recovery time", drill.rto.answer, &drill.rto.why),
        row("data loss", drill.rpo.answer, &drill.rpo.why),
    ];
    rows.extend(drill.terms.iter().map(|it| row(it.name, it.answer, &it.why)));
    rows
}

fn judgements(evidence: &Evidence) -> Vec<Vec<String>> {
    let rows = evidence.hypotheses.iter().flat_map(|it| {
        it.judgements.iter().map(|judged| {
            let (answer, stretch) = (judged.answer.word().to_owned(), when(judged.when).to_owned());
            vec![answer, stretch, format!("{}: {}", it.planned.name, judged.why)]
        })
    });
    rows.collect()
}

fn loads(evidence: &Evidence) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for it in &evidence.loads {
        rows.push(vec![format!("{}: {}, {}", it.planned.name, it.planned.target, it.planned.rate)]);
        for stretch in &it.stretches {
            let cells = stretch.cells().into_iter().zip(HEADS);
            let cells = cells.map(|(it, head)| format!("{} {it}", head.to_lowercase()));
            let cells = cells.collect::<Vec<_>>().join(", ");
            rows.push(vec![format!("  {}: {cells}", stretch.name)]);
        }
    }
    rows
}

fn phases(evidence: &Evidence) -> Vec<Vec<String>> {
    let ratio = |it: Option<f64>| it.map_or_else(|| "–".to_owned(), say::percent);
    let rows = evidence.phases.iter().chain([&evidence.whole]).map(|it| {
        let (mean, peak) = (ratio(it.cpu_mean_ratio), ratio(it.cpu_peak_ratio));
        let took = say::length(it.window.length_us());
        vec![it.name.clone(), took, format!("CPU mean {mean}, peak {peak}")]
    });
    rows.collect()
}

fn acts(evidence: &Evidence) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for it in &evidence.timeline.acts {
        rows.push(vec![state(it), format!("{}: {}", it.name, it.will)]);
        let mut more: Vec<String> = Vec::new();
        more.extend(it.failed.iter().map(|it| format!("failed: {it}")));
        more.extend(it.effect.iter().map(|it| format!("effect {}: {}", it.seen, it.how)));
        more.extend(it.stuck.iter().map(|it| format!("could not be put back: {it}")));
        if it.state == ActState::Stuck {
            more.extend(it.by_hand.iter().map(|it| format!("by hand: {it}")));
        }
        rows.extend(more.into_iter().map(|it| vec![String::new(), it]));
    }
    rows
}

fn showings(evidence: &Evidence) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (act, showing) in shown::acts(&evidence.timeline) {
        let verdict = shown::verdict(act).map_or("", |it| it.word()).to_owned();
        rows.push(vec![verdict, format!("{}: {}", act.name, showing.why)]);
        rows.extend(shown::lines(act).into_iter().map(|it| vec![String::new(), it]));
    }
    rows
}

fn state(act: &Act) -> String {
    if act.state == ActState::Spent && act.showing.is_some() {
        return "done".to_owned();
    }
    match act.undone.filter(|_| act.state == ActState::Undone) {
        Some(it) => format!("{} in {}", act.state.word(), say::length(it.length_us())),
        None => act.state.word().to_owned(),
    }
}

/// A head in the language of this form.
fn en((en, _): &(&str, &str)) -> String {
    (*en).to_owned()
}

/// A heading, and rows whose columns stand below each other; nothing if there are none.
fn section(head: &str, rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|it| plain(it)).collect()).collect();
    let wide = |n: usize| {
        let cells = rows.iter().filter_map(|row| row.get(n));
        cells.map(|it| it.chars().count()).max().unwrap_or(0).min(40)
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(wide).collect();
    let mut text = if head.is_empty() { String::new() } else { format!("\n{head}\n") };
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(it, width)| format!("{it:<width$}"));
        let line = format!("  {}", cells.collect::<Vec<_>>().join("  "));
        text += line.trim_end();
        text += "\n";
    }
    text
}

/// What others wrote must not move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}
