//! A child of ours that serves for a while: started, heard once, and ended.
#![expect(clippy::disallowed_types, reason = "this is the wall: a child is started here")]

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
    process::{Pid, Signal, kill_process},
};

use crate::world::{host::HostError, thread};

/// How long it may take to say its first line.
const FIRST_MAX: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// How long it may take to end when it is asked to: looks, and the time between two.
const ENDS: (u32, Duration) = (300, Duration::from_millis(10));

/// The child. It is killed when dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    first: String,
    left: bool,
}

impl Served {
    /// Starts `program`, in a process group of its own so that a key press at our terminal does not
    /// reach it, and waits for its first line. What it complains of goes to the file `log`.
    pub fn start(program: &Path, args: &[&str], log: &Path) -> Result<Self, HostError> {
        let what = || format!("start `{}`", args.join(" "));
        let no = |why: std::io::Error| HostError::os(what(), why);
        let child = Command::new(program)
            .args(args)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).map_err(no)?)
            .spawn()
            .map_err(no)?;
        let mut served = Self { child, first: String::new(), left: false };
        let Some(out) = served.child.stdout.take() else {
            return Err(HostError::os(what(), "it has no output"));
        };
        let mut fds = [PollFd::new(&out, PollFlags::IN)];
        let heard = retry_on_intr(|| poll(&mut fds, Some(&FIRST_MAX)));
        heard.map_err(|why| no(why.into()))?;
        if fds.iter().all(|it| it.revents().contains(PollFlags::IN)) {
            BufReader::new(out).read_line(&mut served.first).map_err(no)?;
        }
        if served.first.is_empty() {
            return Err(HostError::os(what(), format!("it says nothing; see {}", log.display())));
        }
        Ok(served)
    }

    /// Its first line, without the end of the line.
    pub fn first(&self) -> &str {
        self.first.trim_end()
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it go on without us.
    pub fn leave(mut self) {
        self.left = true;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It is our child and not yet waited for, so its number is still its own.
        let asked = pid.is_some_and(|it| kill_process(it, Signal::TERM).is_ok());
        for _ in 0..if asked { ENDS.0 } else { 0 } {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::nap(ENDS.1);
        }
        if let Err(why) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!("process {} cannot be ended: {why}", self.child.id());
        }
    }
}
