//! A drill's course: what it was, its steps against the plan, and who decided what.

use maud::{Markup, html};

use crate::{
    evidence::course::{Road, StepState},
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
