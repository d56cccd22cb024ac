//! A chaos scenario: a hypothesis, and faults that it should survive.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    journal::index::RunKind,
    manifest::{diagnostic::Diagnostic, node::Doc, read::read, unread::Unread},
    script::{
        common::{self, Labels},
        hypothesis, items,
        lines::{Item, Phase, Script},
        read::Kinds,
        window::Window,
    },
    target::ProcessTarget,
    units::Span,
    world::bounds::Deny,
};

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default = "five_minutes")]
    max: Span,
    #[serde(default = "one_second")]
    baseline: Span,
    #[serde(default = "five_seconds")]
    settle: Span,
    #[serde(default)]
    hypothesis: Vec<Unread>,
    method: Vec<Unread>,
    #[serde(default)]
    processes: BTreeMap<String, ProcessTarget>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    controls: Vec<String>,
    #[serde(default)]
    window: Option<Window>,
    #[serde(default)]
    start_when: Vec<Unread>,
    #[serde(default)]
    abort_when: Vec<Unread>,
    #[serde(default)]
    deny: Deny,
    #[serde(default, rename = "vars")]
    _vars: BTreeMap<String, String>,
}

fn five_minutes() -> Span {
    Span::millis(300_000)
}

fn one_second() -> Span {
    Span::millis(1_000)
}

fn five_seconds() -> Span {
    Span::millis(5_000)
}

pub(super) fn scenario(doc: &mut Doc, kinds: &Kinds, out: &mut Vec<Diagnostic>) -> Option<Script> {
    let top = doc.head(doc.root());
    let written: Written = read(doc, doc.root(), top, out)?;
    let Written { tags, owner, controls, window, start_when, abort_when, deny, .. } = written;
    let common = common::Written { window, start_when, abort_when, deny };
    let safety = common.safety(doc, &kinds.probes, out);
    let mut hypotheses = Vec::new();
    for it in written.hypothesis {
        hypotheses.extend(hypothesis::hypothesis(doc, it.0, &kinds.probes, out));
    }
    let mut faults = Vec::new();
    for it in &written.method {
        faults.extend(items::entry(doc, it.0, kinds, out));
    }
    let acts = |it: &Item| matches!(it, Item::Act(_) | Item::Together(_));
    if written.method.is_empty() || (out.is_empty() && !faults.iter().any(acts)) {
        let help = "name at least one fault under `method`";
        out.push(Diagnostic::new("a scenario without a fault shows nothing", top, help));
    }
    Some(Script {
        kind: RunKind::Scenario,
        title: written.title,
        description: written.description,
        seed: written.seed,
        max: written.max,
        hypotheses,
        baseline: written.baseline,
        settle: written.settle,
        phases: vec![Phase { name: "disrupt".to_owned(), items: faults }],
        objectives: None,
        witness: None,
        processes: written.processes,
        labels: Labels { tags, owner, controls },
        safety,
        vars: BTreeMap::new(),
    })
}
