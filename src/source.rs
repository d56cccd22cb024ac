//! The contract of those who bring business events in, and the metrics that take them up.
//!
//! Metrics are declared before they count: names, labels and the values that labels may have.
//! What is not declared is refused, so that no stranger can fill the monitoring with series.

pub mod counters;

use std::{collections::BTreeMap, time::Duration};

use crate::about::About;

/// An entry in the family's list.
#[derive(Debug)]
pub struct SourceKind {
    /// Its visiting card.
    pub about: &'static About,
    /// Reads a message: what it counts, one event at a time. An error is the whole message's.
    pub read: fn(&[u8]) -> Result<Events, Unreadable>,
}

/// What a message holds; an event that makes no sense leaves the others be.
pub type Events = Vec<Result<Event, Rejection>>;

/// A message that cannot be taken apart; completes "could not …".
#[derive(Debug, thiserror::Error)]
#[error("read the events: {0}")]
pub struct Unreadable(pub String);

/// Something that happened, so many times.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The counter's name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// By how much it grows.
    pub value: f64,
}

/// A metric that events may feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Its name; a counter's ends in `_total`.
    pub name: String,
    /// What it tells.
    pub help: String,
    /// What events do to it.
    pub kind: Grows,
    /// Its labels, all of which an event must have.
    pub labels: Vec<Label>,
    /// Series whose labels are all of [`Values::OneOf`] are there from the start, with zeros.
    pub zeros: bool,
    /// So many series at most, but for those of `other`.
    pub series_max: usize,
    /// A series that no event fed for so long is forgotten.
    pub ttl: Option<Duration>,
}

/// What an event does to a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grows {
    /// It adds its value.
    Counter,
    /// It sets its value.
    Gauge,
}

/// A label of a declared metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// What it may say.
    pub values: Values,
}

/// What a label may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// One of these.
    OneOf(Vec<String>),
    /// Anything, up to so many different values; later ones go by the name of `other`.
    AtMost(usize),
}

impl Declaration {
    /// A counter that shows zeros from the start, and whose labels say one of these words each.
    pub fn counter(name: &str, help: &str, labels: &[(&str, &[&str])]) -> Self {
        let label = |(name, values): &(&str, &[&str])| Label {
            name: (*name).to_owned(),
            values: Values::OneOf(values.iter().map(|it| (*it).to_owned()).collect()),
        };
        let labels = labels.iter().map(label).collect();
        let (name, help) = (name.to_owned(), help.to_owned());
        let (kind, series_max) = (Grows::Counter, SERIES_MAX);
        Self { name, help, kind, labels, zeros: true, series_max, ttl: None }
    }

    /// All series that its labels allow, if they can be named; at most one more than may be.
    pub fn closed_series(&self) -> Option<usize> {
        self.labels.iter().try_fold(1_usize, |all, label| match &label.values {
            Values::OneOf(values) => Some(all.saturating_mul(values.len())),
            Values::AtMost(_) => None,
        })
    }
}

/// So many series of one metric, unless somebody says otherwise.
pub const SERIES_MAX: usize = 1_000;
/// Where the values go that came too late.
pub const OTHER: &str = "other";
/// A label's value has so many bytes at most.
const VALUE_MAX: usize = 128;

/// Why an event was not counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is not an event at all.
    #[error("it is not an event: {0}")]
    Malformed(String),
    /// Nobody declared such a counter.
    #[error("no metric `{0}` is declared")]
    UnknownName(String),
    /// A label is missing, or one too many.
    #[error("{0}")]
    WrongLabels(String),
    /// A label says what it may not.
    #[error("label `{label}` may not be `{value}`")]
    WrongLabelValue {
        /// Which label.
        label: String,
        /// What it says.
        value: String,
    },
    /// A counter grows by a finite number, never by less than zero; a gauge is a finite number.
    #[error("value {0} is not a finite number, or for a counter less than zero")]
    WrongValue(String),
    /// A gauge has as many series as it may have, and none can stand for the others.
    #[error("`{0}` has as many series as it may have")]
    NoRoom(String),
}

impl Rejection {
    /// The words in the label `reason`, all of them.
    pub const REASONS: [&str; 6] =
        ["label_value", "labels", "malformed", "series", "unknown_name", "value"];

    /// The word in the label `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownName(_) => "unknown_name",
            Self::WrongLabels(_) => "labels",
            Self::WrongLabelValue { .. } => "label_value",
            Self::WrongValue(_) => "value",
            Self::NoRoom(_) => "series",
        }
    }
}

impl Values {
    pub(crate) fn allow(&self, said: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|it| it == said),
            Self::AtMost(_) => !said.is_empty() && said.len() <= VALUE_MAX,
        }
    }

    /// The value, or `other` when there are too many already.
    pub(crate) fn keep<'a>(&self, said: &'a str, seen: &[String]) -> &'a str {
        match self {
            Self::OneOf(_) => said,
            Self::AtMost(most) if seen.len() < *most || seen.iter().any(|it| it == said) => said,
            Self::AtMost(_) => OTHER,
        }
    }
}

/// Enough of a stranger's text to recognise it.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}
