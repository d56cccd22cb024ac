//! `idle:` and `foresight:`: what is watched over time.

use serde::Deserialize;

use crate::{
    export,
    manifest::{diagnostic::Diagnostic, unread::Placed},
};

/// When a machine or a unit is idle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Idle {
    /// After so many days without work.
    pub days: f64,
    /// Work is more than this share of one processor, over five minutes; of all, for the machine.
    pub cpu_share: f64,
}

impl Default for Idle {
    fn default() -> Self {
        Self { days: 14.0, cpu_share: 0.01 }
    }
}

/// The section `idle:`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenIdle {
    #[serde(default)]
    days: Option<Placed<f64>>,
    #[serde(default)]
    cpu_percent: Option<Placed<f64>>,
}

impl WrittenIdle {
    pub(super) fn check(self, out: &mut Vec<Diagnostic>) -> Idle {
        let mut idle = Idle::default();
        if let Some(days) = self.days {
            if !(days.value > 0.0 && days.value <= 366.0) {
                let help = "write a number above 0, at most 366";
                out.push(Diagnostic::new("so many days cannot be watched", days.place, help));
            }
            idle.days = days.value;
        }
        if let Some(percent) = self.cpu_percent {
            if !(0.0..=100.0).contains(&percent.value) {
                let help = "write a number from 0 to 100, as in `1`";
                out.push(Diagnostic::new("this is no share", percent.place, help));
            }
            idle.cpu_share = percent.value / 100.0;
        }
        idle
    }
}

/// A series that is held against its own past.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The name of its family.
    pub name: String,
    /// Labels that it must have, among others. All series that have them are added up.
    pub labels: Vec<(String, String)>,
    /// How its day or week goes.
    pub season: Season,
}

/// After what time things repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Season {
    /// Every day is like the one before.
    Day,
    /// Every week is: Sundays are not like Mondays.
    #[default]
    Week,
}

/// An item of `foresight:`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenWatched {
    series: Placed<String>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    season: Season,
}

/// So many series may be watched: each costs some tens of kilobytes.
const WATCHED_MAX: usize = 50;

pub(super) fn check(written: Vec<WrittenWatched>, out: &mut Vec<Diagnostic>) -> Vec<Watched> {
    let mut all: Vec<Watched> = Vec::new();
    for (at, it) in written.into_iter().enumerate() {
        let place = it.series.place;
        if at == WATCHED_MAX {
            let what = format!("more than {WATCHED_MAX} series");
            out.push(Diagnostic::new(what, place, "choose those that tell of trouble"));
        }
        if it.series.value.contains(['{', '"'])
            || export::fits("holdfast_anomaly_*", &it.series.value)
        {
            let help = "write the name alone; labels go under `labels:`";
            out.push(Diagnostic::new("this is no name of a series to watch", place, help));
        }
        let watched = Watched {
            name: it.series.value,
            labels: it.labels.into_iter().collect(),
            season: it.season,
        };
        if all.contains(&watched) {
            out.push(Diagnostic::new("this series is watched already", place, "keep one"));
        }
        all.push(watched);
    }
    all
}
