//! One process watches another: a pipe that is written to while all is well, a handle that tells
//! when the other dies, and signals that ask to stop.
#![expect(clippy::disallowed_types, reason = "this is the wall: the guardian is started here")]

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::retry_on_intr,
    process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal, setsid},
};
use tokio::{
    io::unix::AsyncFd,
    net::unix::pipe::Receiver,
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use crate::world::host::{GUARD, HostError};

/// How long a watcher may take to be ready.
const READY_MAX: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// How long a watcher may take to go home.
const GONE_MAX: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// What the watched one writes while all is well.
const BEAT: u8 = b'b';
/// What it writes when it is done and there is nothing to go back for.
const DONE: u8 = b'q';

/// The watcher, as the one who is watched has it.
#[derive(Debug)]
pub struct Watcher {
    child: Child,
    pipe: ChildStdin,
}

impl Watcher {
    /// Starts `program` with `args` in a session of its own, and returns when it watches.
    pub fn start(program: &Path, args: &[String]) -> Result<Self, HostError> {
        let no = |why: std::io::Error| HostError::os("start the guardian", why);
        let mut child = Command::new(program)
            .arg0(GUARD)
            .args(args)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(no)?;
        let (Some(pipe), Some(mut ready)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(HostError::os("start the guardian", "it has no pipes"));
        };
        let mut fds = [PollFd::new(&ready, PollFlags::IN)];
        // A signal to us is somebody else's to hear, and no reason to give up.
        let heard = retry_on_intr(|| poll(&mut fds, Some(&READY_MAX)));
        let heard = heard.map_err(|why| no(why.into()))?;
        let mut byte = [0];
        if heard == 0 || ready.read_exact(&mut byte).is_err() {
            child.kill().map_err(no)?;
            child.wait().map_err(no)?;
            return Err(HostError::os("start the guardian", "it did not say that it watches"));
        }
        let flags = fcntl_getfl(&pipe).map_err(|why| no(why.into()))?;
        // A watcher that does not read must not hold us up.
        fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).map_err(|why| no(why.into()))?;
        Ok(Self { child, pipe })
    }

    /// Says that all is well. False if nobody hears it any more.
    pub fn beat(&mut self) -> bool {
        match self.pipe.write_all(&[BEAT]) {
            Ok(()) => true,
            Err(why) => why.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it home, and waits until it is gone.
    pub fn dismiss(mut self) {
        if let Err(why) = self.pipe.write_all(&[DONE]) {
            tracing::debug!("the guardian does not hear: {why}");
        }
        drop(self.pipe);
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let ends = |it: OwnedFd| {
            let mut fds = [PollFd::new(&it, PollFlags::IN)];
            poll(&mut fds, Some(&GONE_MAX)).is_ok_and(|n| n > 0)
        };
        // One that somebody has stopped, or that hangs, must not hold us up for ever.
        if !pid.and_then(|it| pidfd_open(it, PidfdFlags::empty()).ok()).is_some_and(ends)
            && let Err(why) = self.child.kill()
        {
            tracing::warn!("the guardian cannot be sent home: {why}");
        }
        if let Err(why) = self.child.wait() {
            tracing::warn!("the guardian cannot be waited for: {why}");
        }
    }
}

/// Why a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The other was done.
    Done,
    /// The other died.
    Died,
    /// The other has not been heard of for the length of the lease.
    Hung,
    /// We were told to stop.
    Told,
}

impl Over {
    /// In words, after "the runner ".
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "was done",
            Self::Died => "died",
            Self::Hung => "hung",
            Self::Told => "lost its guardian, which was told to stop",
        }
    }
}

/// The watch, as the watcher has it.
pub struct Watch {
    other: AsyncFd<OwnedFd>,
    pipe: Receiver,
    lease: Duration,
}

impl Watch {
    /// Leaves the session of process `parent`, which is to be watched, and says ready. Call it
    /// within a tokio runtime.
    pub fn begin(parent: u32, lease: Duration) -> Result<Self, HostError> {
        let no = |why: std::io::Error| HostError::os("watch the runner", why);
        // One who leads a session already needs no other.
        if let Err(why) = setsid() {
            tracing::debug!("no session of our own: {why}");
        }
        let pid = getppid().filter(|it| u32::try_from(it.as_raw_nonzero().get()) == Ok(parent));
        let pid: Pid = pid.ok_or_else(|| no(std::io::Error::other("it is gone already")))?;
        let other = pidfd_open(pid, PidfdFlags::empty()).map_err(|why| no(why.into()))?;
        let other = in_runtime(other).map_err(no)?;
        let pipe = rustix::io::dup(std::io::stdin()).map_err(|why| no(why.into()))?;
        let pipe = Receiver::from_owned_fd(pipe).map_err(no)?;
        let mut out = std::io::stdout();
        out.write_all(b"r").and_then(|()| out.flush()).map_err(no)?;
        Ok(Self { other, pipe, lease })
    }

    /// Watches until there is something to do.
    pub async fn wait(&mut self) -> Result<Over, HostError> {
        let no = |why: std::io::Error| HostError::os("watch the runner", why);
        let mut term = signal(SignalKind::terminate()).map_err(no)?;
        let mut int = signal(SignalKind::interrupt()).map_err(no)?;
        let mut hup = signal(SignalKind::hangup()).map_err(no)?;
        let mut last = Instant::now();
        loop {
            let mut some = [0; 64];
            tokio::select! {
                biased;
                read = tokio::io::AsyncReadExt::read(&mut self.pipe, &mut some) => match read {
                    Ok(0) | Err(_) => return Ok(Over::Died),
                    Ok(n) if some.iter().take(n).any(|it| *it == DONE) => return Ok(Over::Done),
                    Ok(_) => last = Instant::now(),
                },
                _ = self.other.readable() => return Ok(Over::Died),
                _ = term.recv() => return Ok(Over::Told),
                _ = int.recv() => return Ok(Over::Told),
                _ = hup.recv() => return Ok(Over::Told),
                () = tokio::time::sleep_until(last + self.lease) => return Ok(Over::Hung),
            }
        }
    }

    /// Watches for at most `length` more; the other is not heard of, or lives on: told to stop.
    pub async fn wait_within(&mut self, length: Duration) -> Result<Over, HostError> {
        let deadline = Instant::now() + length;
        loop {
            match tokio::time::timeout_at(deadline, self.wait()).await {
                Ok(Ok(Over::Told)) => {}
                Ok(over) => return over,
                Err(_) => return Ok(Over::Told),
            }
        }
    }

    /// Waits at most so long for the other to end by itself; true if it did.
    pub async fn ends_within(&mut self, length: Duration) -> bool {
        tokio::time::timeout(length, self.other.readable()).await.is_ok()
    }

    /// Kills the other: one that hangs must never wake up and go on.
    pub fn fence(&self) {
        match pidfd_send_signal(&self.other, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(why) => tracing::error!("the runner cannot be killed: {why}"),
        }
    }
}

#[expect(
    deprecated,
    reason = "what it is deprecated for is a type whose descriptor changes under it, and an OwnedFd's \
              does not; the other way is unsafe"
)]
fn in_runtime(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}
