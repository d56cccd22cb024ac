//! `--config.file`: what the agent may be told without a new command line, and again while it runs.

mod business;
mod watching;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;

pub use self::watching::{Idle, Season, Watched};
use super::{
    rules::Limits,
    settings_file::{self, Refused},
};
use crate::{
    manifest::{diagnostic::Diagnostic, unread::Placed},
    source::Declaration,
    sources,
    units::Span,
};

/// What the file says.
#[derive(Debug, Clone)]
pub struct AgentFile {
    /// Labels on every series.
    pub labels: Vec<(String, String)>,
    /// Collectors that are switched off.
    pub off: BTreeSet<String>,
    /// What counts for single collectors.
    pub limits: BTreeMap<String, Limits>,
    /// Where others leave their metrics.
    pub textfiles: Option<PathBuf>,
    /// So many series of one collector; more are left out.
    pub series_max: Option<usize>,
    /// What events may feed.
    pub business: Vec<Declaration>,
    /// The business metric that is R in SCI: grams for each of these.
    pub sci_per: String,
    /// Whether sums of energy and emissions survive a restart.
    pub keep_energy: bool,
    /// When a machine or a unit is idle.
    pub idle: Idle,
    /// Series that are held against their own past.
    pub foresight: Vec<Watched>,
}

impl Default for AgentFile {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            off: BTreeSet::new(),
            limits: BTreeMap::new(),
            textfiles: None,
            series_max: None,
            business: sources::standard(),
            sci_per: SCI_PER.to_owned(),
            keep_energy: false,
            idle: Idle::default(),
            foresight: Vec::new(),
        }
    }
}

/// R, unless the file says otherwise.
const SCI_PER: &str = "holdfast_payment_attempts_total";

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    labels: BTreeMap<String, Placed<String>>,
    #[serde(default)]
    collectors: BTreeMap<String, Placed<Switch>>,
    #[serde(default)]
    limits: BTreeMap<String, Placed<WrittenLimits>>,
    #[serde(default)]
    textfile: Textfile,
    #[serde(default)]
    series_max: Option<Placed<usize>>,
    #[serde(default)]
    business: business::Written,
    #[serde(default)]
    sci: Sci,
    #[serde(default)]
    energy: Energy,
    #[serde(default)]
    idle: Option<watching::WrittenIdle>,
    #[serde(default)]
    foresight: Vec<watching::WrittenWatched>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    #[default]
    On,
    Off,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimits {
    #[serde(default)]
    series_max: Option<Placed<usize>>,
    #[serde(default)]
    deadline: Option<Placed<Span>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Textfile {
    #[serde(default)]
    directory: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sci {
    #[serde(default)]
    per: Option<Placed<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Energy {
    #[serde(default)]
    keep: bool,
}

/// So many labels on every series are enough, and so many bytes in each.
const LABELS_MAX: usize = 16;
const LABEL_BYTES_MAX: usize = 256;
/// No scrape waits longer for anything: Prometheus's own limit is ten seconds, as a rule.
const DEADLINE_MAX: Span = Span::millis(30_000);

/// Reads the file; `known` are the collectors that there are.
pub fn load(path: &Path, known: &[&str]) -> Result<AgentFile, Refused> {
    settings_file::load(path, |written: Written, out| {
        let mut file = AgentFile {
            textfiles: written.textfile.directory,
            keep_energy: written.energy.keep,
            labels: labels(written.labels, out),
            ..AgentFile::default()
        };
        for (name, switch) in written.collectors {
            check_name(&name, &switch, known, out);
            if switch.value == Switch::Off {
                file.off.insert(name);
            }
        }
        for (name, limits) in written.limits {
            check_name(&name, &limits, known, out);
            file.limits.insert(name, limits_of(&limits.value, out));
        }
        file.series_max = written.series_max.map(|it| some_series(it, out));
        file.business = business::declarations(written.business, out);
        if let Some(per) = written.sci.per {
            check_counter(&per, &file.business, out);
            file.sci_per = per.value;
        }
        file.idle = written.idle.map_or_else(Idle::default, |it| it.check(out));
        file.foresight = watching::check(written.foresight, out);
        Some(file)
    })
}

fn check_name<T>(name: &str, at: &Placed<T>, known: &[&str], out: &mut Vec<Diagnostic>) {
    if !known.contains(&name) {
        out.push(Diagnostic::unknown_name("collector", name, at.place, known));
    }
}

fn some_series(most: Placed<usize>, out: &mut Vec<Diagnostic>) -> usize {
    if most.value == 0 {
        let help = "switch collectors off with `collectors: {name: off}`";
        out.push(Diagnostic::new("no series at all would be left", most.place, help));
    }
    most.value
}

fn limits_of(written: &WrittenLimits, out: &mut Vec<Diagnostic>) -> Limits {
    if let Some(it) = written.deadline.filter(|it| it.value > DEADLINE_MAX) {
        let what = format!("no scrape waits longer than {DEADLINE_MAX}");
        out.push(Diagnostic::new(what, it.place, "write less: Prometheus itself gives up sooner"));
    }
    Limits {
        series_max: written.series_max.map(|it| some_series(it, out)),
        deadline: written.deadline.map(|it| it.value.duration()),
    }
}

fn check_counter(per: &Placed<String>, business: &[Declaration], out: &mut Vec<Diagnostic>) {
    let is_counter = |it: &&Declaration| it.kind == crate::source::Grows::Counter;
    let known: Vec<&str> = business.iter().filter(is_counter).map(|it| it.name.as_str()).collect();
    if !known.contains(&per.value.as_str()) {
        out.push(Diagnostic::unknown_name("declared counter", &per.value, per.place, &known));
    }
}

fn labels(
    written: BTreeMap<String, Placed<String>>,
    out: &mut Vec<Diagnostic>,
) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for (at, (name, said)) in written.into_iter().enumerate() {
        if let Some(what) = wrong_label(&name, &said.value) {
            let help = "write letters, digits and `_` before the colon, and a short text after";
            out.push(Diagnostic::new(what, said.place, help));
        }
        if at == LABELS_MAX {
            let help = "let Prometheus add the others: `external_labels`, or `labels` of a job";
            out.push(Diagnostic::new("too many labels", said.place, help));
        }
        labels.push((name, said.value));
    }
    labels
}

fn wrong_label(name: &str, said: &str) -> Option<&'static str> {
    let first = |it: char| it.is_ascii_alphabetic() || it == '_';
    let is_name =
        name.starts_with(first) && name.chars().all(|it| first(it) || it.is_ascii_digit());
    match (is_name && !name.starts_with("__"), said.len()) {
        (false, _) => Some("this is no name of a label"),
        (true, 0) => Some("an empty label is none"),
        (true, LABEL_BYTES_MAX..) => Some("the label is too long"),
        (true, _) => None,
    }
}
