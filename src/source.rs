//! The contract of those who bring business events in, and the counters that take them up.
//!
//! Counters are declared before they count: names, labels and the values that labels may have.
//! What is not declared is refused, so that no stranger can fill the monitoring with series.

use std::collections::BTreeMap;

use crate::{about::About, collector::Samples};

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

/// A counter that events may feed.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// Its name; it ends in `_total`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Its labels, all of which an event must have.
    pub labels: &'static [Label],
}

/// A label of a declared counter.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: Values,
}

/// What a label may say.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// One of these. Counters whose labels are all of this kind show zeros from the start.
    OneOf(&'static [&'static str]),
    /// Anything, up to so many different values; later ones are counted under `other`.
    AtMost(usize),
}

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
    #[error("no counter `{0}` is declared")]
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
    /// A counter grows by a finite number, never by less than zero.
    #[error("value {0} is not a finite number of at least zero")]
    WrongValue(String),
}

impl Rejection {
    /// The words in the label `reason`, all of them.
    pub const REASONS: [&str; 5] = ["label_value", "labels", "malformed", "unknown_name", "value"];

    /// The word in the label `reason`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::UnknownName(_) => "unknown_name",
            Self::WrongLabels(_) => "labels",
            Self::WrongLabelValue { .. } => "label_value",
            Self::WrongValue(_) => "value",
        }
    }
}

/// The declared counters and what they have counted.
#[derive(Debug)]
pub struct Counters {
    all: Vec<Counter>,
    accepted: f64,
    overflowed: f64,
    rejected: BTreeMap<&'static str, f64>,
}

#[derive(Debug)]
struct Counter {
    declaration: Declaration,
    counts: BTreeMap<Vec<String>, f64>,
    /// The different values of each label so far.
    seen: Vec<Vec<String>>,
}

impl Counters {
    /// Counters at zero.
    pub fn new(declarations: &[Declaration]) -> Self {
        Self {
            all: declarations.iter().copied().map(Counter::new).collect(),
            accepted: 0.0,
            overflowed: 0.0,
            rejected: Rejection::REASONS.into_iter().map(|reason| (reason, 0.0)).collect(),
        }
    }

    /// Counts an event, or says why not.
    pub fn take(&mut self, event: Result<Event, Rejection>) -> Result<(), Rejection> {
        match event.and_then(|event| self.count(&event)) {
            Ok(overflowed) => {
                self.accepted += 1.0;
                self.overflowed += f64::from(u8::from(overflowed));
                Ok(())
            }
            Err(why) => {
                *self.rejected.entry(why.reason()).or_default() += 1.0;
                Err(why)
            }
        }
    }

    fn count(&mut self, event: &Event) -> Result<bool, Rejection> {
        let counter = self.all.iter_mut().find(|it| it.declaration.name == event.name);
        counter.ok_or_else(|| Rejection::UnknownName(shorten(&event.name)))?.count(event)
    }

    /// What a declared counter has counted, over all its labels.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let counter = self.all.iter().find(|it| it.declaration.name == name)?;
        Some(counter.counts.values().sum())
    }

    /// Shows the counters, and how many events were taken and refused.
    pub fn show(&self, samples: &mut Samples) {
        for counter in &self.all {
            counter.show(samples);
        }
        let help = "Business events that were counted.";
        samples.counter("holdfast_events_accepted_total", help).row(&[], self.accepted);
        let help = "Business events that were refused, by reason.";
        samples.counter("holdfast_events_rejected_total", help);
        for (reason, count) in &self.rejected {
            samples.row(&[("reason", reason)], *count);
        }
        let help = "Business events counted under `other`, since a label had too many values.";
        samples.counter("holdfast_events_overflowed_total", help).row(&[], self.overflowed);
    }
}

impl Counter {
    fn new(declaration: Declaration) -> Self {
        let mut keys = vec![Vec::new()];
        for label in declaration.labels {
            let values = match label.values {
                Values::OneOf(values) => values,
                Values::AtMost(_) => &[],
            };
            let longer = |key: &Vec<String>, value: &str| {
                let mut key = key.clone();
                key.push(value.to_owned());
                key
            };
            let all = keys.iter().flat_map(|key| values.iter().map(|value| longer(key, value)));
            keys = all.collect();
        }
        let counts = keys.into_iter().map(|key| (key, 0.0)).collect();
        Self { declaration, counts, seen: vec![Vec::new(); declaration.labels.len()] }
    }

    /// Counts an event; says whether a value went to `other`.
    fn count(&mut self, event: &Event) -> Result<bool, Rejection> {
        if !event.value.is_finite() || event.value.is_sign_negative() && event.value != 0.0 {
            return Err(Rejection::WrongValue(event.value.to_string()));
        }
        let known = |name: &String| self.declaration.labels.iter().any(|it| it.name == name);
        if let Some(name) = event.labels.keys().find(|name| !known(name)) {
            let why = format!("label `{}` is not declared", shorten(name));
            return Err(Rejection::WrongLabels(why));
        }
        for label in self.declaration.labels {
            let said = event.labels.get(label.name).ok_or_else(|| {
                Rejection::WrongLabels(format!("label `{}` is missing", label.name))
            })?;
            if !label.values.allow(said) {
                let (label, value) = (label.name.to_owned(), shorten(said));
                return Err(Rejection::WrongLabelValue { label, value });
            }
        }
        // From here on nothing is refused, so that a refused event leaves no trace in `seen`.
        let mut overflowed = false;
        let mut key = Vec::with_capacity(self.seen.len());
        for (label, seen) in self.declaration.labels.iter().zip(&mut self.seen) {
            let said = event.labels.get(label.name).map(String::as_str).unwrap_or_default();
            let kept = label.values.keep(said, seen);
            overflowed |= kept != said;
            key.push(kept.to_owned());
        }
        let count = self.counts.entry(key).or_default();
        // The sum stays finite, whatever comes: an infinite counter would never grow again.
        *count = (*count + event.value).min(f64::MAX);
        Ok(overflowed)
    }

    fn show(&self, samples: &mut Samples) {
        samples.counter(self.declaration.name, self.declaration.help);
        let names = self.declaration.labels.iter().map(|label| label.name);
        for (key, count) in &self.counts {
            let labels: Vec<(&str, &str)> =
                names.clone().zip(key.iter().map(String::as_str)).collect();
            samples.row(&labels, *count);
        }
    }
}

impl Values {
    fn allow(self, said: &str) -> bool {
        match self {
            Self::OneOf(values) => values.contains(&said),
            Self::AtMost(_) => !said.is_empty() && said.len() <= VALUE_MAX,
        }
    }

    /// The value, or `other` when there are too many already.
    fn keep<'a>(self, said: &'a str, seen: &mut Vec<String>) -> &'a str {
        match self {
            Self::OneOf(_) => said,
            Self::AtMost(_) if seen.iter().any(|it| it == said) => said,
            Self::AtMost(most) if seen.len() < most => {
                seen.push(said.to_owned());
                said
            }
            Self::AtMost(_) => OTHER,
        }
    }
}

/// Enough of a stranger's text to recognise it.
fn shorten(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_SHOP: Declaration = Declaration {
        name: "sales_total",
        help: "Sales.",
        labels: &[
            Label { name: "shop", values: Values::AtMost(2) },
            Label { name: "kind", values: Values::OneOf(&["a", "b"]) },
        ],
    };

    fn event(shop: &str, kind: &str, value: f64) -> Event {
        let labels = [("shop", shop), ("kind", kind)];
        let labels = labels.map(|(name, said)| (name.to_owned(), said.to_owned()));
        Event { name: "sales_total".to_owned(), labels: labels.into(), value }
    }

    #[test]
    fn labels_without_end_overflow_into_other() {
        let mut counters = Counters::new(&[BY_SHOP]);
        for shop in 0..100 {
            counters.take(Ok(event(&format!("shop {shop}"), "a", 1.0))).unwrap();
        }
        let mut samples = Samples::default();
        counters.show(&mut samples);
        let sales = samples.families().find(|it| it.name() == "sales_total").unwrap();
        let rows: Vec<f64> = sales.rows().map(|row| row.value()).collect();
        assert_eq!(format!("{rows:?}"), "[98.0, 1.0, 1.0]");
        assert!((counters.overflowed - 98.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_refused_leaves_no_trace() {
        let mut counters = Counters::new(&[BY_SHOP]);
        for bad in [f64::NAN, f64::INFINITY, -1.0, f64::NEG_INFINITY] {
            assert!(matches!(
                counters.take(Ok(event("x", "a", bad))),
                Err(Rejection::WrongValue(_))
            ));
        }
        assert!(matches!(
            counters.take(Ok(event("x", "c", 1.0))),
            Err(Rejection::WrongLabelValue { .. })
        ));
        assert!(counters.all[0].counts.is_empty() && counters.all[0].seen[0].is_empty());
    }

    #[test]
    fn the_sum_stays_finite() {
        let mut counters = Counters::new(&[BY_SHOP]);
        for _ in 0..3 {
            counters.take(Ok(event("x", "a", f64::MAX))).unwrap();
        }
        assert!(counters.all[0].counts.values().all(|it| it.is_finite()));
    }
}
