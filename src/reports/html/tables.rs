//! Tables: everything that the charts show, in figures.

use maud::{Markup, html};

use super::{page::badge, road, sent, shown, sites};
use crate::{
    evidence::{
        energy::{Energy, Use},
        fold::{Drill, Evidence},
        judge::when,
        residue,
        say::{self, Answer},
        timeline::{Act, ActState},
    },
    journal::entry::{Family, UndoClass},
    reports::service::{LAG, LEVELS, lag, levels},
};

pub(super) fn all(evidence: &Evidence) -> Markup {
    html! {
        @if let Some(drill) = &evidence.drill {
            (road::split(&drill.rto))
            (terms(drill))
            (ledger(drill))
        }
        @if let Some(it) = &evidence.course { (road::tables(it)) }
        (hypotheses(evidence))
        (sent::loads(evidence))
        (phases(evidence))
        (processes(evidence))
        (sites::tables(evidence.sites.as_ref()))
        (acts(evidence))
        (left(evidence))
        (shown::table(evidence))
        (moments(evidence))
        (untried(evidence))
        (host(evidence))
    }
}

/// The other objectives, and how much service there was phase by phase.
fn terms(drill: &Drill) -> Markup {
    html! {
        @if !drill.terms.is_empty() {
            h2 { "The other objectives " span lang="zh" { "其他目标" } }
            div.scroll { table {
                tr { th { "Objective" } th { "Verdict" } th { "Why" } }
                @for it in &drill.terms {
                    tr {
                        td { (it.name) " " span lang="zh" { (it.name_zh) } }
                        td { (it.answer.word()) " " (it.answer.word_zh()) }
                        td { (it.why) }
                    }
                }
            } }
        }
        @if !drill.levels.is_empty() {
            h2 { "Service, phase by phase " span lang="zh" { "各阶段服务水平" } }
            (cells(&LEVELS, levels(drill)))
        }
        @let behind = lag(drill);
        @if !behind.is_empty() {
            h2 { "How far the standby was behind " span lang="zh" { "复制延迟" } }
            (cells(&LAG, behind))
        }
    }
}

/// A table whose rows others made.
pub(super) fn cells<const N: usize>(heads: &[(&str, &str); N], rows: Vec<[String; N]>) -> Markup {
    html! {
        div.scroll { table {
            tr { @for (en, zh) in heads { th { (en) " " span lang="zh" { (zh) } } } }
            @for row in rows { tr { @for cell in row { td { (cell) } } } }
        } }
    }
}

fn ledger(drill: &Drill) -> Markup {
    let classes = &drill.rpo.classes;
    let rows = [
        ("ok", classes.ok, "acknowledged, and there as written"),
        ("lost", classes.lost, "acknowledged, and gone"),
        ("corrupt", classes.corrupt, "there, with another content than was written"),
        ("recovered", classes.recovered, "not answered, and there"),
        ("unexpected", classes.unexpected, "refused or never written, and there all the same"),
        ("not judged", classes.not_judged, "acknowledged, and not read back"),
        ("absent", classes.absent, "neither acknowledged nor there"),
        ("not looked for", classes.not_looked_for, "not acknowledged, and not read back"),
    ];
    let among = [
        ("duplicated", classes.duplicated, "written once, and there more than once"),
        ("stranded", classes.stranded, "lost, and still there on a side that had to stop"),
        ("split brain", classes.split_brain, "of those, acknowledged after that side had to stop"),
    ];
    let ranges = drill.rpo.lost_ranges.iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    });
    let ranges: Vec<String> = ranges.collect();
    html! {
        h2 { "What became of every write " span lang="zh" { "写入核对" } }
        p { (drill.rpo.why) "." }
        div.scroll { table {
            tr { th { "Class" } th.n { "Writes" } th { "Meaning" } }
            @for (name, count, meaning) in rows {
                tr { td { (name) } td.n { (say::grouped(count)) } td { (meaning) } }
            }
            tr.sum { td { "all" } td.n { (say::grouped(rows.iter().map(|it| it.1).sum())) } td {} }
            @for (name, count, meaning) in among {
                @if count > 0 {
                    tr { td { "among them " (name) } td.n { (say::grouped(count)) } td { (meaning) } }
                }
            }
        } }
        @if !ranges.is_empty() {
            p.muted {
                "Lost records: " (ranges.join(", "))
                @if drill.rpo.lost_ranges_left_off > 0 {
                    " and " (say::plural(drill.rpo.lost_ranges_left_off, "more range"))
                }
                "."
            }
        }
    }
}

fn hypotheses(evidence: &Evidence) -> Markup {
    html! {
        @if !evidence.hypotheses.is_empty() {
            h2 { "What had to stay true " span lang="zh" { "稳态假设" } }
            div.scroll { table {
                tr { th { "Hypothesis" } th { "Expected" } th { "When" } th { "Verdict" } th { "Why" } }
                @for it in &evidence.hypotheses {
                    @for judgement in &it.judgements {
                        tr {
                            td { (it.planned.name) }
                            td { (it.planned.expect) }
                            td { (when(judgement.when)) }
                            td { (badge(judgement.answer)) }
                            td { (judgement.why) }
                        }
                    }
                }
            } }
        }
    }
}

fn ratio(it: Option<f64>) -> String {
    it.map_or_else(|| "–".to_owned(), say::percent)
}

fn use_row(of: &Use) -> Markup {
    html! {
        td { (of.name) }
        td.n { (say::bound(of.window.from_us)) }
        td.n { (say::bound(of.window.length_us())) }
        td.n { (ratio(of.cpu_mean_ratio)) }
        td.n { (ratio(of.cpu_peak_ratio)) }
        td.n { (of.memory_peak_bytes.map_or_else(|| "–".to_owned(), say::bytes)) }
        @match &of.energy {
            Energy::Measured { figures, watts_mean, covered_ratio, .. } => {
                td.n { (say::watt_hours(figures.joules)) @if *covered_ratio < 0.995 { " *" } }
                td.n { (say::watt_hours(figures.low)) "–" (say::watt_hours(figures.high)) }
                td.n { (watts_mean.map_or_else(|| "–".to_owned(), |it| format!("{it:.1}"))) }
            }
            Energy::Unavailable { why } => { td colspan="3" { "unavailable: " (why) } }
        }
    }
}

fn phases(evidence: &Evidence) -> Markup {
    let partly = |it: &Use| match &it.energy {
        Energy::Measured { covered_ratio, .. } => *covered_ratio < 0.995,
        Energy::Unavailable { .. } => false,
    };
    let any = evidence.phases.iter().any(partly) || partly(&evidence.whole);
    html! {
        h2 { "Phases: utilisation and energy " span lang="zh" { "各阶段利用率与能耗" } }
        div.scroll { table {
            tr {
                th { "Phase" } th.n { "Began" } th.n { "Took" } th.n { "CPU mean" } th.n { "CPU peak" }
                th.n { "Memory peak" } th.n { "Wh" } th.n { "Wh bounds" } th.n { "W mean" }
            }
            @for it in &evidence.phases { tr { (use_row(it)) } }
            tr.sum { (use_row(&evidence.whole)) }
        } }
        @if any { p.muted { "* The energy samples do not cover all of it." } }
    }
}

fn processes(evidence: &Evidence) -> Markup {
    let of = |phase: &Use, name: &str| {
        let found = phase.processes.iter().find(|it| it.name == name);
        found.map_or_else(|| "–".to_owned(), |it| format!("{:.2}", it.cpus_mean))
    };
    html! {
        @if !evidence.whole.processes.is_empty() {
            h3 { "Processes of the service: mean busy CPUs" }
            div.scroll { table {
                tr {
                    th { "Process" }
                    @for it in &evidence.phases { th.n { (it.name) } }
                    th.n { "whole run" } th.n { "Memory peak" }
                }
                @for it in &evidence.whole.processes {
                    tr {
                        td { (it.name) }
                        @for phase in &evidence.phases { td.n { (of(phase, &it.name)) } }
                        td.n { (format!("{:.2}", it.cpus_mean)) }
                        td.n { (say::bytes(it.rss_peak_bytes)) }
                    }
                }
            } }
        }
    }
}

fn healed(act: &Act) -> String {
    let took = |it: crate::evidence::scale::Window| say::bound(it.length_us());
    match (act.state, act.undone) {
        (ActState::Undone, Some(undone)) => {
            format!("at {}, in {}", say::bound(undone.from_us), took(undone))
        }
        (ActState::Spent, _) => "cannot be undone; recovery is the target's business".to_owned(),
        (ActState::Stuck, _) => act.stuck.clone().unwrap_or_default(),
        (ActState::Outstanding | ActState::Undone | ActState::Kept, _) => String::new(),
    }
}

fn acts(evidence: &Evidence) -> Markup {
    html! {
        @if !evidence.timeline.acts.is_empty() {
            h2 { "What was done, and put back " span lang="zh" { "操作与恢复" } }
            div.scroll { table {
                tr {
                    th.n { "#" } th { "Act" } th { "What" } th.n { "Applied" } th { "Effect" }
                    th { "Who heals" } th { "Put back" }
                }
                @for act in &evidence.timeline.acts { (act_row(act)) }
            } }
        }
    }
}

fn left(evidence: &Evidence) -> Markup {
    html! {
        @if let Some(it) = &evidence.residue {
            h2 { "What is left of it " span lang="zh" { "残留检查" } }
            ul.plain { @for line in residue::lines(it) { li { (line) } } }
        }
    }
}

fn act_row(act: &Act) -> Markup {
    let family = match act.family {
        Family::Fault => "fault",
        Family::Step => "step",
    };
    let class = match act.class {
        UndoClass::Kernel => "the kernel",
        UndoClass::Guardian => "the guardian",
        UndoClass::OneShot => "nobody (one-shot)",
    };
    let open = matches!(act.state, ActState::Stuck | ActState::Outstanding);
    html! {
        tr {
            td.n { (act.act) }
            td { (act.name) br; span.muted { (family) @if act.kind != act.name { " " (act.kind) } } }
            td {
                (act.will)
                @if let Some(why) = &act.failed { br; "could not be done: " (why) }
            }
            td.n { (act.applied.map_or_else(|| "–".to_owned(), |it| say::bound(it.from_us))) }
            td {
                @match &act.effect {
                    Some(it) => { (badge(it.seen.into())) " " (it.how) }
                    None => span.muted { "not looked at" }
                }
            }
            td { (class) }
            td {
                strong { (act.state.word()) } " " (healed(act))
                @if open { @for line in &act.by_hand { br; code { (line) } } }
            }
        }
    }
}

fn moments(evidence: &Evidence) -> Markup {
    html! {
        @if !evidence.timeline.moments.is_empty() {
            h3 { "Moments" }
            div.scroll { table {
                tr { th.n { "At" } th { "Moment" } th { "Note" } }
                @for it in &evidence.timeline.moments {
                    tr { td.n { (say::bound(it.at_us)) } td { (it.what.word()) } td { (it.note) } }
                }
            } }
        }
    }
}

fn untried(evidence: &Evidence) -> Markup {
    html! {
        h2 { "What was not exercised " span lang="zh" { "未演练" } }
        @if evidence.not_exercised.is_empty() {
            p { "Every planned phase was begun." }
        } @else {
            ul.plain {
                @for it in &evidence.not_exercised {
                    li { (badge(Answer::NotExercised)) " " (it.phase) ": " (it.items.join("; ")) }
                }
            }
        }
    }
}

fn host(evidence: &Evidence) -> Markup {
    html! {
        @if let Some(host) = &evidence.run.host {
            h2 { "Where " span lang="zh" { "环境" } }
            p {
                (host.hostname) ": " (host.os) ", kernel " (host.kernel) ", "
                (say::plural(u64::from(host.cpus), "CPU")) " (" (host.cpu_model) "), "
                (say::bytes(host.memory_bytes)) " of memory. Began "
                (evidence.run.began.as_deref().unwrap_or("at an unknown time")) ", "
                @match &evidence.run.ended {
                    Some(ended) => { "ended " (ended) "." }
                    None => "has not ended."
                }
            }
        }
    }
}
