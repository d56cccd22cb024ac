//! The page: what a reader sees first stands first.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{charts, plot, road, tables};
use crate::{
    evidence::{
        energy::Energy,
        fold::{Drill, Evidence},
        method,
        rpo::Rpo,
        rto::Rto,
        say::{self, Answer},
        seal,
        timeline::ActState,
    },
    journal::{entry::Family, index::RunKind},
};

const STYLE: &str = include_str!("style.css");
/// The browser itself holds the page to it: nothing is loaded, nothing is run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The class that colours an answer.
pub(super) fn class(answer: Answer) -> &'static str {
    match answer {
        Answer::Pass => "pass",
        Answer::Inconclusive => "inconclusive",
        Answer::Fail => "fail",
        Answer::NotExercised => "not_exercised",
    }
}

/// A sign that needs no colour.
fn sign(answer: Answer) -> &'static str {
    match answer {
        Answer::Pass => "✓",
        Answer::Inconclusive => "?",
        Answer::Fail => "✗",
        Answer::NotExercised => "–",
    }
}

/// An answer in both languages.
pub(super) fn badge(answer: Answer) -> Markup {
    html! {
        span.badge.(class(answer)) {
            (sign(answer)) " " (answer.word()) " " span lang="zh" { (answer.word_zh()) }
        }
    }
}

pub(super) fn page(evidence: &Evidence) -> Markup {
    let run = &evidence.run;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (run.title) " · " (evidence.verdict) " · " (run.id) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (plot::patterns())
                main {
                    (head(evidence))
                    (verdict(evidence))
                    (cards(evidence))
                    (over_time(evidence))
                    (tables::all(evidence))
                    (ends(evidence))
                }
            }
        }
    }
}

/// What was played, in English and Chinese.
fn what(evidence: &Evidence) -> (&'static str, &'static str) {
    match evidence.run.kind {
        Some(RunKind::Drill) => ("Disaster recovery drill", "灾难恢复演练报告"),
        Some(RunKind::Scenario) => ("Chaos scenario", "故障注入演练报告"),
        None => ("Run", "运行报告"),
    }
}

fn head(evidence: &Evidence) -> Markup {
    let run = &evidence.run;
    let (kind, kind_zh) = what(evidence);
    let host = run.host.as_ref().map_or("an unknown host", |it| &it.hostname);
    html! {
        div.eyebrow { (kind) " · " span lang="zh" { (kind_zh) } }
        h1 { (run.title) }
        @if !run.description.is_empty() { p.about { (run.description) } }
        p.meta {
            (run.began.as_deref().unwrap_or("at an unknown time")) " · "
            (say::length(run.length_us)) " · on " (host) " · by " (run.operator)
            " · run " code { (run.id) }
        }
        @if let Some(labels) = run.labels() { p.meta { (labels) } }
        @if let Some(road) = &evidence.course { (road::line(road)) }
    }
}

fn verdict(evidence: &Evidence) -> Markup {
    let answer = Answer::from(evidence.verdict);
    html! {
        section.verdict.(class(answer)) {
            div.word {
                (sign(answer)) " " (answer.word().to_uppercase())
                span lang="zh" { (answer.word_zh()) }
            }
            ul { @for why in &evidence.why { li { (why) } } }
        }
    }
}

fn cards(evidence: &Evidence) -> Markup {
    html! {
        div.cards {
            @if let Some(drill) = &evidence.drill {
                (recovery(&drill.rto))
                (loss(&drill.rpo))
            }
            (energy(evidence))
            (healing(evidence))
            @if evidence.drill.is_none() { (hypotheses(evidence)) }
        }
    }
}

fn recovery(rto: &Rto) -> Markup {
    let allowed = say::length_u(rto.objective_us);
    html! {
        div.card {
            h3 { span { "RTO " span lang="zh" { "恢复时间" } } (badge(rto.answer)) }
            @match (rto.lower_us, rto.upper_us) {
                (Some(lower), upper) => {
                    div.big { (say::interval(lower, upper)) }
                    (charts::recovery(rto))
                    p {
                        "Objective (tick): " (allowed) "."
                        @if let Some(upper) = upper {
                            " Measured to within " (say::bound(upper.saturating_sub(lower))) "."
                        }
                    }
                }
                (None, _) => { div.big { "not measured" } p { (rto.why) } }
            }
        }
    }
}

fn loss(rpo: &Rpo) -> Markup {
    html! {
        div.card {
            h3 { span { "RPO " span lang="zh" { "数据丢失" } } (badge(rpo.answer)) }
            @if rpo.answer == Answer::NotExercised {
                div.big { "not measured" }
                p { (rpo.why) }
            } @else {
                div.big {
                    (say::plural(rpo.classes.lost, "write")) " lost"
                    small { "of " (say::grouped(rpo.acknowledged)) " acknowledged" }
                }
                p {
                    @if let Some(window) = rpo.loss_window_us {
                        "Over " (say::bound(window)) " of acknowledgements, "
                        (say::grouped(rpo.tail)) " at the tail and "
                        (say::plural(rpo.holes, "hole")) ". "
                    } @else if let Some(chance) = rpo.chance_at_most {
                        (say::plural(rpo.exposed.unwrap_or(0), "write")) " exposed; the chance of a loss is \
                        at most " (say::percent(chance)) " (95 %). "
                    }
                    "Allowed: " (say::grouped(rpo.lost_writes_max)) "."
                }
            }
        }
    }
}

fn energy(evidence: &Evidence) -> Markup {
    html! {
        div.card {
            h3 { span { "Energy " span lang="zh" { "能耗" } } }
            @match &evidence.whole.energy {
                Energy::Measured { figures, watts_mean, .. } => {
                    div.big { (say::watt_hours(figures.joules)) " Wh" }
                    p {
                        (say::watt_hours(figures.low)) " to " (say::watt_hours(figures.high))
                        " Wh, method " code { (figures.method) } ", whole host"
                        @if let Some(watts) = watts_mean { ", " (format!("{watts:.1}")) " W on average" }
                        "."
                    }
                }
                Energy::Unavailable { why } => { div.big { "unavailable" } p { (why) } }
            }
        }
    }
}

fn healing(evidence: &Evidence) -> Markup {
    let acts = &evidence.timeline.acts;
    let of = |family| acts.iter().filter(move |it| it.family == family).count();
    let stands = |state| acts.iter().filter(move |it| it.state == state).count();
    let (stuck, outstanding) = (stands(ActState::Stuck), stands(ActState::Outstanding));
    let found = evidence.residue.iter().flat_map(|it| &it.left).filter(|it| it.act.is_none());
    let left = say::count(stuck + outstanding + found.count());
    html! {
        div.card {
            h3 { span { "Left behind " span lang="zh" { "残留" } } }
            div.big { @if left == 0 { "nothing" } @else { (say::plural(left, "thing")) } }
            p {
                (say::plural(say::count(of(Family::Fault)), "fault")) " and "
                (say::plural(say::count(of(Family::Step)), "step")) " in all; "
                (stands(ActState::Undone)) " undone, "
                (stands(ActState::Kept)) " kept on purpose, "
                (stands(ActState::Spent)) " one-shot, "
                (outstanding) " outstanding, " (stuck) " stuck."
            }
            p {
                @match &evidence.residue {
                    None => { "Nobody looked afterwards what was left." }
                    Some(it) if it.left.is_empty() => { "Looked at afterwards: nothing was left." }
                    Some(_) => { "Looked at afterwards: something was left; the table tells what." }
                }
            }
        }
    }
}

fn hypotheses(evidence: &Evidence) -> Markup {
    let all = || evidence.hypotheses.iter().flat_map(|it| &it.judgements);
    let held = all().filter(|it| it.answer == Answer::Pass).count();
    html! {
        div.card {
            h3 { span { "Hypotheses " span lang="zh" { "稳态假设" } } }
            div.big { (held) small { "of " (say::plural(say::count(all().count()), "judgement")) " held" } }
            p { "Each is judged before, during or after the faults, as its author asked." }
        }
    }
}

fn over_time(evidence: &Evidence) -> Markup {
    html! {
        h2 { "What happened " span lang="zh" { "时间线" } }
        figure {
            (charts::timeline(evidence))
            figcaption {
                "Bars: phases. Hatched: acts, for as long as they stood (crossed: faults). \
                 Dashed: moments. Times count from the run's beginning."
            }
        }
        @if let Some(drill) = &evidence.drill { (writes(evidence, drill)) }
        @for it in evidence.hypotheses.iter().filter(|it| !it.looks.is_empty()) {
            h3 { "Hypothesis: " (it.planned.name) }
            figure {
                (charts::looks(evidence, it))
                figcaption {
                    (say::plural(say::count(it.looks.len()), "look")) " of the probe "
                    code { (it.planned.probe) } "; time to answer, logarithmic. " (it.planned.expect)
                }
            }
        }
        @if !evidence.points.is_empty() {
            h3 { "Utilisation of the host" }
            figure {
                (charts::utilisation(evidence))
                figcaption {
                    (say::plural(say::count(evidence.points.len()), "sample"))
                    ". Tinted: every other phase. Vertical line: the first fault."
                }
            }
        }
    }
}

fn writes(evidence: &Evidence, drill: &Drill) -> Markup {
    let count = |good| say::count(drill.attempts.iter().filter(|it| it.good() == good).count());
    html! {
        @if !drill.attempts.is_empty() {
            h3 { "The witness's writes" }
            figure {
                (charts::writes(evidence))
                figcaption {
                    (say::plural(count(true), "write")) " acknowledged, " (say::grouped(count(false)))
                    " not; time to answer, logarithmic. Vertical line: the first fault."
                }
            }
        }
    }
}

fn ends(evidence: &Evidence) -> Markup {
    let run = &evidence.run;
    html! {
        h2 { "Method and limits " span lang="zh" { "测量方法与局限" } }
        ul.plain { @for it in method::sentences(evidence) { li { (it) } } }
        h2 { "How to verify this report " span lang="zh" { "如何核验" } }
        p {
            "The run's folder holds its journal, whose lines are linked by hashes, its reports, and a \
             seal over all files. " code { "holdfast verify FOLDER --key seal.pub" }
            " checks all of it, and that this report is what the journal leads to. Without our \
             program, in the run's folder, with the public key of the sealing machine as "
            code { "seal.pub" } ":"
        }
        pre { (seal::BY_HAND) }
        h2 { "Sign-off " span lang="zh" { "签署" } }
        p.muted { "By hand, on paper or under a copy. The seal vouches for the files, not for their judgement." }
        div.sign {
            div { "Operator: " (run.operator) }
            div { "Independent reviewer, name and date" }
            div { "Owner of the service, name and date" }
        }
        h2 { "Appendix: what was played " span lang="zh" { "附录：演练脚本" } }
        p.meta { code { (run.file) } ", seed " (run.seed) ", holdfast " (run.program) }
        @if !run.vars.is_empty() {
            p.meta { @for (name, value) in &run.vars { code { (name) " = " (value) } " " } }
        }
        pre { (run.manifest) }
        footer { "Rendered by Holdfast from the journal of run " (run.id) " (" (say::plural(run.entries, "line")) ")." }
    }
}
