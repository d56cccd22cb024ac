//! Sites: what each used, phase by phase, and what that cost.

use maud::{Markup, html};

use super::tables::cells;
use crate::{
    evidence::sites::Sites,
    reports::sites::{FIGURES, USES, figures, stretches, unavailable, uses},
};

/// All of it, in tables.
pub(super) fn tables(sites: Option<&Sites>) -> Markup {
    let Some(sites) = sites else { return html! {} };
    let said = unavailable(sites);
    html! {
        h2 { "Sites: energy and room " span lang="zh" { "各站点能耗与余量" } }
        p.muted { (stretches(sites)) }
        (cells(&FIGURES, figures(sites)))
        h2 { "Sites: utilisation, phase by phase " span lang="zh" { "各站点各阶段利用率" } }
        (cells(&USES, uses(sites)))
        @if !said.is_empty() { ul.plain { @for it in said { li { (it) } } } }
    }
}
