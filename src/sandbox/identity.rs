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
        let (_, started_ticks) = stat(pid)?;
        Ok(Self { pid, started_ticks, boot_id: boot_id()? })
    }

    /// The identity of this process.
    pub fn own() -> io::Result<Self> {
        Self::of(rustix::process::getpid().as_raw_pid())
    }

    /// Whether it still runs. A zombie does not.
    pub fn alive(&self) -> bool {
        let same_boot = boot_id().is_ok_and(|it| it == self.boot_id);
        same_boot
            && stat(self.pid).is_ok_and(|(state, ticks)| {
                ticks == self.started_ticks && !matches!(state, 'Z' | 'X')
            })
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

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

fn stat(pid: i32) -> io::Result<(char, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?).ok_or_else(|| {
        io::Error::other(format!("/proc/{pid}/stat reads unlike any known kernel's"))
    })
}

/// State and start ticks. The name in parentheses may itself hold spaces and parentheses.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let ticks = fields.nth(18)?.parse().ok()?;
    Some((state, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(parse_stat(text), Some(('S', 4242)));
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
