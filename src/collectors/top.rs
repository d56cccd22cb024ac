//! Which processes use most processor time and memory, by name.
//!
//! Processes of one name are one: names are few, and numbers are many. A name is the kernel's
//! `comm`, at most fifteen bytes long; of the kernel's own threads it is what stands before the
//! slash (`kworker/0:1` is `kworker`). Shown are the [`TOP`] names that used most processor time
//! since the last look, and the [`TOP`] that hold most memory.
//!
//! Processor time is added up from look to look, so that the sum of a name does not fall when one
//! of its processes ends. What a process used before it was first seen is not in it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::processes::hold;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, many, wide},
    export::{Export, Origin},
    world::{
        roots::{self, Roots},
        tasks::{Stat, Tasks, Usage},
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
    make: |setup| Box::new(Top::with(TOP, &setup.tasks)),
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
const TICKS_A_SECOND: f64 = 100.0;

/// Reads processes.
#[derive(Debug)]
pub struct Top {
    shown_max: usize,
    tasks: Arc<Mutex<Tasks>>,
    /// By their numbers, in their order.
    processes: Vec<Process>,
    names: BTreeMap<String, Sums>,
    overflowed: u64,
}

/// At the last look.
#[derive(Debug)]
struct Process {
    pid: u32,
    /// When it was started and what it had used, in ticks.
    started: u64,
    ticks: u64,
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

impl Top {
    /// Shows so many names of each sort.
    pub fn new(shown_max: usize) -> Self {
        Self::with(shown_max, &Arc::default())
    }

    fn with(shown_max: usize, tasks: &Arc<Mutex<Tasks>>) -> Self {
        Self {
            shown_max,
            tasks: Arc::clone(tasks),
            processes: Vec::new(),
            names: BTreeMap::new(),
            overflowed: 0,
        }
    }

    fn look(&mut self, round: Option<u64>, roots: &Roots) -> Result<(), Blank> {
        for sums in self.names.values_mut() {
            *sums = Sums { ticks: sums.ticks, ..Sums::default() };
        }
        let tasks = Arc::clone(&self.tasks);
        let mut tasks = hold(&tasks)?;
        tasks.look(round, roots)?;
        let mut old = std::mem::take(&mut self.processes).into_iter().peekable();
        for (at, process) in tasks.processes().enumerate() {
            if at >= PROCESSES_MAX {
                self.overflowed += 1;
                continue;
            }
            let Some(usage) = process.stat.usage else { continue };
            while old.next_if(|it| it.pid < process.pid).is_some() {}
            let before = old.next_if(|it| it.pid == process.pid);
            let Usage { started, ticks, .. } = usage;
            self.processes.push(Process { pid: process.pid, started, ticks });
            self.add(&process.stat, usage, before.as_ref());
        }
        if self.names.len() >= NAMES_MAX {
            self.names.retain(|_, it| it.count > 0);
        }
        Ok(())
    }

    fn add(&mut self, stat: &Stat, usage: Usage, before: Option<&Process>) {
        let used = match before {
            Some(it) if it.started == usage.started => usage.ticks.saturating_sub(it.ticks),
            // Its number was another's; all that it used is since the last look.
            Some(_) => usage.ticks,
            None => 0,
        };
        if !self.names.contains_key(&stat.name) {
            if self.names.len() >= NAMES_MAX {
                self.overflowed += 1;
                return;
            }
            self.names.insert(stat.name.clone(), Sums::default());
        }
        let Some(sums) = self.names.get_mut(&stat.name) else { return };
        sums.ticks = sums.ticks.saturating_add(used);
        sums.recent = sums.recent.saturating_add(used);
        sums.pages = sums.pages.saturating_add(usage.pages);
        sums.count += 1;
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
        self.look(samples.round(), roots)?;
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
