//! Reading what is done: actions, and the cues between them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    action::{ActionKind, AnyAction},
    journal::{
        course::Sort,
        entry::{Family, Mark, OnVanish, UndoClass},
    },
    manifest::{
        diagnostic::Diagnostic,
        kinds::{Menu, Pick},
        node::{Doc, Id},
        place::Place,
        read::read,
        unread::{Placed, Unread},
    },
    script::{
        asks::{WrittenDeclare, ask},
        course::{Branch, OnFail, Step},
        expect::Expect,
        hypothesis::{known, probe, single},
        lines::{Act, Item, Wait, WitnessCue},
        read::Kinds,
        schema,
    },
    units::Span,
};

/// What is no action, and changes nothing.
const CUES: &[&str] =
    &["approval", "declare", "dwell", "gate", "manual", "parallel", "pause", "wait_for", "witness"];

/// What may stand beside an action.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Beside {
    /// Its name in reports.
    #[serde(default)]
    name: Option<String>,
    /// How long to wait before it.
    #[serde(default)]
    after: Option<Span>,
    /// How long it stands.
    #[serde(default, rename = "for")]
    length: Option<Span>,
    /// What becomes of it if the runner vanishes.
    #[serde(default)]
    on_vanish: Option<Placed<OnVanish>>,
}

const BESIDE: &[&str] = &["name", "after", "for", "on_vanish"];

/// What a scenario's method may hold besides faults.
const BETWEEN: &[&str] = &["parallel", "pause"];

/// So many acts are done together at most.
pub(super) const TOGETHER_MAX: usize = 16;

/// Reads one entry of a scenario's method: a fault, a pause, or faults side by side.
pub(super) fn entry(
    doc: &mut Doc,
    entry: Id,
    kinds: &Kinds,
    out: &mut Vec<Diagnostic>,
) -> Option<Item> {
    let faults: Vec<_> =
        kinds.actions.iter().copied().filter(|it| it.family == Family::Fault).collect();
    let names = faults.iter().map(|it| it.about.name);
    let known: Vec<&str> = names.chain(BETWEEN.iter().copied()).collect();
    let pick = Menu { sort: "fault", known: &known, common: BESIDE }.pick(doc, entry, out)?;
    let (n, settings) = pick.kind?;
    match n.checked_sub(faults.len()).and_then(|n| BETWEEN.get(n).copied()) {
        None => fault(doc, (*faults.get(n)?, settings), pick, out).map(Item::Act),
        Some(word) => {
            // Neither has a name, an end or a way back of its own.
            for (key, _) in doc.pairs(pick.common).unwrap_or(&[]) {
                let key = (doc.text(*key).unwrap_or(""), doc.place(*key));
                out.push(Diagnostic::unknown_key(key.0, key.1, &[]));
            }
            match word {
                "pause" => read(doc, settings, pick.place, out).map(Item::Pause),
                _ => together(doc, (settings, pick.place), &faults, out).map(Item::Together),
            }
        }
    }
}

fn together(
    doc: &mut Doc,
    (settings, place): (Id, Place),
    faults: &[&'static ActionKind],
    out: &mut Vec<Diagnostic>,
) -> Option<Vec<Act>> {
    let entries: Vec<Unread> = read(doc, settings, place, out)?;
    let known: Vec<&str> = faults.iter().map(|it| it.about.name).collect();
    if entries.is_empty() || entries.len() > TOGETHER_MAX {
        let help = "name faults under it, each with its own `after` and `for`";
        let what = format!("1 to {TOGETHER_MAX} faults are done together, not {}", entries.len());
        out.push(Diagnostic::new(what, place, help));
    }
    let mut all = Vec::new();
    for it in entries {
        let menu = Menu { sort: "fault", known: &known, common: BESIDE };
        let Some(pick) = menu.pick(doc, it.0, out) else { continue };
        let Some((n, settings)) = pick.kind else { continue };
        let kind = *faults.get(n)?;
        all.extend(fault(doc, (kind, settings), pick, out));
    }
    Some(all)
}

/// Reads one fault: it stands for its length, and the script waits.
fn fault(
    doc: &Doc,
    kind: (&'static ActionKind, Id),
    pick: Pick,
    out: &mut Vec<Diagnostic>,
) -> Option<Act> {
    let mut act = act(doc, kind, pick, out)?;
    if act.length.is_none() && doc.get(pick.common, "for").is_none() {
        let help = "write how long it stands, such as `for: 10s`; every fault has an end";
        out.push(Diagnostic::new("`for` is missing", pick.place, help));
    }
    act.waits = true;
    Some(act)
}

/// What may stand beside a step of a drill. `after`, `for` and `on_vanish` are for actions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BesideStep {
    /// Its name in reports.
    #[serde(default)]
    name: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    owner: String,
    /// How long it is to take.
    #[serde(default)]
    planned: Option<Span>,
    /// What becomes of the run when it cannot be done.
    #[serde(default)]
    on_fail: OnFail,
    /// How long to wait before it.
    #[serde(default)]
    #[schemars(with = "Option<Span>")]
    after: Option<Placed<Span>>,
    /// How long it stands.
    #[serde(default, rename = "for")]
    #[schemars(with = "Option<Span>")]
    length: Option<Placed<Span>>,
    /// What becomes of it if the runner vanishes.
    #[serde(default)]
    on_vanish: Option<Placed<OnVanish>>,
}

const BESIDE_STEP: &[&str] = &["name", "owner", "planned", "on_fail", "after", "for", "on_vanish"];

/// Reads one step of a drill's phase.
pub(super) fn step(
    doc: &mut Doc,
    entry: Id,
    kinds: &Kinds,
    out: &mut Vec<Diagnostic>,
) -> Option<Step> {
    let names = kinds.actions.iter().map(|it| it.about.name);
    let known: Vec<&str> = CUES.iter().copied().chain(names).collect();
    let pick = Menu { sort: "step", known: &known, common: BESIDE_STEP }.pick(doc, entry, out)?;
    let (n, settings) = pick.kind?;
    let beside: Option<BesideStep> = read(doc, pick.common, pick.place, out);
    if let Some(kind) = n.checked_sub(CUES.len()).and_then(|it| kinds.actions.get(it)) {
        let action = kind.read(doc, settings, pick.place, out);
        let beside = beside?;
        let act = Beside {
            name: beside.name.clone(),
            after: beside.after.map(|it| it.value),
            length: beside.length.map(|it| it.value),
            on_vanish: beside.on_vanish,
        };
        if act.length.is_none() && kind.family == Family::Fault && kind.class != UndoClass::OneShot
        {
            let help = "write how long it stands, such as `for: 10s`; every fault has an end";
            out.push(Diagnostic::new("`for` is missing", pick.place, help));
        }
        let act = assembled(kind, action, act, out)?;
        let name = act.name.clone();
        return Some(beside.step(kind.about.name, name, Item::Act(act)));
    }
    let word = *CUES.get(n)?;
    let item = cue(doc, word, settings, (kinds, pick, beside.as_ref()), out);
    let (beside, item) = (beside?, item?);
    beside.unfit(out);
    let name = beside.name.clone().unwrap_or_else(|| match &item {
        Item::Wait(it) => it.name.clone(),
        _ => word.replace('_', " "),
    });
    Some(beside.step(word, name, item))
}

impl BesideStep {
    fn step(self, kind: &'static str, name: String, item: Item) -> Step {
        let Self { owner, planned, on_fail, .. } = self;
        Step { id: String::new(), name, kind, owner, planned, on_fail, item }
    }

    /// What changes nothing neither stands nor is put back.
    fn unfit(&self, out: &mut Vec<Diagnostic>) {
        let spans = [("after", self.after), ("for", self.length)];
        let spans = spans.into_iter().filter_map(|(key, it)| Some((key, it?.place)));
        let vanish = self.on_vanish.map(|it| ("on_vanish", it.place));
        for (key, place) in spans.chain(vanish) {
            let what = format!("`{key}` is for actions, and this changes nothing");
            out.push(Diagnostic::new(what, place, "leave it out"));
        }
    }
}

fn act(
    doc: &Doc,
    (kind, settings): (&'static ActionKind, Id),
    pick: Pick,
    out: &mut Vec<Diagnostic>,
) -> Option<Act> {
    let action = kind.read(doc, settings, pick.place, out);
    let beside: Beside = read(doc, pick.common, pick.place, out)?;
    assembled(kind, action, beside, out)
}

fn assembled(
    kind: &'static ActionKind,
    action: Option<Box<dyn AnyAction>>,
    beside: Beside,
    out: &mut Vec<Diagnostic>,
) -> Option<Act> {
    let natural = match kind.family {
        Family::Fault => OnVanish::Heal,
        Family::Step => OnVanish::Keep,
    };
    if let Some(Placed { place, value: OnVanish::Keep }) = beside.on_vanish
        && kind.family == Family::Fault
    {
        let help = "leave `on_vanish` out: only what a drill does on purpose may stay";
        out.push(Diagnostic::new("a fault is always put back", place, help));
    }
    Some(Act {
        name: beside.name.unwrap_or_else(|| kind.about.name.replace('_', " ")),
        kind,
        action: action?,
        after: beside.after,
        length: beside.length,
        waits: false,
        on_vanish: beside.on_vanish.map_or(natural, |it| it.value),
    })
}

fn cue(
    doc: &mut Doc,
    cue: &str,
    settings: Id,
    (kinds, pick, beside): (&Kinds, Pick, Option<&BesideStep>),
    out: &mut Vec<Diagnostic>,
) -> Option<Item> {
    let at = (settings, pick.place);
    match cue {
        "declare" => {
            let it: WrittenDeclare = read(doc, settings, pick.place, out)?;
            Some(Item::Declare(it.into()))
        }
        "pause" => read(doc, settings, pick.place, out).map(Item::Pause),
        "dwell" => read(doc, settings, pick.place, out).map(Item::Dwell),
        "witness" => read::<WitnessCue>(doc, settings, pick.place, out).map(Item::Witness),
        "gate" => ask(doc, Sort::Gate, at, out).map(Item::Ask),
        "manual" => ask(doc, Sort::Manual, at, out).map(Item::Ask),
        "approval" => ask(doc, Sort::Approval, at, out).map(Item::Ask),
        "parallel" => branches(doc, at, kinds, out).map(Item::Branches),
        _ => {
            let name = beside.and_then(|it| it.name.clone());
            wait(doc, settings, (name, kinds), out).map(Item::Wait)
        }
    }
}

/// One of the branches of a `parallel`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBranch {
    /// Its name.
    branch: String,
    /// What is done in it, in this order.
    #[schemars(schema_with = "schema::steps")]
    steps: Vec<Unread>,
}

fn branches(
    doc: &mut Doc,
    (settings, place): (Id, Place),
    kinds: &Kinds,
    out: &mut Vec<Diagnostic>,
) -> Option<Vec<Branch>> {
    let entries: Vec<Unread> = read(doc, settings, place, out)?;
    if entries.is_empty() || entries.len() > TOGETHER_MAX {
        let what = format!("1 to {TOGETHER_MAX} branches go together, not {}", entries.len());
        let help = "write `- branch: NAME` under it, each with its own `steps`";
        out.push(Diagnostic::new(what, place, help));
    }
    let mut all = Vec::new();
    for it in entries {
        let head = doc.head(it.0);
        let Some(WrittenBranch { branch, steps }) = read(doc, it.0, head, out) else { continue };
        let mut inside = Vec::new();
        for it in steps {
            let place = doc.head(it.0);
            let step = step(doc, it.0, kinds, out);
            if step.as_ref().is_some_and(|it| matches!(it.item, Item::Branches(_))) {
                let help = "put its branches beside this one";
                out.push(Diagnostic::new("a branch cannot part again", place, help));
            }
            inside.extend(step);
        }
        all.push(Branch { name: branch, steps: inside });
    }
    Some(all)
}

/// What stands beside the probe of a `wait_for`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BesideWait {
    /// The answer that is waited for.
    expect: Placed<Expect>,
    /// How often it is asked.
    #[serde(default = "often")]
    every: Span,
    /// So many good answers in a row are wanted.
    #[serde(default = "once")]
    in_a_row: u32,
    /// The longest wait.
    at_most: Span,
    /// What it means for the drill.
    #[serde(default = "reached")]
    mark: Mark,
}

const BESIDE_WAIT: &[&str] = &["expect", "every", "in_a_row", "at_most", "mark"];

fn often() -> Span {
    Span::millis(100)
}

const fn once() -> u32 {
    1
}

fn reached() -> Mark {
    Mark::Reached
}

fn wait(
    doc: &mut Doc,
    entry: Id,
    (name, kinds): (Option<String>, &Kinds),
    out: &mut Vec<Diagnostic>,
) -> Option<Wait> {
    let (kind, probe, common, place) = probe(doc, entry, (&kinds.probes, BESIDE_WAIT), out)?;
    let beside: Option<BesideWait> = read(doc, common, place, out);
    let (kind, probe, beside) = (kind?, probe?, beside?);
    known(kind, &beside.expect, out);
    single(&beside.expect, out);
    let BesideWait { expect, every, in_a_row, at_most, mark } = beside;
    let expect = expect.value;
    Some(Wait {
        name: name.unwrap_or_else(|| expect.to_string()),
        probe: Arc::from(probe),
        expect,
        every,
        in_a_row: in_a_row.max(1),
        at_most,
        mark,
    })
}
