//! Which process is meant: its number, its start ticks and the boot in which it ran.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]

use std::{fs, io, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the boot (`/proc/PID/stat`, field 22).
    pub started_ticks: u64,
    /// The boot's id: ticks repeat from boot to boot.
    pub boot_id: String,
}

impl Identity {
    /// The identity of the process that now bears this number; an error if there is none.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, started_ticks: stat(pid)?.started_ticks, boot_id: boot_id()? })
    }

    /// The identity of this process.
    pub fn own() -> io::Result<Self> {
        Self::of(rustix::process::getpid().as_raw_pid())
    }

    /// Whether any thread of it still runs. A zombie that waits to be reaped does not.
    pub fn alive(&self) -> bool {
        let same_boot = boot_id().is_ok_and(|it| it == self.boot_id);
        same_boot
            && stat(self.pid).is_ok_and(|it| it.started_ticks == self.started_ticks && !it.ended)
    }

    /// Sends a signal to this process and to no other; `false` if it is gone.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(false) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            Err(why) => return Err(why.into()),
        };
        // The handle is open: if the identity holds now, the signal cannot reach another process.
        if !self.alive() {
            return Ok(false);
        }
        match pidfd_send_signal(handle, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(why) => Err(why.into()),
        }
    }

    /// Waits until it is gone, at most so long; `false` if it still runs.
    pub async fn gone(&self, within: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + within;
        while self.alive() {
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }
}

/// Which boot of the machine this is.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    ended: bool,
    started_ticks: u64,
}

fn stat(pid: i32) -> io::Result<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or_else(|| {
        io::Error::other(format!("/proc/{pid}/stat reads unlike any known kernel's"))
    })
}

/// The name in parentheses may itself hold spaces and parentheses. A first thread that is a
/// zombie says nothing while others live: they still hold locks and sockets.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u32 = fields.nth(16)?.parse().ok()?;
    let started_ticks = fields.nth(1)?.parse().ok()?;
    Some(Stat { ended: matches!(state, "Z" | "X") && threads <= 1, started_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let parse = |state: &str, threads: u32| {
            let rest = "1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0";
            parse_stat(&format!("7 (a) b) {state} {rest} {threads} 0 4242 1 1"))
        };
        assert_eq!(parse("S", 1), Some(Stat { ended: false, started_ticks: 4242 }));
        assert_eq!(parse("Z", 1), Some(Stat { ended: true, started_ticks: 4242 }));
        assert_eq!(parse("Z", 2), Some(Stat { ended: false, started_ticks: 4242 }));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[test]
    fn another_start_is_another_process() {
        let me = Identity::own().unwrap();
        assert!(me.alive());
        let other = Identity { started_ticks: me.started_ticks + 1, ..me };
        assert!(!other.alive());
        assert!(!other.signal(Signal::KILL).unwrap());
    }
}
