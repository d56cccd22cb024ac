//! System calls that can be made to fail, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A system call, as the kernel names it. Each takes a descriptor or a path, and does nothing when
/// it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Takes a connection.
    Accept,
    /// Takes a connection.
    Accept4,
    /// Connects.
    Connect,
    /// Reserves room in a file.
    Fallocate,
    /// Puts a file's bytes on disk.
    Fdatasync,
    /// Puts a file on disk.
    Fsync,
    /// Cuts or extends a file.
    Ftruncate,
    /// Opens a file.
    Openat,
    /// Reads at a place.
    Pread64,
    /// Writes at a place.
    Pwrite64,
    /// Reads.
    Read,
    /// Reads in pieces.
    Readv,
    /// Gets from a socket.
    Recvfrom,
    /// Gets from a socket.
    Recvmsg,
    /// Sends to a socket.
    Sendmsg,
    /// Sends to a socket.
    Sendto,
    /// Writes.
    Write,
    /// Writes in pieces.
    Writev,
}

/// What a call says when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CallError {
    /// Not permitted.
    Eacces,
    /// Try again.
    Eagain,
    /// Refused by the other side.
    Econnrefused,
    /// Reset by the other side.
    Econnreset,
    /// Over quota.
    Edquot,
    /// No way to the other side.
    Ehostunreach,
    /// Interrupted.
    Eintr,
    /// The device failed.
    Eio,
    /// No descriptors are left.
    Emfile,
    /// It is not there.
    Enoent,
    /// No memory is left.
    Enomem,
    /// No room is left.
    Enospc,
    /// The other side is gone.
    Epipe,
    /// Nothing may be written here.
    Erofs,
    /// Nobody answers.
    Etimedout,
}

/// What becomes of calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallHarm {
    /// Which.
    pub calls: Vec<Call>,
    /// How many of a hundred.
    pub percent: u8,
    /// They wait so long first, in microseconds.
    pub delay_us: u64,
    /// They fail, and do nothing.
    pub error: Option<CallError>,
    /// Whence chance comes.
    pub seed: u64,
}
