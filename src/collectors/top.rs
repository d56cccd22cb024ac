//! Which processes use most processor time and memory, by name.
//!
//! Processes of one name are one: names are few, and numbers are many. A name is the kernel's
//! `comm`, at most fifteen bytes long; of the kernel's own threads it is what stands before the
//! slash (`kworker/0:1` is `kworker`). Shown are the [`TOP`] names that used most processor time
//! since the last look, and the [`TOP`] that hold most memory.
//!
//! Processor time is added up from look to look, so that the sum of a name does not fall when one
//! of its processes ends. What a process used before it was first seen is not in it.

use std::{collections::BTreeMap, path::PathBuf};

use super::parse::is_digits;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, many, wide},
    export::{Export, Origin},
    world::{
        roots::{self, Roots},
        shelf::{Shelf, Spot},
    },
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "top",
        summary: "the names of the processes that use most processor time and memory",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Top::new(TOP)),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &[
        "holdfast_top_names",
        "holdfast_top_overflowed_total",
        "holdfast_top_memory_bytes",
        "holdfast_top_cpu_seconds_total",
    ],
    &[Origin::Proc("1/stat")],
    "procfs that shows all processes (without `hidepid=`); processor time needs a \
         second look",
)];

/// So many names of each sort are shown.
pub const TOP: usize = 10;
/// So many processes are looked at, at most; more are counted.
pub const PROCESSES_MAX: usize = 4096;
/// So many names are kept, at most. Those that nobody bears any more make room.
const NAMES_MAX: usize = 1024;
/// So many descriptors stay open at most.
const OPEN_MAX: usize = 128;
const TICKS_A_SECOND: f64 = 100.0;

/// Reads processes.
#[derive(Debug)]
pub struct Top {
    shown_max: usize,
    shelf: Shelf,
    processes: BTreeMap<u32, Process>,
    names: BTreeMap<String, Sums>,
    looks: u64,
    overflowed: u64,
}

#[derive(Debug)]
struct Process {
    file: Spot,
    /// When it was started and what it had used, in ticks, at the last look.
    last: Option<(u64, u64)>,
    looked: u64,
}

/// What processes of one name use.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    ticks: u64,
    /// Since the last look.
    recent: u64,
    pages: u64,
    count: usize,
}

/// What `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Stat<'a> {
    name: &'a str,
    ticks: u64,
    started: u64,
    pages: u64,
}

impl Top {
    /// Shows so many names of each sort.
    pub fn new(shown_max: usize) -> Self {
        Self {
            shown_max,
            shelf: Shelf::new(OPEN_MAX),
            processes: BTreeMap::new(),
            names: BTreeMap::new(),
            looks: 0,
            overflowed: 0,
        }
    }

    fn look(&mut self, roots: &Roots) -> Result<(), Blank> {
        self.looks += 1;
        for sums in self.names.values_mut() {
            *sums = Sums { ticks: sums.ticks, ..Sums::default() };
        }
        let folder = roots.proc("");
        let numbers = roots::list(&folder)?.into_iter().filter(|it| is_digits(it));
        let mut looked_at = 0;
        for number in numbers.filter_map(|it| it.parse::<u32>().ok()) {
            looked_at += 1;
            if looked_at > PROCESSES_MAX {
                self.overflowed += 1;
                continue;
            }
            let path = || PathBuf::from(&folder).join(number.to_string()).join("stat");
            let fresh = || Process { file: Spot::new(path()), last: None, looked: 0 };
            let process = self.processes.entry(number).or_insert_with(fresh);
            process.looked = self.looks;
            // It may have ended since it was listed.
            let Ok(text) = self.shelf.read(&mut process.file) else { continue };
            let Some(stat) = parse(text) else { continue };
            let before = process.last.replace((stat.started, stat.ticks));
            let used = match before {
                Some((started, ticks)) if started == stat.started => {
                    stat.ticks.saturating_sub(ticks)
                }
                // Its number was another's; all that it used is since the last look.
                Some(_) => stat.ticks,
                None => 0,
            };
            if !self.names.contains_key(stat.name) && self.names.len() >= NAMES_MAX {
                self.overflowed += 1;
                continue;
            }
            let sums = self.names.entry(stat.name.to_owned()).or_default();
            sums.ticks += used;
            sums.recent += used;
            sums.pages += stat.pages;
            sums.count += 1;
        }
        let looks = self.looks;
        self.processes.retain(|_, it| it.looked == looks);
        if self.names.len() >= NAMES_MAX {
            self.names.retain(|_, it| it.count > 0);
        }
        Ok(())
    }

    /// The names with most of the first thing, then of the second, and some of the second at all.
    fn most(&self, of: fn(&Sums) -> (u64, u64)) -> Vec<(&str, Sums)> {
        let mut all: Vec<(&str, Sums)> = self
            .names
            .iter()
            .filter(|(_, sums)| of(sums).1 > 0)
            .map(|(name, sums)| (name.as_str(), *sums))
            .collect();
        all.sort_by_key(|(name, sums)| (std::cmp::Reverse(of(sums)), *name));
        all.truncate(self.shown_max);
        all.sort_by_key(|(name, _)| *name);
        all
    }
}

impl Collector for Top {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.look(roots)?;
        let help = "Seconds of processor time that processes of this name used since they were \
                    first seen, of the names that used most lately.";
        samples.counter("holdfast_top_cpu_seconds_total", help);
        for (name, sums) in self.most(|it| (it.recent, it.ticks)) {
            samples.row(&[("name", name)], wide(sums.ticks) / TICKS_A_SECOND);
        }
        let help = "Resident memory of the processes of this name, of the names that hold most. \
                    What processes share is counted for each.";
        samples.gauge("holdfast_top_memory_bytes", help);
        for (name, sums) in self.most(|it| (it.pages, it.pages)) {
            samples.row(&[("name", name)], wide(sums.pages) * many(roots::page_size()));
        }
        let help = "Names of processes that are kept.";
        samples.gauge("holdfast_top_names", help).row(&[], many(self.names.len()));
        let help = "Looks at processes that were left out, for there were too many.";
        samples.counter("holdfast_top_overflowed_total", help).row(&[], wide(self.overflowed));
        Ok(())
    }
}

/// The name may hold blanks and brackets; the fields come after its last bracket.
fn parse(text: &str) -> Option<Stat<'_>> {
    let (name, fields) = text.split_once('(')?.1.rsplit_once(") ")?;
    let field = |number: usize| -> Option<u64> {
        // `proc(5)` counts from 1, and the first field here is its third.
        fields.split_ascii_whitespace().nth(number - 3)?.parse().ok()
    };
    let is_of_kernel = field(23)? == 0;
    let name = if is_of_kernel { name.split('/').next().unwrap_or(name) } else { name };
    Some(Stat { name, ticks: field(14)? + field(15)?, started: field(22)?, pages: field(24)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything_and_the_kernels_threads_are_one() {
        let line = |name: &str, bytes: u64| {
            format!("7 ({name}) S 1 7 7 0 -1 4 9 0 0 0 31 12 0 0 20 0 3 0 4242 {bytes} 250 1\n")
        };
        let text = line("a) (b", 1_000_000);
        let known = Stat { name: "a) (b", ticks: 43, started: 4242, pages: 250 };
        assert_eq!(parse(&text), Some(known));
        assert_eq!(parse(&line("kworker/0:1-events", 0)).map(|it| it.name), Some("kworker"));
        assert_eq!(parse(&line("my/program", 1)).map(|it| it.name), Some("my/program"));
        for odd in ["", "7", "7 (a", "7 (a) ", "7 (a) S 1 2", "7 (a) S x x x x x x x x x x x x x"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
