//! What steps showed, with the figures and differences behind each judgement.

use maud::{Markup, html};

use super::page::badge;
use crate::evidence::{fold::Evidence, shown};

pub(super) fn table(evidence: &Evidence) -> Markup {
    let all: Vec<_> = shown::acts(&evidence.timeline).collect();
    html! {
        @if !all.is_empty() {
            h2 { "What steps showed " span lang="zh" { "步骤结果" } }
            div.scroll { table {
                tr { th { "Step" } th { "Verdict" } th { "What was seen" } }
                @for (act, showing) in all {
                    tr {
                        td { (act.name) br; span.muted { (act.kind) } }
                        td { @if let Some(it) = shown::verdict(act) { (badge(it.into())) } }
                        td {
                            (showing.why)
                            @for line in shown::lines(act) { br; span.muted { (line) } }
                        }
                    }
                }
            } }
        }
    }
}
