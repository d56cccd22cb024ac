//! A drill's course: what it was, its steps against the plan, and who decided what.

use maud::{Markup, html};

use crate::{
    evidence::{
        course::{Road, StepState},
        rto::Rto,
        say,
    },
    reports::road::{questions, remarks, steps},
};

/// What sort of exercise it was, in one line.
pub(super) fn line(road: &Road) -> Markup {
    html! {
        @if let Some(words) = road.words() { p.meta { strong { (words) } } }
    }
}

/// All of it, in tables.
pub(super) fn tables(road: &Road) -> Markup {
    let (facts, asked) = (road.facts(), questions(road));
    html! {
        @if !facts.is_empty() {
            h2 { "The exercise " span lang="zh" { "演练概况" } }
            div.scroll { table {
                @for (name, zh, text) in facts {
                    tr { th { (name) " " span lang="zh" { (zh) } } td { (text) } }
                }
            } }
        }
        @if !road.steps.is_empty() {
            h2 { "Steps against the plan " span lang="zh" { "步骤：计划与实际" } }
            div.scroll { table {
                tr {
                    th { "#" } th { "Step" } th { "Owner " span lang="zh" { "责任人" } }
                    th.n { "Planned" } th.n { "Took" } th.n { "Deviation " span lang="zh" { "偏差" } }
                    th { "State" }
                }
                @for (step, row) in road.steps.iter().zip(steps(road)) {
                    tr {
                        @let [n, name, owner, planned, took, deviation, state] = row;
                        td { (n) }
                        td { (name) }
                        td { (owner) }
                        td.n { (planned) }
                        td.n { (took) }
                        td.n { (deviation) }
                        @if step.state == StepState::Done {
                            td { (state) }
                        } @else {
                            td { strong { (state) } }
                        }
                    }
                }
            } }
        }
        @if !asked.is_empty() {
            h2 { "Who decided what " span lang="zh" { "决策记录" } }
            div.scroll { table {
                tr { th { "#" } th { "Question" } th { "Answers" } th { "Outcome" } }
                @for [n, text, answers, decided] in asked {
                    tr { td { (n) } td { (text) } td { (answers) } td { (decided) } }
                }
            } }
        }
        @for it in remarks(road) { p.muted { (it) } }
    }
}

/// Where the recovery time went, and what it counts from.
pub(super) fn split(rto: &Rto) -> Markup {
    let fault = rto.fault.map_or(0, |it| it.from_us);
    let head = format!("From {}", rto.since.word());
    html! {
        h2 { "Where the time went " span lang="zh" { "恢复时间分解" } }
        p { (rto.why) "." }
        @if rto.fault.is_some() {
            p.muted {
                "Counted from " (rto.since.word()) " " span lang="zh" { "起算：" (rto.since.word_zh()) }
                "."
            }
        }
        @if !rto.parts.is_empty() {
            div.scroll { table {
                tr { th { "Part" } th.n { (head) } th.n { "Took" } }
                @for part in &rto.parts {
                    tr {
                        td { (part.name) }
                        td.n { (say::bound(part.window.from_us.saturating_sub(fault))) }
                        td.n { (say::bound(part.window.length_us())) }
                    }
                }
                @if let (Some(lower), upper) = (rto.lower_us, rto.upper_us) {
                    tr.sum { td { "until the service took writes" } td {} td.n { (say::interval(lower, upper)) } }
                }
                @if let Some(it) = rto.verified {
                    tr.sum {
                        td { "until the data was verified" } td {}
                        td.n { (say::interval(it.from_us, Some(it.to_us))) }
                    }
                }
            } }
        }
        @if let Some(ratio) = rto.degraded_ratio {
            p.muted {
                "While degraded, " (say::percent(ratio)) " of "
                (say::plural(rto.degraded_attempts, "write")) " were acknowledged."
            }
        }
    }
}
