//! What sites used: places where a service runs, or could, as they were read during a run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::journal::index::EnergyFigures;

/// What a site is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The service runs here before the disaster.
    Primary,
    /// It is to run here afterwards, and idles until then.
    Standby,
    /// Neither.
    Other,
}

impl Role {
    /// The word in English reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::Other => "other",
        }
    }

    /// The word in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Primary => "主站点",
            Self::Standby => "备站点",
            Self::Other => "其他",
        }
    }
}

/// A site as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedSite {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where its readings come from, in words.
    pub read: String,
    /// It is, or runs on, the machine that plays the run.
    pub local: bool,
    /// The whole host is read.
    pub host: bool,
    /// Its processes, by the names that reports give them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// What its grid emits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// What its building adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue: Option<Overhead>,
}

/// What a grid emits for a kilowatt-hour, in grams of `CO2e`, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// The best estimate.
    pub grams_per_kwh: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// Where the figure is from.
    pub source: String,
}

/// Power usage effectiveness: what the building draws for each watt of the machines', and who says
/// so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// The factor, at least 1.
    pub factor: f64,
    /// Where it is from.
    pub source: String,
}

/// What is read of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Processor time.
    Cpu,
    /// Memory in use.
    Memory,
    /// What was read from disks, and written to them.
    Disk,
    /// What came over the network, and went.
    Network,
    /// Energy.
    Energy,
}

/// Readings of a site since the last such line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteRows {
    /// The site.
    pub site: String,
    /// The process of it that is meant; empty for the whole host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
    /// Readings, in order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<SiteRow>,
    /// What could not be read, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<Resource, String>,
    /// Nothing could be read at all, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<String>,
    /// By how much the instants can be wrong, where another machine's clock told them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error_us: Option<u64>,
}

/// One reading. Counters count from an arbitrary beginning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteRow {
    /// When.
    pub at_us: u64,
    /// Counter: processor time, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Processors that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Memory in use, in bytes; of processes, what is resident: shared pages count for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<f64>,
    /// So much it is at least, where pages are shared: the largest process's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_low_bytes: Option<f64>,
    /// Memory that there is, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<f64>,
    /// Counter: bytes read from disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_read_bytes: Option<f64>,
    /// Counter: bytes written to disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_written_bytes: Option<f64>,
    /// Counter: bytes that came over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_received_bytes: Option<f64>,
    /// Counter: bytes that went over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_sent_bytes: Option<f64>,
    /// Counter: energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<EnergyFigures>,
    /// So many processes fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Of so many it is not known what they used since the reading before: they ended, and nobody
    /// of the same name waited for them, or they were there before and were not found.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsure: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
