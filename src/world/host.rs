//! One machine: its processes, files and commands. Every effect is here, so that a test can cut the
//! power before, within or after any of them.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::world::{fabric::Fabric, files::File, secrets::Secrets};

/// A process that cannot be mistaken for a later one with the same number: ticks repeat from boot
/// to boot, so the boot belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessId {
    /// The number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The boot, as the kernel names it.
    pub boot: String,
}

/// A process as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Which.
    pub id: ProcessId,
    /// Its name, at most 15 bytes, as the kernel keeps it.
    pub name: String,
    /// Its command line.
    pub args: Vec<String>,
    /// It is stopped (by a signal or a tracer).
    pub stopped: bool,
}

/// What a run's guardian calls itself on its command line.
pub const GUARD: &str = "holdfast-guard";
/// What a held child calls itself on its command line.
pub const HOLD: &str = "holdfast-hold";

impl Process {
    /// It is this program, and not one of the sandbox's processes, which are there to be hurt.
    pub fn is_of_this_program(&self) -> bool {
        let at_work = |it: &String| matches!(it.as_str(), "agent" | "chaos" | "drill" | "recover");
        self.name == env!("CARGO_PKG_NAME") && self.args.iter().skip(1).any(at_work)
    }

    /// It serves a run, ours or another's, and is nobody's target.
    pub fn serves_a_run(&self) -> bool {
        self.args.first().is_some_and(|it| it == GUARD || it == HOLD)
    }

    /// The mark that it bears; none if it is no held child of anybody.
    pub fn mark(&self) -> Option<&str> {
        self.args.first().filter(|it| *it == HOLD)?;
        self.args.iter().skip_while(|it| *it != "--mark").nth(1).map(String::as_str)
    }
}

/// The signals that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// Go on.
    Cont,
    /// Interrupt.
    Int,
    /// End at once.
    Kill,
    /// Stop, without a say.
    Stop,
    /// End, please.
    Term,
}

impl Signal {
    /// As `kill` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cont => "CONT",
            Self::Int => "INT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Term => "TERM",
        }
    }
}

/// Whether a signal, or whatever is done to one process, found its target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sent {
    /// It was delivered.
    Delivered,
    /// That process is gone; a later one with its number was left alone.
    #[default]
    Gone,
}

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// The last bytes of what it said, both streams.
    pub said: String,
    /// The last bytes of what it said on its standard output.
    pub output: String,
}

/// What a held child last said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Nothing yet.
    #[default]
    Nothing,
    /// What it holds stands; with what it has seen of it so far.
    Stands(String),
    /// It cannot hold it, and why.
    Failed(String),
}

/// Why the host did not do it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The power went (only a simulated host says so).
    #[error("the power was cut")]
    PowerCut,
    /// The operating system said no.
    #[error("could not {what}: {why}")]
    Os {
        /// What was tried, as the rest of "could not".
        what: String,
        /// Why not.
        why: String,
    },
    /// It took too long.
    #[error("could not {what}: it did not end within {after:?}")]
    TooLong {
        /// What was tried.
        what: String,
        /// The limit.
        after: Duration,
    },
}

impl HostError {
    /// From the operating system's answer.
    pub fn os(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Os { what: what.into(), why: why.to_string() }
    }
}

/// What can be done to a machine, and seen of it. Effects are idempotent: twice is once.
pub trait Host: Fabric {
    /// The boot, as the kernel names it.
    fn boot(&self) -> String;
    /// All processes, by number.
    fn processes(&self) -> Result<Vec<Process>, HostError>;
    /// One process; none if it is gone.
    fn process(&self, who: &ProcessId) -> Result<Option<Process>, HostError>;
    /// The process with this number, whoever it is.
    fn by_number(&self, pid: u32) -> Result<Option<Process>, HostError>;
    /// Numbers of processes that nothing may ever be done to: pid 1, this process, its parents.
    fn protected(&self) -> Vec<u32>;
    /// Numbers of processes that listen for TCP connections on this port.
    fn listeners(&self, port: u16) -> Result<Vec<u32>, HostError>;
    /// The paths of a process's control groups, one a hierarchy; none if it is gone.
    fn cgroups(&self, pid: u32) -> Result<Vec<String>, HostError>;
    /// The number of the user that a process runs as; none if it is gone.
    fn user(&self, pid: u32) -> Result<Option<u32>, HostError>;
    /// Sends a signal to exactly this process.
    fn signal(&self, who: &ProcessId, signal: Signal) -> Result<Sent, HostError>;
    /// A file's bytes; none if it is not there.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Opens a file, of whatever size, to look into it; none if it is not there.
    fn open(&self, path: String) -> BoxFuture<'_, Result<Option<File>, HostError>>;
    /// Replaces a file's bytes, all at once, on disk when it returns.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), HostError>;
    /// The same, alone: while nobody else holds the lock of `PATH.lock` (flock(2)). Whoever reads
    /// the file before an act, and holds the lock in common until the act is done, is then sure to
    /// act by what is written now. Gives up after a quarter of a second.
    fn write_alone(&self, path: &str, bytes: &[u8]) -> Result<(), HostError>;
    /// Removes a file; a file that is gone is no error.
    fn remove(&self, path: &str) -> Result<(), HostError>;
    /// Removes a folder of ours and all that is in it; one that is gone is no error.
    fn remove_tree(&self, path: &str) -> Result<(), HostError>;
    /// Starts a child of ours that does the held part of the fault `kind` and dies with us. It
    /// bears `mark`.
    fn hold(&self, kind: &str, mark: &str, args: &[String]) -> Result<ProcessId, HostError>;
    /// Children that bear `mark`, whoever started them.
    fn held(&self, mark: &str) -> Result<Vec<ProcessId>, HostError>;
    /// What a held child of this very process last said of itself; nothing, if it is another's.
    fn told(&self, who: &ProcessId) -> Told;
    /// Processor time that a process has used, in microseconds; none if it is gone.
    fn cpu_us(&self, who: &ProcessId) -> Result<Option<u64>, HostError>;
    /// The same machine; the commands that it runs are given these secrets where they name them.
    fn knowing(&self, secrets: &Arc<Secrets>) -> Arc<dyn Host>;
    /// Runs a command to its end, without a shell. As in a shell, words `NAME=VALUE` before the
    /// program go into its environment, where other users do not see them.
    fn command(
        &self,
        argv: Vec<String>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Finished, HostError>>;
    /// Runs a command that only looks.
    fn asked(
        &self,
        argv: Vec<String>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Finished, HostError>>;
}
