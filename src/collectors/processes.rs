//! Processes and threads by state, from `/proc/<pid>/stat`.

use std::fmt::Write as _;

use super::file::File;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, many, wide},
    export::{Export, Origin},
    world::{folder::Folder, roots::Roots},
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
    make: |_| Box::new(Processes::new()),
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
    folder: Option<Folder>,
    pids: Vec<u32>,
    threads: Vec<u32>,
    name: String,
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
        let folder = self.folder.get_or_insert_with(|| Folder::new(roots.proc("")));
        folder.numbers(&mut self.pids)?;
        let (mut seen, mut in_all) = (0, 0);
        for pid in &self.pids {
            self.name.clear();
            write!(self.name, "{pid}/stat").expect("a string takes all");
            // A process that has just ended is not counted.
            let Some((state, count)) = folder.read(&self.name).and_then(parse) else { continue };
            seen += 1;
            in_all += count;
            processes.add(state, 1);
            if count < 2 {
                threads.add(state, count);
                continue;
            }
            self.name.truncate(self.name.len() - "stat".len());
            self.name.push_str("task");
            folder.numbers_in(&self.name, &mut self.threads);
            for tid in &self.threads {
                self.name.clear();
                write!(self.name, "{pid}/task/{tid}/stat").expect("a string takes all");
                if let Some((state, _)) = folder.read(&self.name).and_then(parse) {
                    threads.add(state, 1);
                }
            }
        }
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
    fn new() -> Self {
        let limits = ["sys/kernel/pid_max", "sys/kernel/threads-max"].map(File::proc);
        Self { folder: None, pids: Vec::new(), threads: Vec::new(), name: String::new(), limits }
    }
}

impl States {
    fn add(&mut self, state: u8, more: u64) {
        if let Some(count) = self.0.get_mut(usize::from(state)) {
            *count += more;
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

/// The state and the number of threads. The command's name may hold blanks and brackets: the
/// fields come after its last bracket.
fn parse(stat: &str) -> Option<(u8, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace();
    let state = words.next()?.bytes().next().filter(u8::is_ascii_alphabetic)?;
    Some((state, words.nth(16)?.parse().ok()?))
}
