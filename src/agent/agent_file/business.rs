//! `business:`: the metrics that events may feed.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Switch, wrong_label};
use crate::{
    manifest::{diagnostic::Diagnostic, unread::Placed},
    source::{Declaration, Grows, Label, SERIES_MAX, Values},
    sources,
    units::Span,
};

/// The section.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Whether the metrics that are there without a file stay.
    #[serde(default)]
    standard: Switch,
    #[serde(default)]
    metrics: Vec<Metric>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric {
    name: Placed<String>,
    #[serde(rename = "type")]
    kind: Kind,
    help: Placed<String>,
    #[serde(default)]
    unit: Option<Placed<String>>,
    #[serde(default)]
    labels: BTreeMap<String, Placed<WrittenValues>>,
    #[serde(default)]
    zeros: Option<Switch>,
    #[serde(default)]
    series_max: Option<Placed<usize>>,
    #[serde(default)]
    ttl: Option<Span>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Counter,
    Gauge,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenValues {
    #[serde(default)]
    values: Option<Placed<Vec<String>>>,
    #[serde(default)]
    values_max: Option<Placed<usize>>,
}

/// So many metrics may be declared, with so many labels each.
const METRICS_MAX: usize = 200;
const LABELS_MAX: usize = 8;
/// No metric may have more series than this.
const SERIES_LIMIT: usize = 100_000;
/// Names that are the agent's own, or that the machine's metrics have.
const TAKEN: [&str; 3] = ["node_", "process_", "holdfast_"];
/// The names below `holdfast_` that events may feed.
const OURS: &str = "holdfast_payment_";

/// The metrics that count from now on.
pub(super) fn declarations(written: Written, out: &mut Vec<Diagnostic>) -> Vec<Declaration> {
    let mut all = match written.standard {
        Switch::On => sources::standard(),
        Switch::Off => Vec::new(),
    };
    let mut first: BTreeMap<String, crate::manifest::place::Place> = BTreeMap::new();
    for (at, metric) in written.metrics.into_iter().enumerate() {
        let place = metric.name.place;
        if at == METRICS_MAX {
            let what = format!("more than {METRICS_MAX} metrics");
            out.push(Diagnostic::new(what, place, "let labels tell alike things apart"));
        }
        let made = declaration(metric, out);
        if let Some(earlier) = first.insert(made.name.clone(), place) {
            let what = format!("`{}` is declared twice", made.name);
            out.push(Diagnostic::new(what, place, "keep one").and(earlier, "first here"));
        }
        // One of the standard's names is given another shape.
        all.retain(|it| it.name != made.name);
        all.push(made);
    }
    all
}

fn declaration(metric: Metric, out: &mut Vec<Diagnostic>) -> Declaration {
    check_name(&metric, out);
    if metric.help.value.trim().is_empty() {
        let help = "say in a sentence what it counts";
        out.push(Diagnostic::new("an empty help helps nobody", metric.help.place, help));
    }
    let series_max = metric.series_max.as_ref().map_or(SERIES_MAX, |it| it.value);
    if let Some(it) = metric.series_max.as_ref().filter(|it| it.value == 0) {
        out.push(Diagnostic::new("it could have no series", it.place, "write at least 1"));
    }
    if let Some(it) = metric.series_max.as_ref().filter(|it| it.value > SERIES_LIMIT) {
        let what = format!("more than {SERIES_LIMIT} series");
        out.push(Diagnostic::new(what, it.place, "Prometheus would suffer: write less"));
    }
    let place = metric.name.place;
    let labels = labels(metric.labels, place, out);
    let kind = match metric.kind {
        Kind::Counter => Grows::Counter,
        Kind::Gauge => Grows::Gauge,
    };
    // Nobody said that a gauge is zero.
    let zeros = metric.zeros.map_or(kind == Grows::Counter, |it| it == Switch::On);
    let made = Declaration {
        name: metric.name.value,
        help: metric.help.value,
        kind,
        labels,
        zeros,
        series_max,
        ttl: metric.ttl.map(Span::duration),
    };
    if let Some(all) = made.closed_series().filter(|all| *all > series_max) {
        let what = format!("its labels allow {all} series, and it may have {series_max}");
        let help = "take values away, or raise `series_max`";
        out.push(Diagnostic::new(what, place, help));
    }
    made
}

fn check_name(metric: &Metric, out: &mut Vec<Diagnostic>) {
    let (name, place) = (metric.name.value.as_str(), metric.name.place);
    let mut wrong = |what: String, help: &str| out.push(Diagnostic::new(what, place, help));
    let first = |it: char| it.is_ascii_alphabetic() || it == '_';
    if !name.starts_with(first) || !name.chars().all(|it| first(it) || it.is_ascii_digit()) {
        let help = "write letters, digits and `_`, as in `orders_accepted_total`";
        wrong("this is no name of a metric".to_owned(), help);
    } else if TAKEN.iter().any(|it| name.starts_with(it)) && !name.starts_with(OURS) {
        let help = "begin with a word of your business, as in `orders_accepted_total`";
        wrong("names that begin so are the agent's own".to_owned(), help);
    }
    let bare = match (metric.kind, name.strip_suffix("_total")) {
        (Kind::Counter, None) => {
            wrong("a counter's name ends in `_total`".to_owned(), "add it");
            name
        }
        (Kind::Gauge, Some(bare)) => {
            let what = "a gauge's name does not end in `_total`".to_owned();
            wrong(what, "take it away, or write `type: counter`");
            bare
        }
        (_, bare) => bare.unwrap_or(name),
    };
    if let Some(unit) = &metric.unit
        && !bare.ends_with(&format!("_{}", unit.value))
    {
        let what = format!("the name does not say the unit `{}`", unit.value);
        let help = "let the name end in it, before `_total` if it is a counter";
        out.push(Diagnostic::new(what, unit.place, help));
    }
}

fn labels(
    written: BTreeMap<String, Placed<WrittenValues>>,
    of: crate::manifest::place::Place,
    out: &mut Vec<Diagnostic>,
) -> Vec<Label> {
    if written.len() > LABELS_MAX {
        let what = format!("more than {LABELS_MAX} labels");
        out.push(Diagnostic::new(what, of, "every label multiplies the series: keep few"));
    }
    let mut labels = Vec::new();
    for (name, said) in written {
        if let Some(what) = wrong_label(&name, "x").or((name == "le").then_some("`le` is taken")) {
            let help = "write letters, digits and `_`";
            out.push(Diagnostic::new(what, said.place, help));
        }
        let values = match (said.value.values, said.value.values_max) {
            (Some(all), None) => {
                if all.value.is_empty() || all.value.iter().any(|it| wrong_label("x", it).is_some())
                {
                    let help = "name all values that it may have, each a short text";
                    out.push(Diagnostic::new("this leaves nothing to say", all.place, help));
                }
                let mut words = all.value;
                words.sort();
                words.dedup();
                Values::OneOf(words)
            }
            (None, Some(most)) => {
                if most.value == 0 || most.value > SERIES_LIMIT {
                    let what = format!("write a number from 1 to {SERIES_LIMIT}");
                    out.push(Diagnostic::new(what, most.place, "the rest goes by `other`"));
                }
                Values::AtMost(most.value)
            }
            (Some(_), Some(_)) | (None, None) => {
                let help = "write `values: [a, b]`, or `values_max: 20` if nobody knows them";
                out.push(Diagnostic::new("a label wants one of the two", said.place, help));
                Values::AtMost(1)
            }
        };
        labels.push(Label { name, values });
    }
    labels
}
