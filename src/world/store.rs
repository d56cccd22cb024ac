//! Where a journal's bytes go.

use crate::world::host::HostError;

/// An append-only file.
pub trait Store: Send {
    /// Appends `bytes`, wholly or not at all as far as a reader is concerned.
    fn append(&mut self, bytes: &[u8], care: Care) -> Result<(), HostError>;
}

/// How much depends on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// A measurement: it may be lost with the machine.
    Loose,
    /// It is on disk with the next line that is: alone it means nothing to who goes back.
    Soon,
    /// When `append` returns, it would survive a power cut.
    Sync,
    /// The same, and there is room on disk for what going back will have to say.
    Ahead,
}
