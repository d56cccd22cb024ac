//! `--config.file`: what the agent may be told without a new command line, and again while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::settings_file::{self, Refused};
use crate::manifest::{diagnostic::Diagnostic, unread::Placed};

/// What the file says.
#[derive(Debug, Clone, Default)]
pub struct AgentFile {
    /// Labels on every series.
    pub labels: Vec<(String, String)>,
    /// Collectors that are switched off.
    pub off: BTreeSet<String>,
    /// Where others leave their metrics.
    pub textfiles: Option<PathBuf>,
    /// So many series of one collector; more are left out.
    pub series_max: Option<usize>,
}

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    labels: BTreeMap<String, Placed<String>>,
    #[serde(default)]
    collectors: BTreeMap<String, Placed<Switch>>,
    #[serde(default)]
    textfile: Textfile,
    #[serde(default)]
    series_max: Option<Placed<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    On,
    Off,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Textfile {
    #[serde(default)]
    directory: Option<PathBuf>,
}

/// So many labels on every series are enough, and so many bytes in each.
const LABELS_MAX: usize = 16;
const LABEL_BYTES_MAX: usize = 256;

/// Reads the file; `known` are the collectors that there are.
pub fn load(path: &Path, known: &[&str]) -> Result<AgentFile, Refused> {
    settings_file::load(path, |written: Written, out| {
        let mut file = AgentFile { textfiles: written.textfile.directory, ..AgentFile::default() };
        for (at, (name, said)) in written.labels.into_iter().enumerate() {
            if let Some(what) = wrong_label(&name, &said.value) {
                let help = "write letters, digits and `_` before the colon, and a short text after";
                out.push(Diagnostic::new(what, said.place, help));
            }
            if at == LABELS_MAX {
                let help = "let Prometheus add the others: `external_labels`, or `labels` of a job";
                out.push(Diagnostic::new("too many labels", said.place, help));
            }
            file.labels.push((name, said.value));
        }
        for (name, switch) in written.collectors {
            if !known.contains(&name.as_str()) {
                out.push(Diagnostic::unknown_name("collector", &name, switch.place, known));
            }
            if switch.value == Switch::Off {
                file.off.insert(name);
            }
        }
        if let Some(most) = written.series_max {
            if most.value == 0 {
                let help = "switch collectors off with `collectors: {name: off}`";
                out.push(Diagnostic::new("no series at all would be left", most.place, help));
            }
            file.series_max = Some(most.value);
        }
        Some(file)
    })
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
