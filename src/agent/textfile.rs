//! Metrics that others leave in files: `*.prom` in a folder, in text 0.0.4.
//!
//! A file that cannot be read, is half-written or contradicts what came before it costs itself and
//! nothing else: `node_textfile_scrape_error` is 1, and the log says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::text_form::{Labels, Parsed, parse};
use crate::{
    about::About,
    collector::{Blank, Collector, Samples, Type},
    export::{Card, Export},
    world::roots::{self, Roots},
};

/// What it says of itself. Beyond these names it brings whatever the files hold.
pub(crate) const CARD: Card = Card {
    about: &About {
        name: "textfile",
        summary: "metrics that others leave in files",
        needs: &[],
        example: "",
    },
    exports: &[
        Export::of(&["node_textfile_scrape_error"], &[], "the agent itself"),
        Export::of(
            &["node_textfile_mtime_seconds"],
            &[],
            "a file that ends in `.prom` in the folder of `--collector.textfile.directory`",
        ),
    ],
};

/// So many files are read at most.
const FILES_MAX: usize = 1_000;
/// So many bytes of one file.
const BYTES_MAX: u64 = 4 << 20;

/// The folder, which a reload may change.
pub type Folder = Arc<Mutex<Option<PathBuf>>>;

/// The collector.
#[derive(Debug)]
pub struct Textfile {
    folder: Folder,
    /// What was logged about each file, so that it is not logged at every scrape.
    said: BTreeMap<String, String>,
}

impl Textfile {
    /// Reads what is in the folder, if there is one.
    pub fn new(folder: Folder) -> Self {
        Self { folder, said: BTreeMap::new() }
    }
}

/// All files together.
#[derive(Debug, Default)]
struct Whole {
    families: BTreeMap<String, (Type, String)>,
    rows: BTreeMap<String, Vec<(Labels, f64)>>,
    series: BTreeSet<(String, Labels)>,
}

impl Whole {
    /// Takes a file in whole, or not at all.
    fn take(&mut self, file: Parsed) -> Result<(), String> {
        for (name, family) in &file.families {
            let other = self.families.get(name).filter(|it| it.0 != family.0);
            // Who says nothing of the type contradicts nobody.
            if other.is_some_and(|it| it.0 != Type::Untyped && family.0 != Type::Untyped) {
                return Err(format!("another file says that `{name}` is of another type"));
            }
        }
        let mut keys = Vec::new();
        for row in &file.rows {
            let mut labels = row.labels.clone();
            labels.sort();
            let key = (row.name.clone(), labels);
            if self.series.contains(&key) {
                return Err(format!("another file has the same series of `{}`", row.name));
            }
            keys.push(key);
        }
        self.series.extend(keys);
        for (name, family) in file.families {
            // Help that differs is no contradiction: the first one stands.
            self.families.entry(name).or_insert(family);
        }
        for row in file.rows {
            self.rows.entry(row.name).or_default().push((row.labels, row.value));
        }
        Ok(())
    }

    fn show(&self, samples: &mut Samples) {
        for (name, rows) in &self.rows {
            let default = (Type::Untyped, String::new());
            let (kind, help) = self.families.get(name).unwrap_or(&default);
            let help = if help.is_empty() { "Metric read from a textfile." } else { help };
            samples.family(name, help, *kind);
            for (labels, value) in rows {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(name, said)| (name.as_str(), said.as_str())).collect();
                samples.row(&labels, *value);
            }
        }
    }
}

impl Collector for Textfile {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut whole, mut times, mut said) = (Whole::default(), Vec::new(), BTreeMap::new());
        if let Some(folder) = folder {
            match roots::list(&folder) {
                Ok(names) => {
                    let paths = names.iter().map(|it| folder.join(it));
                    let is_ours = |it: &PathBuf| it.extension().is_some_and(|it| it == "prom");
                    for path in paths.filter(is_ours).take(FILES_MAX) {
                        let shown = path.display().to_string();
                        match read(&path).and_then(|(file, time)| {
                            whole.take(file)?;
                            Ok(time)
                        }) {
                            Ok(time) => times.push((shown, time)),
                            Err(why) => drop(said.insert(shown, why)),
                        }
                    }
                }
                Err(why) => drop(said.insert(folder.display().to_string(), why.to_string())),
            }
        }
        for (file, why) in &said {
            if self.said.get(file) != Some(why) {
                tracing::warn!(file, "could not take over a textfile: {why}");
            }
        }
        whole.show(samples);
        if !times.is_empty() {
            let help = "Unixtime mtime of textfiles successfully read.";
            samples.gauge("node_textfile_mtime_seconds", help);
            for (file, time) in &times {
                samples.row(&[("file", file)], *time);
            }
        }
        let help = "1 if there was an error opening or reading a file, 0 otherwise";
        let failed = f64::from(u8::from(!said.is_empty()));
        samples.gauge("node_textfile_scrape_error", help).row(&[], failed);
        self.said = said;
        Ok(())
    }
}

fn read(path: &Path) -> Result<(Parsed, f64), String> {
    let stamp = roots::stamp(path).map_err(|why| why.to_string())?;
    let stamp = stamp.ok_or("it is gone")?;
    if stamp.size > BYTES_MAX {
        return Err(format!("it is longer than {BYTES_MAX} bytes"));
    }
    let bytes = roots::read_bytes(path).map_err(|why| why.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
    Ok((parse(&text)?, stamp.modified_seconds()))
}
