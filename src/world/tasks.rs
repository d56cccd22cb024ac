//! Processes and their threads, from `/proc/PID/stat`: looked at once in a scrape, whoever asks.
//!
//! The list of `/proc` is read anew each time. The files of those who stay are kept open up to a
//! bound, which spares two of three system calls. A process's threads are listed only when the
//! ones that are known are not all there are.

use std::{
    fmt::Write as _,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::{Mode, OFlags};

use super::{
    folder::Folder,
    kept::Unread,
    roots::{Roots, limits},
};

/// So many descriptors stay open at most, and no more than an eighth of those that the process may
/// have; the files of further tasks are opened at each look. Each holds a page of the kernel's
/// memory as well.
const OPEN_MAX: usize = 512;
/// What the kernel says of a task is never longer.
const SMALL: usize = 2048;

/// Numbers rounds; no two have the same number.
static ROUNDS: AtomicU64 = AtomicU64::new(0);

/// The number of a round that begins.
pub fn next_round() -> u64 {
    ROUNDS.fetch_add(1, Ordering::Relaxed)
}

/// All processes.
#[derive(Debug, Default)]
pub struct Tasks {
    /// The scrape in which it was looked, if it was one.
    round: Option<u64>,
    proc: Option<Folder>,
    pids: Vec<u32>,
    tids: Vec<u32>,
    processes: Vec<Process>,
    files: Files,
}

/// A process.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    file: Option<OwnedFd>,
    is_there: bool,
    /// What the kernel says of it.
    pub stat: Stat,
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    tid: u32,
    file: Option<OwnedFd>,
    /// A letter; none when it has ended.
    state: Option<u8>,
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The command's name, at most fifteen bytes; of the kernel's own what stands before a slash.
    pub name: String,
    /// A letter, and how many threads there are; none: the text makes no sense.
    pub state: Option<(u8, u64)>,
    /// What it uses; none: the text makes no sense.
    pub usage: Option<Usage>,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, in ticks.
    pub ticks: u64,
    /// When it was started, in ticks since boot.
    pub started: u64,
    /// Resident memory, in pages.
    pub pages: u64,
}

/// The buffers, and how many descriptors are open.
#[derive(Debug)]
struct Files {
    name: String,
    bytes: Vec<u8>,
    open: usize,
    open_max: usize,
}

impl Tasks {
    /// Looks at all processes, unless that was done in this scrape already.
    pub fn look(&mut self, round: Option<u64>, roots: &Roots) -> Result<(), Unread> {
        if round.is_some() && self.round == round {
            return Ok(());
        }
        self.round = None;
        let proc = self.proc.get_or_insert_with(|| Folder::new(roots.proc("")));
        proc.numbers(&mut self.pids)?;
        self.pids.sort_unstable();
        seat(&mut self.processes, &self.pids, &mut self.files);
        for process in &mut self.processes {
            process.is_there = match self.files.read(&mut process.file, proc, &[process.pid]) {
                Some(said) => {
                    parse(said, &mut process.stat);
                    true
                }
                None => false,
            };
        }
        self.round = round;
        Ok(())
    }

    /// Those who are there, in the order of their numbers.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|it| it.is_there)
    }

    /// Gives the state of each thread of processes that have more than one. They are looked at
    /// now.
    pub fn threads(&mut self, mut each: impl FnMut(u8)) {
        let Some(proc) = &mut self.proc else { return };
        for process in self.processes.iter_mut().filter(|it| it.is_there) {
            let Some((_, count)) = process.stat.state else { continue };
            if count < 2 {
                self.files.drop_all(&mut process.threads);
                continue;
            }
            if !self.files.read_known(proc, process, count) {
                self.files.read_all(proc, process, &mut self.tids);
            }
            process.threads.iter().filter_map(|it| it.state).for_each(&mut each);
        }
    }
}

/// Makes room for those who came, and lets those who went go. Both lists are sorted.
fn seat(processes: &mut Vec<Process>, pids: &[u32], files: &mut Files) {
    if processes.iter().map(|it| &it.pid).eq(pids) {
        return;
    }
    let mut old = std::mem::take(processes).into_iter().peekable();
    processes.reserve(pids.len());
    for pid in pids {
        while let Some(gone) = old.next_if(|it| it.pid < *pid) {
            files.forget(gone);
        }
        let known = old.next_if(|it| it.pid == *pid);
        processes.push(known.unwrap_or_else(|| Process::new(*pid)));
    }
    old.for_each(|gone| files.forget(gone));
}

impl Process {
    fn new(pid: u32) -> Self {
        let stat = Stat::default();
        Self { pid, file: None, is_there: false, stat, threads: Vec::new() }
    }
}

impl Default for Files {
    fn default() -> Self {
        let may = limits().0.and_then(|it| usize::try_from(it / 8).ok());
        let open_max = may.map_or(OPEN_MAX, |it| it.min(OPEN_MAX));
        Self { name: String::new(), bytes: Vec::new(), open: 0, open_max }
    }
}

impl Files {
    /// What the file of a process, or of one of its threads, says now. Nothing when it has ended.
    fn read(
        &mut self,
        file: &mut Option<OwnedFd>,
        proc: &Folder,
        numbers: &[u32],
    ) -> Option<&[u8]> {
        self.bytes.resize(SMALL, 0);
        if let Some(known) = file {
            if let Ok(length) = rustix::io::pread(known, &mut self.bytes, 0) {
                return self.bytes.get(..length);
            }
            // It has ended, and another may have got its number.
            *file = None;
            self.open -= 1;
        }
        self.name.clear();
        if let [pid, tid] = numbers {
            write!(self.name, "{pid}/task/{tid}/stat").expect("a string takes all");
        } else {
            let pid = numbers.first()?;
            write!(self.name, "{pid}/stat").expect("a string takes all");
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(proc.descriptor()?, &self.name, flags, Mode::empty());
        let opened = opened.ok()?;
        let length = rustix::io::pread(&opened, &mut self.bytes, 0).ok()?;
        if self.open < self.open_max {
            self.open += 1;
            *file = Some(opened);
        }
        self.bytes.get(..length)
    }

    /// Looks at the threads that are known; false when they are not all that there are.
    fn read_known(&mut self, proc: &Folder, process: &mut Process, count: u64) -> bool {
        if u64::try_from(process.threads.len()) != Ok(count) {
            return false;
        }
        let pid = process.pid;
        process.threads.iter_mut().all(|thread| {
            thread.look(pid, proc, self);
            thread.state.is_some()
        })
    }

    /// Lists the threads, and looks at all of them.
    fn read_all(&mut self, proc: &mut Folder, process: &mut Process, tids: &mut Vec<u32>) {
        self.name.clear();
        write!(self.name, "{}/task", process.pid).expect("a string takes all");
        proc.numbers_in(&self.name, tids);
        tids.sort_unstable();
        let mut old = std::mem::take(&mut process.threads).into_iter().peekable();
        for tid in &*tids {
            while let Some(gone) = old.next_if(|it| it.tid < *tid) {
                self.open -= usize::from(gone.file.is_some());
            }
            let known = old.next_if(|it| it.tid == *tid);
            let mut thread = known.unwrap_or(Thread { tid: *tid, file: None, state: None });
            thread.look(process.pid, proc, self);
            process.threads.push(thread);
        }
        for gone in old {
            self.open -= usize::from(gone.file.is_some());
        }
    }

    fn drop_all(&mut self, threads: &mut Vec<Thread>) {
        for thread in threads.drain(..) {
            self.open -= usize::from(thread.file.is_some());
        }
    }

    fn forget(&mut self, mut process: Process) {
        self.open -= usize::from(process.file.is_some());
        self.drop_all(&mut process.threads);
    }
}

impl Thread {
    fn look(&mut self, pid: u32, proc: &Folder, files: &mut Files) {
        let said = files.read(&mut self.file, proc, &[pid, self.tid]);
        self.state = said.and_then(|it| split(it)).and_then(|(_, rest)| state(rest));
    }
}

/// The name, which may hold blanks and brackets and any byte, and the fields after its last
/// bracket.
fn split(said: &[u8]) -> Option<(&[u8], &str)> {
    let from = said.iter().position(|it| *it == b'(')? + 1;
    let to = said.iter().rposition(|it| *it == b')')?;
    Some((said.get(from..to)?, std::str::from_utf8(said.get(to + 1..)?).ok()?))
}

fn state(rest: &str) -> Option<u8> {
    rest.trim_ascii_start().bytes().next().filter(u8::is_ascii_alphabetic)
}

/// `proc(5)` counts from 1; the first field after the name is its third.
fn parse(said: &[u8], stat: &mut Stat) {
    stat.name.clear();
    (stat.state, stat.usage) = (None, None);
    let Some((name, rest)) = split(said) else { return };
    let mut words = rest.split_ascii_whitespace();
    let mut field = |skip: usize| words.nth(skip)?.parse::<u64>().ok();
    // 3 is a letter, 14 and 15 are ticks, 20 is threads, 22 the start, 23 and 24 memory.
    field(0);
    let ticks = field(10).zip(field(0));
    let threads = field(4);
    let (started, memory, pages) = (field(1), field(0), field(0));
    stat.state = state(rest).zip(threads);
    let usage = |(user, system): (u64, u64)| {
        Some(Usage { ticks: user.saturating_add(system), started: started?, pages: pages? })
    };
    stat.usage = memory.and(ticks).and_then(usage);
    stat.name.push_str(&String::from_utf8_lossy(name));
    if memory == Some(0) {
        // One of the kernel's own: `kworker/0:1` is `kworker`.
        let end = stat.name.find('/').unwrap_or(stat.name.len());
        stat.name.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(said: &str) -> Stat {
        let mut stat = Stat::default();
        parse(said.as_bytes(), &mut stat);
        stat
    }

    #[test]
    fn names_may_hold_anything_and_the_kernels_threads_are_one() {
        let line = |name: &str, bytes: u64| {
            format!("7 ({name}) S 1 7 7 0 -1 4 9 0 0 0 31 12 0 0 20 0 3 0 4242 {bytes} 250 1\n")
        };
        let usage = Some(Usage { ticks: 43, started: 4242, pages: 250 });
        let known = Stat { name: "a) (b".to_owned(), state: Some((b'S', 3)), usage };
        assert_eq!(parsed(&line("a) (b", 1_000_000)), known);
        assert_eq!(parsed(&line("kworker/0:1-events", 0)).name, "kworker");
        assert_eq!(parsed(&line("my/program", 1)).name, "my/program");
        let mut odd = Stat::default();
        parse(&line("x", 1).replace('x', "\u{1}").into_bytes(), &mut odd);
        assert!(odd.usage.is_some());
        parse(b"7 (\xff) S 1 7 7 0 -1 4 9 0 0 0 31 12 0 0 20 0 3 0 4242 1 250 1\n", &mut odd);
        assert_eq!((odd.name.as_str(), odd.state), ("\u{fffd}", Some((b'S', 3))));
        for odd in ["", "7", "7 (a", "7 (a) ", "7 (a) S 1 2", "7 (a) S x x x x x x x x x x x x x"] {
            let stat = parsed(odd);
            assert_eq!((stat.state, stat.usage), (None, None), "{odd}");
        }
    }

    #[test]
    fn this_process_has_the_threads_that_it_starts() {
        let mut tasks = Tasks::default();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = super::super::thread::start("idle", move || stopped.recv().is_ok()).unwrap();
        for round in [Some(1), Some(2), None] {
            tasks.look(round, &Roots::default()).unwrap();
            let count = |it: &Tasks| it.processes().filter_map(|it| it.stat.state).count();
            assert!(count(&tasks) > 0);
            let mut threads = 0;
            tasks.threads(|_| threads += 1);
            assert!(threads >= 2);
        }
        drop(stop);
        drop(thread);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(said in "[0-9 ()A-Za-z\u{80}-\u{90}/-]{0,120}") {
            drop(parsed(&said));
        }
    }
}
