//! How busy the machine was, and what it used.

use serde::{Deserialize, Serialize};

use crate::journal::index::EnergyFigures;

/// How busy the machine was since the sample before, and what it has used since the run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was taken.
    pub at_us: u64,
    /// Busy share of all CPUs since the sample before, 0 to 1.
    pub cpu_ratio: f64,
    /// Memory in use, in bytes (total less available).
    pub memory_used_bytes: u64,
    /// The processes that the run names.
    #[serde(default)]
    pub processes: Vec<ProcessUse>,
    /// Energy of the host since the run began; none when it could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<EnergyFigures>,
    /// Why there is no energy figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_blind: Option<String>,
}

/// What one process used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessUse {
    /// Its name in the run.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// Busy CPUs since the sample before (1 is one whole CPU).
    pub cpus: f64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}
