//! What a machine is made of: space on its file systems, files as they lie there, limits, and
//! groups of processes. The other half of a [`Host`](crate::world::host::Host).

use serde::{Deserialize, Serialize};

use crate::world::host::{HostError, ProcessId, Sent};

/// What a file system has, as `df` tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes that are taken.
    pub used: u64,
    /// Bytes that an ordinary user may still take.
    pub free: u64,
    /// Bytes that are taken or kept back for root from what is free.
    pub total: u64,
    /// Inodes; 0 where the file system does not count them.
    pub inodes: u64,
    /// Inodes that may still be taken.
    pub inodes_free: u64,
    /// Its device: major and minor number.
    pub device: (u32, u32),
}

/// A file as it lies there. Symbolic links are not followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What tells it from every other file, and from itself after a change: device, inode, size
    /// and time of the last change to its content.
    pub stamp: String,
    /// Its permissions, the lowest twelve bits of its mode.
    pub mode: u32,
    /// Its length in bytes.
    pub size: u64,
    /// It is an ordinary file.
    pub plain: bool,
}

/// What can be done to the fabric of a machine, and seen of it. Effects are idempotent.
pub trait Fabric: Send + Sync {
    /// The file system that `path` lies on.
    fn space(&self, path: &str) -> Result<Space, HostError>;
    /// A file as it lies there; none if nothing does.
    fn facts(&self, path: &str) -> Result<Option<Facts>, HostError>;
    /// The names in a folder, in no order; none if nothing is there.
    fn names(&self, path: &str) -> Result<Option<Vec<String>>, HostError>;
    /// Whether this process may write to what is there (access(2), with our own rights).
    fn may_write(&self, path: &str) -> bool;
    /// Whether the kernel lets this process send that one signals (kill(2) with signal 0), and if
    /// not, why.
    fn may_signal(&self, who: &ProcessId) -> Result<(), String>;
    /// Whether the kernel lets this process hold that one still (ptrace(2)), and if not, why.
    fn may_trace(&self, who: &ProcessId) -> Result<(), String>;
    /// Sets how many descriptors that process may open; the hard limit stays.
    fn limit_files(&self, who: &ProcessId, soft: u64) -> Result<Sent, HostError>;
    /// Makes a folder; one that is there is no error.
    fn make_folder(&self, path: &str) -> Result<(), HostError>;
    /// Every control group there is, by its folder.
    fn groups(&self) -> Result<Vec<String>, HostError>;
    /// Removes an empty folder; one that is gone is no error.
    fn remove_folder(&self, path: &str) -> Result<(), HostError>;
    /// Says one thing to a file of the kernel's, in one write.
    fn set(&self, path: &str, text: &str) -> Result<(), HostError>;
    /// Moves exactly this process into the group whose folder is `group`.
    fn enlist(&self, group: &str, who: &ProcessId) -> Result<Sent, HostError>;
    /// Sets the permissions of a file.
    fn set_mode(&self, path: &str, mode: u32) -> Result<(), HostError>;
    /// Moves a file to a place where nothing is; a file that is gone is no error.
    fn shift(&self, from: &str, to: &str) -> Result<(), HostError>;
    /// Makes two files take each other's place, at one instant.
    fn exchange(&self, one: &str, other: &str) -> Result<(), HostError>;
    /// Makes a file that has the owner and the permissions of `like`. Nothing may be there.
    fn make_like(&self, path: &str, like: &str, bytes: &[u8]) -> Result<(), HostError>;
}
