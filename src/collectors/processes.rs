//! Processes and threads by state, from `/proc/<pid>/stat`.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::file::File;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, many, wide},
    export::{Export, Origin},
    world::{roots::Roots, tasks::Tasks},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "processes",
        summary: "processes and threads by state, and their limits",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| Box::new(Processes::new(&setup.tasks)),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &[
        "node_processes_pids",
        "node_processes_threads",
        "node_processes_state",
        "node_processes_threads_state",
        "node_processes_max_processes",
        "node_processes_max_threads",
    ],
    &[Origin::Proc("sys/kernel/pid_max")],
    "procfs that shows all processes (without `hidepid=`)",
)];

#[derive(Debug)]
struct Processes {
    tasks: Arc<Mutex<Tasks>>,
    limits: [File; 2],
}

/// How many there are of each state, which is a letter.
#[derive(Debug)]
struct States([u64; 128]);

const LIMITS: [(&str, &str); 2] = [
    ("node_processes_max_processes", "Number of max PIDs limit"),
    ("node_processes_max_threads", "Limit of threads in the system"),
];

impl Collector for Processes {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let (mut processes, mut threads) = (States([0; 128]), States([0; 128]));
        let (mut seen, mut in_all) = (0, 0);
        let mut tasks = hold(&self.tasks)?;
        tasks.look(samples.round(), roots)?;
        for (state, count) in tasks.processes().filter_map(|it| it.stat.state) {
            seen += 1;
            in_all = u64::saturating_add(in_all, count);
            processes.add(state, 1);
            if count < 2 {
                threads.add(state, count);
            }
        }
        tasks.threads(|state| threads.add(state, 1));
        drop(tasks);
        samples.gauge("node_processes_pids", "Number of PIDs").row(&[], many(seen));
        let help = "Allocated threads in system";
        samples.gauge("node_processes_threads", help).row(&[], wide(in_all));
        samples.gauge("node_processes_state", "Number of processes in each state.");
        processes.show("state", samples);
        samples.gauge("node_processes_threads_state", "Number of threads in each state.");
        threads.show("thread_state", samples);
        for (file, (name, help)) in self.limits.iter_mut().zip(LIMITS) {
            if let Some(said) = file.read_if_there(roots)? {
                samples.gauge(name, help).row(&[], said.number()?);
            }
        }
        Ok(())
    }
}

impl Processes {
    fn new(tasks: &Arc<Mutex<Tasks>>) -> Self {
        let limits = ["sys/kernel/pid_max", "sys/kernel/threads-max"].map(File::proc);
        Self { tasks: Arc::clone(tasks), limits }
    }
}

impl States {
    fn add(&mut self, state: u8, more: u64) {
        if let Some(count) = self.0.get_mut(usize::from(state)) {
            *count = count.saturating_add(more);
        }
    }

    fn show(&self, label: &str, samples: &mut Samples) {
        for (state, count) in (0_u8..).zip(self.0).filter(|(_, count)| *count > 0) {
            let letter = [state];
            let letter = std::str::from_utf8(&letter).unwrap_or_default();
            samples.row(&[(label, letter)], wide(count));
        }
    }
}

/// The processes, unless a look that hangs has them: whoever waited for it would hang as well.
pub(crate) fn hold(tasks: &Mutex<Tasks>) -> Result<MutexGuard<'_, Tasks>, Blank> {
    match tasks.try_lock() {
        Ok(held) => Ok(held),
        Err(TryLockError::Poisoned(held)) => Ok(held.into_inner()),
        Err(TryLockError::WouldBlock) => {
            Err(Blank::Late("another look at the processes hangs".to_owned()))
        }
    }
}
