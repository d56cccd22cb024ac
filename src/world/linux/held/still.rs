//! Holds other processes still by tracing them: whatever becomes of us, the kernel lets them go.
//!
//! A tracer is a *thread* (ptrace(2)): all of this is done by the child's one thread.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the wall: a held child touches the real machine here"
)]

use std::{collections::BTreeMap, convert::Infallible, fs, time::Duration};

use nix::{
    errno::Errno,
    sys::{
        ptrace,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use super::stands;
use crate::world::{host::ProcessId, linux::proc, thread};

/// How often it is looked whether a target died, or has made new threads.
const EVERY: Duration = Duration::from_millis(5);
/// One turn of running and standing still.
const TURN_MS: u64 = 100;

/// One process: its number, and when it started in ticks.
pub type Target = (i32, u64);

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

/// Threads that stand still, and a signal that each was about to get.
#[derive(Default)]
struct Still(BTreeMap<Pid, Option<Signal>>);

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
                let Some(tid) = task.file_name().to_str().and_then(|it| it.parse().ok()) else {
                    continue;
                };
                let tid = Pid::from_raw(tid);
                if self.0.contains_key(&tid) {
                    continue;
                }
                match ptrace::seize(tid, ptrace::Options::empty()) {
                    Ok(()) => {}
                    Err(Errno::ESRCH) => continue,
                    Err(why) => return Err(no(why.desc())),
                }
                new = true;
                // It cannot change its identity under us any more.
                if !is(pid, started) {
                    self.0.insert(tid, None);
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
        loop {
            let signal = match waitpid(tid, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
                Ok(WaitStatus::PtraceEvent(..) | WaitStatus::PtraceSyscall(_)) => None,
                Ok(WaitStatus::Continued(_) | WaitStatus::StillAlive) | Err(Errno::EINTR) => {
                    continue;
                }
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => return,
            };
            self.0.insert(tid, signal);
            return;
        }
    }

    /// Takes leave of those that were killed.
    fn bury(&mut self) {
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
        while let Ok(WaitStatus::Exited(it, _) | WaitStatus::Signaled(it, ..)) =
            waitpid(None::<Pid>, Some(flags))
        {
            self.0.remove(&it);
        }
    }

    /// Lets them run, with the signal that each was about to get.
    fn let_go(self) {
        for (tid, signal) in self.0 {
            if let Err(why) = ptrace::detach(tid, signal) {
                tracing::debug!("{tid} is gone: {why}");
            }
        }
    }
}

fn is(pid: i32, started: u64) -> bool {
    let text = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    proc::stat(&String::from_utf8_lossy(&text)).is_some_and(|it| it.started == started)
}

/// Processes as [`targets`] reads them.
pub fn words<'a>(all: impl Iterator<Item = &'a ProcessId>) -> Vec<String> {
    all.map(|it| format!("{}:{}", it.pid, it.started)).collect()
}
