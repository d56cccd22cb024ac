//! A chaos scenario: a hypothesis, and faults that it should survive.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::index::RunKind,
    manifest::{diagnostic::Diagnostic, node::Doc, read::read, unread::Unread},
    script::{
        common::{self, Labels},
        course::Step,
        hypothesis, items,
        lines::{Item, Phase, Script},
        load,
        outside::{Named, Var},
        read::Kinds,
        schema,
        window::Window,
    },
    target::ProcessTarget,
    units::Span,
    world::{bounds::Deny, secrets::SecretSource},
};

/// The file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Its title.
    title: String,
    /// What it is for, and what it proves.
    #[serde(default)]
    description: String,
    /// The seed of all chance; one is rolled for each run if none is named.
    #[serde(default)]
    seed: Option<u64>,
    /// The whole run ends by then.
    #[serde(default = "five_minutes")]
    max: Span,
    /// How long the hypotheses are looked at before anything is done.
    #[serde(default = "one_second")]
    baseline: Span,
    /// How long they may take to be true again afterwards.
    #[serde(default = "five_seconds")]
    settle: Span,
    /// What must stay true, each a probe and what it should tell.
    #[serde(default)]
    #[schemars(schema_with = "schema::hypotheses")]
    hypothesis: Vec<Unread>,
    /// What is sent meanwhile: requests over HTTP, on a schedule of their own.
    #[serde(default)]
    load: Vec<load::Written>,
    /// What is done: faults, pauses, and faults side by side.
    #[schemars(schema_with = "schema::method")]
    method: Vec<Unread>,
    /// Processes whose utilisation is recorded, by the name that reports give them.
    #[serde(default)]
    processes: BTreeMap<String, ProcessTarget>,
    /// Words to find it by.
    #[serde(default)]
    tags: Vec<String>,
    /// Who answers for it.
    #[serde(default)]
    owner: String,
    /// Ids of the controls that it evidences.
    #[serde(default)]
    controls: Vec<String>,
    /// The hours in which it may start.
    #[serde(default)]
    window: Option<Window>,
    /// What must be so before anything is begun.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    start_when: Vec<Unread>,
    /// What stops it.
    #[serde(default)]
    #[schemars(schema_with = "schema::guards")]
    abort_when: Vec<Unread>,
    /// What is left alone.
    #[serde(default)]
    deny: Deny,
    /// Variables, to be used as `${name}`; `--set` wins over them.
    #[serde(default, rename = "vars")]
    _vars: BTreeMap<String, Var>,
    /// Secrets, to be used as `${secret.name}`: they come from the environment or from files, and
    /// are never written down.
    #[serde(default, rename = "secrets")]
    _secrets: BTreeMap<String, SecretSource>,
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
    let loads = load::loads(written.load, &[], out);
    let mut faults = Vec::new();
    for it in &written.method {
        faults.extend(items::entry(doc, it.0, kinds, out));
    }
    let acts = |it: &Item| matches!(it, Item::Act(_) | Item::Together(_));
    if written.method.is_empty() || (out.is_empty() && !faults.iter().any(acts)) {
        let help = "name at least one fault under `method`";
        out.push(Diagnostic::new("a scenario without a fault shows nothing", top, help));
    }
    let items = faults.into_iter().map(Step::plain).collect();
    Some(Script {
        kind: RunKind::Scenario,
        title: written.title,
        description: written.description,
        seed: written.seed,
        max: written.max,
        hypotheses,
        baseline: written.baseline,
        settle: written.settle,
        phases: vec![Phase { name: "disrupt".to_owned(), items }],
        exercise: None,
        objectives: None,
        witness: None,
        loads,
        processes: written.processes,
        sites: Vec::new(),
        labels: Labels { tags, owner, controls },
        safety,
        vars: BTreeMap::new(),
        secrets: Named::default(),
    })
}
