//! What a journal says may still stand in the world. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::journal::{
    began::Began,
    course::Course,
    entry::{Entry, Fact, Family, Intent, OnVanish, UndoClass},
};

/// An act that may stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// Its number.
    pub act: u32,
    /// Its kind.
    pub kind: String,
    /// Fault or step.
    pub family: Family,
    /// How to go back.
    pub undo: Value,
    /// How a person goes back.
    pub by_hand: Vec<String>,
    /// Who goes back.
    pub class: UndoClass,
    /// What is to become of it if the runner vanishes.
    pub on_vanish: OnVanish,
    /// It went through.
    pub applied: bool,
    /// An undo was tried and failed.
    pub stuck: bool,
}

impl Open {
    /// It is put back when the runner vanishes.
    pub fn goes_back(&self) -> bool {
        self.on_vanish == OnVanish::Heal && self.class != UndoClass::OneShot
    }
}

/// Acts that may stand, newest first: every intent that was neither undone nor kept.
pub fn outstanding(entries: &[Entry]) -> Vec<Open> {
    let (mut open, mut intents): (Vec<Open>, Vec<&Intent>) = (Vec::new(), Vec::new());
    for entry in entries {
        match &entry.fact {
            Fact::Intent(it) => {
                intents.push(it);
                open.push(opened(it));
            }
            Fact::Applied { act, .. } => change(&mut open, *act, |it| it.applied = true),
            Fact::Stuck { act, .. } => {
                // Its undo went through, and something of it was found to stand all the same.
                if !open.iter().any(|it| it.act == *act) {
                    open.extend(intents.iter().find(|it| it.act == *act).map(|it| opened(it)));
                }
                change(&mut open, *act, |it| it.stuck = true);
            }
            Fact::Undone { act, .. } | Fact::Kept { act } => open.retain(|it| it.act != *act),
            _ => {}
        }
    }
    open.reverse();
    open
}

fn opened(intent: &Intent) -> Open {
    Open {
        act: intent.act,
        kind: intent.kind.clone(),
        family: intent.family,
        undo: intent.undo.clone(),
        by_hand: intent.by_hand.clone(),
        class: intent.class,
        on_vanish: intent.on_vanish,
        applied: false,
        stuck: false,
    }
}

fn change(open: &mut [Open], act: u32, how: impl FnOnce(&mut Open)) {
    if let Some(it) = open.iter_mut().find(|it| it.act == act) {
        how(it);
    }
}

/// A moment of an act, as it was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The act's number.
    pub act: u32,
    /// The act's name.
    pub name: String,
    /// What was done.
    pub what: TurnKind,
}

/// What a moment of an act is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnKind {
    /// It was written down.
    Planned,
    /// It went through.
    Applied,
    /// It did not go through.
    Failed,
    /// It was undone.
    Undone,
    /// It was left standing.
    Kept,
}

/// The order in which acts were planned, applied and undone: what a replay must come to.
pub fn order(entries: &[Entry]) -> Vec<Turn> {
    let mut names = BTreeMap::new();
    let mut turns = Vec::new();
    for entry in entries {
        let (act, what) = match &entry.fact {
            Fact::Intent(it) => {
                names.insert(it.act, it.name.clone());
                (it.act, TurnKind::Planned)
            }
            Fact::Applied { act, .. } => (*act, TurnKind::Applied),
            Fact::Failed { act, .. } => (*act, TurnKind::Failed),
            Fact::Undone { act, .. } => (*act, TurnKind::Undone),
            Fact::Kept { act } => (*act, TurnKind::Kept),
            _ => continue,
        };
        let name = names.get(&act).cloned().unwrap_or_default();
        turns.push(Turn { act, name, what });
    }
    turns
}

/// What was fixed at the beginning, if the journal got that far.
pub fn began(entries: &[Entry]) -> Option<&Began> {
    entries.iter().find_map(|it| match &it.fact {
        Fact::Began(began) => Some(&**began),
        _ => None,
    })
}

/// The runner vanished, what had to be put back is, and the run waits until somebody resumes or
/// ends it.
pub fn suspended(entries: &[Entry]) -> bool {
    let over = entries.iter().rposition(|it| matches!(it.fact, Fact::TakenOver { .. }));
    let resumed = |it: &Entry| matches!(it.fact, Fact::Course(Course::Resumed(_)));
    let stands =
        |it: &Open| it.stuck || (it.on_vanish == OnVanish::Heal && it.class != UndoClass::OneShot);
    over.is_some()
        && over > entries.iter().rposition(resumed)
        && !ended(entries)
        && !outstanding(entries).iter().any(stands)
}

/// Somebody or something ended the run before its time, and nobody resumed it after that.
pub fn aborted(entries: &[Entry]) -> bool {
    let last = |is: fn(&Fact) -> bool| entries.iter().rposition(|it| is(&it.fact));
    let aborted = last(|it| matches!(it, Fact::Aborted { .. }));
    aborted > last(|it| matches!(it, Fact::Course(Course::Resumed(_))))
}

/// The run has said its last word.
pub fn ended(entries: &[Entry]) -> bool {
    entries.last().is_some_and(|it| matches!(it.fact, Fact::Ended { .. }))
}
