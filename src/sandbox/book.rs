//! The address book `sandbox.json`: which processes there are, where, and under which settings.
//!
//! Each process writes its own line, under a lock and by rename, before it answers. So the book
//! names every process of the sandbox even when whoever started it was killed half-way.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{
    calendar::{CutOff, Since},
    identity::Identity,
};

/// The file's name in the sandbox's folder.
pub const FILE: &str = "sandbox.json";
/// The version that this program writes.
pub const VERSION: u32 = 1;
/// Every process there can be, in the order in which they start.
pub const NAMES: [&str; 9] =
    ["names", "kyc", "sanctions", "core-a", "core-b", "gateway", "branch", "batch", "load"];

/// Settings and processes of one sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// [`VERSION`].
    pub version: u32,
    /// When the primary core acknowledges.
    pub replication: Replication,
    /// How long an entry is on its way from the primary to the standby.
    pub link_delay_ms: u64,
    /// From when on payments belong to the next business day.
    pub cut_off: CutOff,
    /// Payments a second by the load generator, 0 for none.
    pub rate: u32,
    /// There is a batch beside the payments.
    #[serde(default)]
    pub batch: bool,
    /// There is a second gateway, at a branch.
    #[serde(default)]
    pub branch: bool,
    /// Where the bank's own name server listens, whom gateways ask where the KYC provider is.
    #[serde(default)]
    pub names: Option<SocketAddr>,
    /// From when on the bank's time is counted; none counts the machine's own.
    #[serde(default)]
    pub since: Option<Since>,
    /// Where the gateway posts its business events.
    pub events_url: Option<String>,
    /// The processes that were started, by name.
    pub processes: BTreeMap<String, Process>,
}

/// One process of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its number.
    pub pid: i32,
    /// Its start, in ticks since the boot.
    pub started_ticks: u64,
    /// The boot in which it ran.
    pub boot_id: String,
    /// What it says.
    pub log: PathBuf,
    /// It was stopped on purpose.
    #[serde(default)]
    pub stopped: bool,
}

/// When a primary acknowledges an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replication {
    /// When the entry is on its own disk.
    Async,
    /// When the entry is on the standby's disk too.
    Sync,
}

/// Why a text is no kind of replication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of replication: write `async` or `sync`")]
pub struct ReplicationError(String);

impl FromStr for Replication {
    type Err = ReplicationError;

    fn from_str(text: &str) -> Result<Self, ReplicationError> {
        match text {
            "async" => Ok(Self::Async),
            "sync" => Ok(Self::Sync),
            _ => Err(ReplicationError(text.to_owned())),
        }
    }
}

impl Process {
    /// Which process it is.
    pub fn identity(&self) -> Identity {
        Identity { pid: self.pid, started_ticks: self.started_ticks, boot_id: self.boot_id.clone() }
    }
}

impl Book {
    /// Reads the book of the sandbox in this folder; `NotFound` if there is none.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let text = fs::read(dir.join(FILE))?;
        let book: Self = serde_json::from_slice(&text).map_err(|why| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{FILE} is no address book: {}", why.to_string().escape_debug()),
            )
        })?;
        if book.version != VERSION {
            let said = format!("{FILE} has version {}, not {VERSION}", book.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        }
        Ok(book)
    }

    /// Writes a new book, whatever was there.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let _lock = lock(dir)?;
        replace(&dir.join(FILE), &pretty(self))
    }

    /// Changes the book under its lock.
    pub fn update(dir: &Path, change: impl FnOnce(&mut Self)) -> io::Result<Self> {
        let _lock = lock(dir)?;
        let mut book = Self::read(dir)?;
        change(&mut book);
        replace(&dir.join(FILE), &pretty(&book))?;
        Ok(book)
    }

    /// Where a process listens, if it was ever started.
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        self.processes.get(name).map(|it| it.address)
    }

    /// Which process listens there.
    pub fn name_of(&self, address: SocketAddr) -> Option<&str> {
        let found = self.processes.iter().find(|(_, it)| it.address == address);
        found.map(|(name, _)| name.as_str())
    }
}

fn pretty(book: &Book) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(book).expect("a book has only text keys");
    text.push(b'\n');
    text
}

fn lock(dir: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(dir.join("sandbox.lock"))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Replaces a small file durably: the old or the new content, never a mixture.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file lives in a folder"))?;
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}
