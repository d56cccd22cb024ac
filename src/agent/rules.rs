//! What counts for a scrape, and may change while the agent runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What may change while the agent runs.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Labels on every series.
    pub labels: Vec<(String, String)>,
    /// Collectors that are switched off.
    pub off: BTreeSet<String>,
    /// So many series of one collector; more are left out.
    pub series_max: usize,
    /// What counts for single collectors.
    pub limits: BTreeMap<String, Limits>,
    /// Whether the agent tells of its own process.
    pub own: bool,
    /// Whether the file of settings could be used when it was last read, if there is one.
    pub reloaded: Option<bool>,
}

/// A machine with a thousand disks, and some.
const SERIES_MAX: usize = 100_000;

impl Default for Rules {
    fn default() -> Self {
        let (labels, off) = (Vec::new(), BTreeSet::new());
        let limits = BTreeMap::new();
        Self { labels, off, series_max: SERIES_MAX, limits, own: true, reloaded: None }
    }
}

/// What counts for one collector; nothing: what counts for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// So many series; more are left out.
    pub series_max: Option<usize>,
    /// So long a scrape waits for it.
    pub deadline: Option<Duration>,
}

impl Rules {
    /// So many series may a collector have.
    pub fn series_max(&self, name: &str) -> usize {
        self.limits.get(name).and_then(|it| it.series_max).unwrap_or(self.series_max)
    }

    /// So long a scrape waits for a collector, if that was said.
    pub fn deadline(&self, name: &str) -> Option<Duration> {
        self.limits.get(name).and_then(|it| it.deadline)
    }
}
