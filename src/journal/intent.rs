//! What is about to be done, and how to go back: on disk before it is done.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::journal::census::Watched;

/// What is about to be done, and how to go back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The act's number in this run, from 1.
    pub act: u32,
    /// The action's kind.
    pub kind: String,
    /// Fault or step.
    pub family: Family,
    /// The act's name in the file, or its kind.
    pub name: String,
    /// What will be done.
    pub will: String,
    /// How to go back, for the program.
    pub undo: Value,
    /// How to go back, for a person with a shell.
    pub by_hand: Vec<String>,
    /// Who goes back if we vanish.
    pub class: UndoClass,
    /// What is to become of it if we vanish.
    pub on_vanish: OnVanish,
    /// The instant for which it is planned; none if it is done as soon as this is on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_us: Option<u64>,
    /// What it may leave behind, and how that was before; none if only its undo could say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<Vec<Watched>>,
}

/// The two families of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// It does harm.
    Fault,
    /// It is what a drill does on purpose.
    Step,
}

/// Who goes back if the runner vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoClass {
    /// The kernel: it dies with our process.
    Kernel,
    /// The watching process.
    Guardian,
    /// Nobody: it cannot be undone, and recovery is the target's business.
    OneShot,
}

/// What is to become of an act when the runner vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnVanish {
    /// It is undone.
    #[serde(alias = "undo")]
    Heal,
    /// It stands: it was done on purpose.
    Keep,
}
