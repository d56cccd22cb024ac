//! The small, bounded summary beside the journals (`index.json` in the state folder).
//!
//! It is what the agent's `runs` collector reads: the agent need not be allowed to read the
//! journals, and never reads all of history. Whoever holds the state lock rewrites it whole, by
//! rename, after each fact that changes it. Times are seconds since the Unix epoch, lengths are
//! seconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

/// The file's name in the state folder.
pub const FILE: &str = "index.json";
/// How many ended runs are told one by one; older ones live on in the totals.
pub const LAST_MAX: usize = 20;
/// The version that this program writes.
pub const VERSION: u32 = 1;

/// What the state folder tells about its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// [`VERSION`].
    pub version: u32,
    /// Runs that have begun and not ended, oldest first.
    #[serde(default)]
    pub active: Vec<Active>,
    /// The newest ended runs, oldest first, at most [`LAST_MAX`].
    #[serde(default)]
    pub last: Vec<Last>,
    /// How many runs ended, by kind and then verdict.
    #[serde(default)]
    pub ended: BTreeMap<RunKind, BTreeMap<String, u64>>,
    /// How many faults were applied, by fault kind.
    #[serde(default)]
    pub faults_applied: BTreeMap<String, u64>,
    /// How many undos failed for good, by fault kind.
    #[serde(default)]
    pub faults_stuck: BTreeMap<String, u64>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            version: VERSION,
            active: Vec::new(),
            last: Vec::new(),
            ended: BTreeMap::new(),
            faults_applied: BTreeMap::new(),
            faults_stuck: BTreeMap::new(),
        }
    }
}

/// The two kinds of script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A chaos scenario.
    Scenario,
    /// A disaster-recovery drill.
    Drill,
}

impl RunKind {
    /// The word in journals and metric labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Drill => "drill",
        }
    }
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// Its id.
    pub run: String,
    /// What is played.
    pub kind: RunKind,
    /// The script's title.
    pub title: String,
    /// When it began.
    pub began: f64,
    /// The phase it is in.
    pub phase: String,
    /// Faults that stand now: kind, and when it was applied.
    pub faults: Vec<Standing>,
    /// So many entries of its journal are folded in.
    #[serde(default)]
    pub upto: u64,
}

/// A fault that stands in the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The act's number in its run.
    #[serde(default)]
    pub act: u32,
    /// The fault's kind.
    pub kind: String,
    /// Since when.
    pub since: f64,
    /// Its undo failed: a person must go back by hand.
    pub stuck: bool,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Last {
    /// Its id.
    pub run: String,
    /// What was played.
    pub kind: RunKind,
    /// The script's title.
    pub title: String,
    /// How it ended.
    pub verdict: Verdict,
    /// When it began.
    pub began: f64,
    /// When it ended.
    pub ended: f64,
    /// What a drill measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillFigures>,
}

/// A drill's figures, for the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillFigures {
    /// Lower and upper bound of the recovery time, if the service came back.
    pub rto_seconds: Option<(f64, f64)>,
    /// The objective.
    pub rto_objective_seconds: Option<f64>,
    /// Acknowledged writes that were gone afterwards, if they were counted.
    pub lost_writes: Option<u64>,
    /// Acknowledged writes in all.
    pub acknowledged_writes: Option<u64>,
    /// Energy of the drill, with bounds and method.
    pub energy_joules: Option<EnergyFigures>,
}

/// An amount of energy and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnergyFigures {
    /// The best estimate.
    pub joules: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// `rapl` or `model`.
    pub method: String,
}
