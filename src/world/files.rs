//! Files that are looked into without being changed, on a thread that may hang with them.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::world::host::HostError;

/// What a file is at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Which file, whatever its name: device and inode.
    pub which: (u64, u64),
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, in microseconds of the wall clock.
    pub modified_us: u64,
}

/// A file that stays the same one, whatever becomes of its name.
pub trait Opened: Send + Sync {
    /// What it is now.
    fn state(&self) -> BoxFuture<'_, Result<FileState, HostError>>;
    /// At most `max` bytes from `from` on; fewer only at its end.
    fn piece(&self, from: u64, max: usize) -> BoxFuture<'_, Result<Vec<u8>, HostError>>;
}

/// An open file.
pub type File = Arc<dyn Opened>;
