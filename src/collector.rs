//! The contract of those who read a corner of the machine, and what they fill.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::{
    about::About,
    export::Export,
    manifest::words::calm,
    pattern::Patterns,
    world::{
        roots::{self, Roots, Unread, Volume},
        tasks::{self, Tasks},
    },
};

/// Reads a corner of the machine. Sync, spawns nothing, keeps its buffers from scrape to scrape.
///
/// Shown whole or not at all: after an error, what was added to `samples` is taken back.
pub trait Collector: Send {
    /// Adds what the corner says now.
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank>;
}

/// An entry in the family's list.
#[derive(Debug)]
pub struct CollectorKind {
    /// Its visiting card; the name is the one in `?collect[]=`.
    pub about: &'static About,
    /// What it can bring, and what that takes.
    pub exports: &'static [Export],
    /// It makes calls that can hang (`statfs` on a dead server): it gets a thread and a deadline.
    pub blocks: bool,
    /// A gauge of its own that says 1 when it succeeded and 0 when not: name and help.
    pub health: Option<(&'static str, &'static str)>,
    /// A fresh one.
    pub make: fn(&Setup) -> Box<dyn Collector>,
}

/// What collectors are told when they are made.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The state folder, where the index of runs is.
    pub state: PathBuf,
    /// How a file system is asked for its size. A test may have one that never answers.
    pub volume: VolumeOf,
    /// What is shown and what is left out, by the user's word.
    pub patterns: Patterns,
    /// The processes, which several look at.
    pub tasks: Arc<Mutex<Tasks>>,
}

/// Asks the file system mounted at a path for its size; can block for ever.
pub type VolumeOf = fn(&Path) -> Result<Volume, Unread>;

impl Default for Setup {
    fn default() -> Self {
        let (patterns, tasks) = (Patterns::default(), Arc::default());
        Self { state: PathBuf::new(), volume: roots::volume, patterns, tasks }
    }
}

/// Why a corner stays blank in this scrape; completes "could not …".
#[derive(Debug, thiserror::Error)]
pub enum Blank {
    /// A file is missing or not for us.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// A file says something that we do not understand.
    #[error("understand `{}`: {why}", file.display())]
    Odd {
        /// Which file.
        file: PathBuf,
        /// What is odd about it.
        why: String,
    },
    /// It took too long.
    #[error("wait for it any longer: {0}")]
    Late(String),
    /// It hit a defect of ours.
    #[error("go on: it panicked ({0}); please report this")]
    Panicked(String),
}

impl Blank {
    /// A file says something that we do not understand, and that may be quoted, calmly.
    pub fn odd(file: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Odd { file: file.into(), why: calm(&why.into(), 400) }
    }
}

/// A family's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Only grows. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Nobody knows: `untyped` in the text format, `unknown` in `OpenMetrics`.
    Untyped,
}

/// One scrape's samples: families, their rows, their labels. Refilling it allocates nothing.
///
/// Begin a family, then add its rows: `samples.gauge(name, help).row(&[("cpu", "0")], 1.0)`.
/// A family without rows is not shown. Names and label names must be valid for Prometheus; help
/// and label values may be anything.
#[derive(Debug, Default)]
pub struct Samples {
    text: String,
    families: Vec<Family>,
    rows: Vec<Row>,
    labels: Vec<(Cut, Cut)>,
    round: Option<u64>,
}

/// A piece of the text, by its ends.
type Cut = (usize, usize);

#[derive(Debug)]
struct Family {
    name: Cut,
    help: Cut,
    kind: Type,
    rows_from: usize,
}

#[derive(Debug)]
struct Row {
    labels_from: usize,
    value: f64,
}

/// A place to go back to when a collector fails.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    text: usize,
    families: usize,
    rows: usize,
    labels: usize,
}

impl Samples {
    /// Begins a counter; its name ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &str) -> &mut Self {
        self.family(name, help, Type::Counter)
    }

    /// Begins a gauge.
    pub fn gauge(&mut self, name: &str, help: &str) -> &mut Self {
        self.family(name, help, Type::Gauge)
    }

    /// Begins a family.
    pub fn family(&mut self, name: &str, help: &str, kind: Type) -> &mut Self {
        let (name, help) = (self.keep(name), self.keep(help));
        self.families.push(Family { name, help, kind, rows_from: self.rows.len() });
        self
    }

    /// Adds a row to the family begun last.
    pub fn row(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        let labels_from = self.labels.len();
        for (name, said) in labels {
            let pair = (self.keep(name), self.keep(said));
            self.labels.push(pair);
        }
        self.rows.push(Row { labels_from, value });
        self
    }

    fn keep(&mut self, piece: &str) -> Cut {
        self.text.push_str(piece);
        (self.text.len() - piece.len(), self.text.len())
    }

    fn piece(&self, (from, to): Cut) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Forgets everything but the buffers.
    pub fn clear(&mut self) {
        self.text.clear();
        self.families.clear();
        self.rows.clear();
        self.labels.clear();
        self.round = Some(tasks::next_round());
    }

    /// Makes this a part of another refilling.
    pub fn belong_to(&mut self, round: Option<u64>) {
        self.round = round;
    }

    /// Which refilling this is. What was looked at in this round is not looked at again.
    pub fn round(&self) -> Option<u64> {
        self.round
    }

    /// How far it is filled.
    pub fn mark(&self) -> Mark {
        let (text, families) = (self.text.len(), self.families.len());
        let (rows, labels) = (self.rows.len(), self.labels.len());
        Mark { text, families, rows, labels }
    }

    /// Takes back what was added since.
    pub fn back_to(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.families.truncate(mark.families);
        self.rows.truncate(mark.rows);
        self.labels.truncate(mark.labels);
    }

    /// Takes over all that another one has, but for families that are here already: a page has
    /// each name once. Says how many rows were left out.
    pub fn append_new(&mut self, other: &Self) -> usize {
        let theirs: BTreeSet<&str> = other.families().map(|it| it.name()).collect();
        let here = self.families.iter().map(|it| self.piece(it.name));
        let here = here.filter(|it| theirs.contains(it)).map(str::to_owned);
        let here: BTreeSet<String> = here.collect();
        self.append_if(other, |name| !here.contains(name));
        other.families().filter(|it| here.contains(it.name())).map(|it| it.rows().count()).sum()
    }

    /// Keeps so many rows since the mark at most. Says how many were left out.
    pub fn keep_rows(&mut self, since: Mark, most: usize) -> usize {
        let most = since.rows.saturating_add(most);
        let Some(first) = self.rows.get(most) else { return 0 };
        self.labels.truncate(first.labels_from);
        let before = self.rows.len();
        self.rows.truncate(most);
        // What began after the last row that is kept has none.
        for family in &mut self.families {
            family.rows_from = family.rows_from.min(most);
        }
        before - most
    }

    /// Takes over all that another one has.
    pub fn append(&mut self, other: &Self) {
        let by = self.mark();
        let moved = |(from, to): Cut| (from + by.text, to + by.text);
        self.text.push_str(&other.text);
        self.families.extend(other.families.iter().map(|it| {
            let (name, help) = (moved(it.name), moved(it.help));
            Family { name, help, rows_from: it.rows_from + by.rows, ..*it }
        }));
        self.rows.extend(
            other
                .rows
                .iter()
                .map(|it| Row { labels_from: it.labels_from + by.labels, value: it.value }),
        );
        self.labels.extend(other.labels.iter().map(|(name, said)| (moved(*name), moved(*said))));
    }

    fn append_if(&mut self, other: &Self, wanted: impl Fn(&str) -> bool) {
        for family in other.families().filter(|it| wanted(it.name())) {
            self.family(family.name(), family.help(), family.kind());
            for row in family.rows() {
                let labels_from = self.labels.len();
                for (name, said) in row.labels() {
                    let pair = (self.keep(name), self.keep(said));
                    self.labels.push(pair);
                }
                self.rows.push(Row { labels_from, value: row.value() });
            }
        }
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.rows.len()
    }

    /// The families that have rows.
    pub fn families(&self) -> impl Iterator<Item = FamilyView<'_>> {
        (0..self.families.len()).filter_map(|at| {
            let family = self.families.get(at)?;
            let to = self.families.get(at + 1).map_or(self.rows.len(), |next| next.rows_from);
            (to > family.rows_from).then_some(FamilyView { samples: self, family, rows_to: to })
        })
    }
}

/// A family, seen.
#[derive(Debug, Clone, Copy)]
pub struct FamilyView<'a> {
    samples: &'a Samples,
    family: &'a Family,
    rows_to: usize,
}

impl<'a> FamilyView<'a> {
    /// Its name, with a counter's `_total`.
    pub fn name(&self) -> &'a str {
        self.samples.piece(self.family.name)
    }

    /// Its help, unescaped.
    pub fn help(&self) -> &'a str {
        self.samples.piece(self.family.help)
    }

    /// Its type.
    pub fn kind(&self) -> Type {
        self.family.kind
    }

    /// Its rows.
    pub fn rows(&self) -> impl Iterator<Item = RowView<'a>> + use<'a> {
        let samples = self.samples;
        (self.family.rows_from..self.rows_to).filter_map(move |at| {
            let row = samples.rows.get(at)?;
            let next = samples.rows.get(at + 1);
            let to = next.map_or(samples.labels.len(), |next| next.labels_from);
            let labels = samples.labels.get(row.labels_from..to).unwrap_or_default();
            Some(RowView { samples, labels, value: row.value })
        })
    }
}

/// A row, seen.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    samples: &'a Samples,
    labels: &'a [(Cut, Cut)],
    value: f64,
}

impl<'a> RowView<'a> {
    /// Its labels, names and values.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> + use<'a> {
        let samples = self.samples;
        self.labels.iter().map(move |(name, said)| (samples.piece(*name), samples.piece(*said)))
    }

    /// Its value.
    pub fn value(&self) -> f64 {
        self.value
    }
}

/// A count as a metric's value.
#[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
pub(crate) fn wide(count: u64) -> f64 {
    count as f64
}

/// A number of things as a metric's value.
pub(crate) fn many(count: usize) -> f64 {
    wide(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_leaves_what_was_before() {
        let mut samples = Samples::default();
        samples.gauge("a", "A.").row(&[("x", "1")], 1.0);
        let mark = samples.mark();
        samples.counter("b_total", "B.").row(&[("y", "2")], 2.0).row(&[], 3.0);
        samples.back_to(mark);
        assert_eq!(samples.families().map(|it| it.rows().count()).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn rows_beyond_the_budget_are_left_out_and_counted() {
        let mut samples = Samples::default();
        samples.gauge("a", "A.").row(&[("x", "1")], 1.0);
        let mark = samples.mark();
        samples.gauge("b", "B.").row(&[("x", "2")], 2.0).row(&[("x", "3")], 3.0);
        samples.gauge("c", "C.").row(&[("x", "4")], 4.0);
        assert_eq!([samples.keep_rows(mark, 3), samples.keep_rows(mark, 1)], [0, 2]);
        samples.gauge("d", "D.").row(&[("x", "5")], 5.0);
        let seen: Vec<_> = samples.families().map(|it| (it.name(), it.rows().count())).collect();
        assert_eq!(seen, [("a", 1), ("b", 1), ("d", 1)]);
    }

    #[test]
    fn a_family_without_rows_is_not_seen_and_the_rest_keeps_its_rows() {
        let mut samples = Samples::default();
        samples.gauge("empty", "E.");
        samples.gauge("full", "F.").row(&[("x", "1"), ("y", "2")], 1.0).row(&[("x", "3")], 2.0);
        samples.gauge("last", "L.");
        let families: Vec<_> = samples.families().collect();
        assert!(families.len() == 1 && families[0].name() == "full");
        let rows: Vec<Vec<_>> = families[0].rows().map(|row| row.labels().collect()).collect();
        assert_eq!(rows, [vec![("x", "1"), ("y", "2")], vec![("x", "3")]]);
    }
}
