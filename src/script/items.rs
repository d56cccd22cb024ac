//! Reading what is done: actions, and the cues between them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    action::ActionKind,
    journal::entry::{Family, Mark, OnVanish, UndoClass},
    manifest::{
        diagnostic::Diagnostic,
        kinds::{Menu, Pick},
        node::{Doc, Id},
        place::Place,
        read::read,
        unread::{Placed, Unread},
    },
    script::{
        expect::Expect,
        hypothesis::{known, probe, single},
        lines::{Act, Declare, Item, Wait, WitnessCue},
        read::Kinds,
    },
    units::Span,
};

/// What is no action, and changes nothing.
const CUES: &[&str] = &["declare", "pause", "wait_for", "witness"];

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

/// Reads one step of a drill's phase.
pub(super) fn step(
    doc: &mut Doc,
    entry: Id,
    kinds: &Kinds,
    out: &mut Vec<Diagnostic>,
) -> Option<Item> {
    let names = kinds.actions.iter().map(|it| it.about.name);
    let known: Vec<&str> = CUES.iter().copied().chain(names).collect();
    let pick = Menu { sort: "step", known: &known, common: BESIDE }.pick(doc, entry, out)?;
    let (n, settings) = pick.kind?;
    if let Some(kind) = n.checked_sub(CUES.len()).and_then(|it| kinds.actions.get(it)) {
        let act = act(doc, (kind, settings), pick, out)?;
        let endless = act.length.is_none() && doc.get(pick.common, "for").is_none();
        if endless && kind.family == Family::Fault && kind.class != UndoClass::OneShot {
            let help = "write how long it stands, such as `for: 10s`; every fault has an end";
            out.push(Diagnostic::new("`for` is missing", pick.place, help));
        }
        return Some(Item::Act(act));
    }
    cue(doc, CUES.get(n)?, settings, (kinds, pick), out)
}

fn act(
    doc: &Doc,
    (kind, settings): (&'static ActionKind, Id),
    pick: Pick,
    out: &mut Vec<Diagnostic>,
) -> Option<Act> {
    let action = kind.read(doc, settings, pick.place, out);
    let beside: Beside = read(doc, pick.common, pick.place, out)?;
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

/// What may stand beside a cue.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BesideCue {
    /// Its name in reports.
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDeclare {
    /// What is declared, and by whom.
    note: String,
    /// How long the decision takes.
    #[serde(default)]
    delay: Option<Span>,
}

fn cue(
    doc: &mut Doc,
    cue: &str,
    settings: Id,
    (kinds, pick): (&Kinds, Pick),
    out: &mut Vec<Diagnostic>,
) -> Option<Item> {
    let beside: Option<BesideCue> = read(doc, pick.common, pick.place, out);
    let name = beside?.name;
    match cue {
        "declare" => {
            let WrittenDeclare { note, delay } = read(doc, settings, pick.place, out)?;
            Some(Item::Declare(Declare { note, delay }))
        }
        "pause" => read(doc, settings, pick.place, out).map(Item::Pause),
        "witness" => read::<WitnessCue>(doc, settings, pick.place, out).map(Item::Witness),
        _ => wait(doc, settings, (name, kinds), out).map(Item::Wait),
    }
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

fn once() -> u32 {
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
