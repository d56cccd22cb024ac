//! Holds other processes still by tracing them: whatever becomes of us, the kernel lets them go.
//!
//! A tracer is a *thread* (ptrace(2)): all of this is done by the child's one thread.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the wall: a held child touches the real machine here"
)]

use std::{collections::BTreeMap, convert::Infallible, fs, time::Duration};

use rustix::{
    io::Errno,
    process::{Pid, WaitOptions, waitpid},
};

use super::stands;
use crate::world::{
    host::ProcessId,
    linux::{proc, ptrace},
    thread,
};

/// How often it is looked whether a target died, or has made new threads.
const EVERY: Duration = Duration::from_millis(5);
/// One turn of running and standing still.
const TURN_MS: u64 = 100;

/// One process: its number, and when it started in ticks.
pub type Target = (u32, u64);

/// Reads `PID:STARTED` words.
pub fn targets(args: &[String]) -> Result<Vec<Target>, String> {
    let one = |it: &String| {
        let (pid, started) = it.split_once(':')?;
        Some((pid.parse().ok()?, started.parse().ok()?))
    };
    args.iter().map(|it| one(it).ok_or_else(|| format!("`{it}` is no process"))).collect()
}

/// Holds them still until we end.
pub fn hold(targets: &[Target]) -> Result<Infallible, String> {
    let mut still = Still::default();
    for it in targets {
        still.take(*it)?;
    }
    stands(format!("{} threads stand still", still.0.len()));
    loop {
        // Whoever is killed meanwhile must be taken leave of, or its parent never hears of it.
        still.bury();
        thread::nap(EVERY);
    }
}

/// Lets them run `percent` of the time, and holds them still for the rest.
pub fn throttle(targets: &[Target], percent: u64) -> Result<Infallible, String> {
    let run = Duration::from_millis(TURN_MS * percent.min(100) / 100);
    let rest = Duration::from_millis(TURN_MS).saturating_sub(run);
    let (mut turns, mut gone) = (0_u64, 0);
    while gone < targets.len() {
        let mut still = Still::default();
        let taken: usize = targets.iter().map(|it| usize::from(still.take(*it).is_ok())).sum();
        if turns == 0 && taken < targets.len() {
            return Err("a target cannot be held still".to_owned());
        }
        gone = targets.len() - taken;
        thread::nap(rest);
        still.bury();
        still.let_go();
        turns += 1;
        stands(format!("held back {turns} times"));
        thread::nap(run);
    }
    Err("the targets have ended".to_owned())
}

/// Threads that stand still, by number, and a signal that each was about to get; 0 for none.
#[derive(Default)]
struct Still(BTreeMap<i32, (Pid, usize)>);

impl Still {
    /// Stops all threads of a process. A thread that starts another while it is looked at makes
    /// one more look necessary.
    fn take(&mut self, (pid, started): Target) -> Result<(), String> {
        let no = |why: &str| format!("process {pid} cannot be held still: {why}");
        let mut new = true;
        while new {
            new = false;
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| no("it is gone"))?;
            for task in tasks.flatten() {
                let name = task.file_name();
                let tid = name.to_str().and_then(|it| it.parse().ok()).and_then(Pid::from_raw);
                let Some(tid) = tid else { continue };
                let id = tid.as_raw_nonzero().get();
                if self.0.contains_key(&id) {
                    continue;
                }
                match ptrace::seize(tid, ptrace::ALONE) {
                    Ok(()) => {}
                    Err(Errno::SRCH) => continue,
                    Err(why) => return Err(no(&why.to_string())),
                }
                new = true;
                // It cannot change its identity under us any more.
                if proc::started(pid) != Some(started) {
                    self.0.insert(id, (tid, 0));
                    return Err(no("it is another one by now"));
                }
                if ptrace::interrupt(tid).is_ok() {
                    self.wait_for(tid);
                }
            }
        }
        if self.0.is_empty() { Err(no("it is gone")) } else { Ok(()) }
    }

    /// Waits until a thread stands still, and keeps it; one that ends instead is let go.
    fn wait_for(&mut self, tid: Pid) {
        let status = loop {
            match waitpid(Some(tid), ptrace::WALL) {
                Ok(Some((_, status))) => break status.as_raw(),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
        };
        let Some((signal, event)) = ptrace::stopped(status) else { return };
        // A stop that is an event of ours has no signal on its way.
        let signal = if event == 0 { usize::try_from(signal).unwrap_or(0) } else { 0 };
        self.0.insert(tid.as_raw_nonzero().get(), (tid, signal));
    }

    /// Takes leave of those that were killed.
    fn bury(&mut self) {
        while let Ok(Some((tid, status))) = waitpid(None, WaitOptions::NOHANG | ptrace::WALL)
            && ptrace::stopped(status.as_raw()).is_none()
        {
            self.0.remove(&tid.as_raw_nonzero().get());
        }
    }

    /// Lets them run, with the signal that each was about to get.
    fn let_go(self) {
        for (id, (tid, signal)) in self.0 {
            if let Err(why) = ptrace::detach(tid, signal) {
                tracing::debug!("{id} is gone: {why}");
            }
        }
    }
}

/// Processes as [`targets`] reads them.
pub fn words<'a>(all: impl Iterator<Item = &'a ProcessId>) -> Vec<String> {
    all.map(|it| format!("{}:{}", it.pid, it.started)).collect()
}
