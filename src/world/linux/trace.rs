//! Harms the system calls of others, as their tracer. When the tracer dies, the kernel lets them
//! go on as if it had never been.
#![expect(clippy::disallowed_methods, reason = "this is the wall: threads are looked up here")]

use std::{collections::BTreeMap, convert::Infallible, fs, time::Duration};

use rustix::{
    io::Errno,
    process::{Pid, WaitOptions, waitpid},
};

use crate::world::{
    calls::{Call, CallError, CallHarm},
    clock::Clock as _,
    dice::Dice,
    host::ProcessId,
    linux::{
        clock::LinuxClock,
        hold::{self, Counts},
        proc,
        ptrace::{self, At},
    },
    thread,
};

/// `PTRACE_EVENT_STOP`.
const EVENT_STOP: i32 = 128;
/// A stop at a call, told from a trap by `PTRACE_O_TRACESYSGOOD`.
const CALL_STOP: i32 = libc::SIGTRAP | 0x80;
/// How long is waited between two looks while calls are being delayed.
const LOOKS_EVERY: Duration = Duration::from_micros(500);

struct Tracer<'a> {
    harm: &'a CallHarm,
    dice: Dice,
    counts: Counts,
    /// Threads that wait, and until when.
    delayed: BTreeMap<i32, (Pid, u64)>,
    /// Threads whose answer is to be replaced.
    refused: BTreeMap<i32, i32>,
}

/// Traces until the kernel ends us, or nobody is left to be traced.
pub fn hold(targets: &[ProcessId], harm: &CallHarm) -> Result<Infallible, String> {
    let mut tracer = Tracer {
        harm,
        dice: Dice::new(harm.seed),
        counts: Counts::default(),
        delayed: BTreeMap::new(),
        refused: BTreeMap::new(),
    };
    for it in targets {
        seize(it)?;
    }
    hold::count(tracer.counts);
    loop {
        tracer.turn()?;
    }
}

/// Seizes all threads of a process; new ones may come while we do, until none is new.
fn seize(target: &ProcessId) -> Result<(), String> {
    let mut seized = BTreeMap::new();
    loop {
        let before = seized.len();
        let folder = format!("/proc/{}/task", target.pid);
        let all = fs::read_dir(&folder).map_err(|_| gone(target))?;
        let all = all.flatten().filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
        for id in all {
            let Some(thread) = Pid::from_raw(id).filter(|_| !seized.contains_key(&id)) else {
                continue;
            };
            match ptrace::seize(thread, ptrace::CALLS) {
                Ok(()) => seized.insert(id, Some(thread)),
                // It has ended meanwhile, or came from one that is traced, and so is, too.
                Err(Errno::SRCH) => seized.insert(id, None),
                Err(Errno::PERM) if before > 0 => seized.insert(id, None),
                Err(why) => return Err(refused(target, why)),
            };
        }
        if seized.len() == before {
            break;
        }
    }
    // Now that it is ours, its number cannot become another's.
    if proc::started(target.pid) != Some(target.started) {
        return Err(gone(target));
    }
    for thread in seized.into_values().flatten() {
        match ptrace::interrupt(thread) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(why) => return Err(refused(target, why)),
        }
    }
    Ok(())
}

fn gone(target: &ProcessId) -> String {
    format!("process {} is gone", target.pid)
}

fn refused(target: &ProcessId, why: Errno) -> String {
    let remedy = match why {
        Errno::PERM => {
            ": run as its user with kernel.yama.ptrace_scope 0, or with CAP_SYS_PTRACE; \
             and nobody else may trace it"
        }
        _ => "",
    };
    format!("could not trace process {}: {why}{remedy}", target.pid)
}

impl Tracer<'_> {
    /// Lets go who has waited long enough, and meets the next stop.
    fn turn(&mut self) -> Result<(), String> {
        let now = LinuxClock.now_us();
        let due: Vec<i32> =
            self.delayed.iter().filter(|it| it.1.1 <= now).map(|it| *it.0).collect();
        for id in due {
            if let Some((thread, _)) = self.delayed.remove(&id) {
                self.refuse_or_resume(thread)?;
            }
        }
        let mut options = ptrace::WALL;
        if !self.delayed.is_empty() {
            options |= WaitOptions::NOHANG;
        }
        match waitpid(None, options) {
            Ok(Some((thread, status))) => self.meet(thread, status.as_raw()),
            Ok(None) => {
                thread::nap(LOOKS_EVERY);
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            Err(Errno::CHILD) => Err("those that were traced have ended".to_owned()),
            Err(why) => Err(format!("could not wait for those that are traced: {why}")),
        }
    }

    fn meet(&mut self, thread: Pid, status: i32) -> Result<(), String> {
        let id = thread.as_raw_nonzero().get();
        let Some((signal, event)) = ptrace::stopped(status) else {
            self.delayed.remove(&id);
            self.refused.remove(&id);
            return Ok(());
        };
        if event == 0 && signal == CALL_STOP {
            return self.at_call(thread);
        }
        let done = match event {
            0 => ptrace::resume(thread, usize::try_from(signal).unwrap_or(0)),
            EVENT_STOP if signal != libc::SIGTRAP => ptrace::listen(thread),
            _ => ptrace::resume(thread, 0),
        };
        fine(done)
    }

    fn at_call(&mut self, thread: Pid) -> Result<(), String> {
        let id = thread.as_raw_nonzero().get();
        let at = match ptrace::at(thread) {
            Err(Errno::SRCH) => return Ok(()),
            Err(Errno::IO | Errno::INVAL) => {
                return Err("this kernel cannot say at which call a thread is: Linux 5.3 is \
                            needed (PTRACE_GET_SYSCALL_INFO)"
                    .to_owned());
            }
            it => it.map_err(|why| format!("could not look at a call: {why}"))?,
        };
        match at {
            At::Entry(number) if self.harm.calls.iter().any(|it| it.number() == number) => {
                let chosen = self.dice.below(100) < u64::from(self.harm.percent);
                self.counts.seen += 1;
                self.counts.harmed += u64::from(chosen);
                hold::count(self.counts);
                if !chosen {
                    return fine(ptrace::resume(thread, 0));
                }
                if self.harm.delay_us > 0 {
                    let due = LinuxClock.now_us() + self.harm.delay_us;
                    self.delayed.insert(id, (thread, due));
                    return Ok(());
                }
                self.refuse_or_resume(thread)
            }
            At::Exit if self.refused.contains_key(&id) => {
                let error = self.refused.remove(&id).unwrap_or(libc::EIO);
                fine(ptrace::answer(thread, error).and_then(|()| ptrace::resume(thread, 0)))
            }
            At::Entry(_) | At::Exit | At::Elsewhere => fine(ptrace::resume(thread, 0)),
        }
    }

    /// The end of what becomes of a call that was chosen.
    fn refuse_or_resume(&mut self, thread: Pid) -> Result<(), String> {
        let Some(error) = self.harm.error else { return fine(ptrace::resume(thread, 0)) };
        let call = match ptrace::at(thread) {
            Ok(At::Entry(number)) => self.harm.calls.iter().find(|it| it.number() == number),
            Ok(At::Exit | At::Elsewhere) | Err(_) => None,
        };
        if let Some(call) = call {
            match ptrace::refuse(thread, *call, error.number()) {
                Ok(true) => {
                    self.refused.insert(thread.as_raw_nonzero().get(), error.number());
                }
                Ok(false) => {}
                Err(why) => return fine(Err(why)),
            }
        }
        fine(ptrace::resume(thread, 0))
    }
}

/// A thread that was killed meanwhile is no error.
fn fine(done: Result<(), Errno>) -> Result<(), String> {
    match done {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(why) => Err(format!("could not go on tracing: {why}")),
    }
}

impl Call {
    /// Its number on this architecture.
    fn number(self) -> i64 {
        match self {
            Self::Accept => libc::SYS_accept,
            Self::Accept4 => libc::SYS_accept4,
            Self::Connect => libc::SYS_connect,
            Self::Fallocate => libc::SYS_fallocate,
            Self::Fdatasync => libc::SYS_fdatasync,
            Self::Fsync => libc::SYS_fsync,
            Self::Ftruncate => libc::SYS_ftruncate,
            Self::Openat => libc::SYS_openat,
            Self::Pread64 => libc::SYS_pread64,
            Self::Pwrite64 => libc::SYS_pwrite64,
            Self::Read => libc::SYS_read,
            Self::Readv => libc::SYS_readv,
            Self::Recvfrom => libc::SYS_recvfrom,
            Self::Recvmsg => libc::SYS_recvmsg,
            Self::Sendmsg => libc::SYS_sendmsg,
            Self::Sendto => libc::SYS_sendto,
            Self::Write => libc::SYS_write,
            Self::Writev => libc::SYS_writev,
        }
    }
}

impl CallError {
    /// Its number.
    fn number(self) -> i32 {
        match self {
            Self::Eacces => libc::EACCES,
            Self::Eagain => libc::EAGAIN,
            Self::Econnrefused => libc::ECONNREFUSED,
            Self::Econnreset => libc::ECONNRESET,
            Self::Edquot => libc::EDQUOT,
            Self::Ehostunreach => libc::EHOSTUNREACH,
            Self::Eintr => libc::EINTR,
            Self::Eio => libc::EIO,
            Self::Emfile => libc::EMFILE,
            Self::Enoent => libc::ENOENT,
            Self::Enomem => libc::ENOMEM,
            Self::Enospc => libc::ENOSPC,
            Self::Epipe => libc::EPIPE,
            Self::Erofs => libc::EROFS,
            Self::Etimedout => libc::ETIMEDOUT,
        }
    }
}
