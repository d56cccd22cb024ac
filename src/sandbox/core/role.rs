//! What a core is: primary or standby, since which epoch, of whom. A small durable file.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::sandbox::book::replace;

/// The two parts a core can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    /// Takes writes.
    Primary,
    /// Copies a primary.
    Standby,
}

impl Part {
    /// The word in answers and metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
        }
    }
}

/// The durable state of a core beside its ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Role {
    /// What it plays.
    pub(super) part: Part,
    /// The newest epoch it has taken part in.
    pub(super) epoch: u64,
    /// Whom a standby copies.
    pub(super) primary: Option<Primary>,
}

/// The primary of a standby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Primary {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its name, to find it again when it had to move.
    pub(super) name: Option<String>,
}

/// Where a core's role is kept.
pub(super) fn file(home: &Path) -> PathBuf {
    home.join("role.json")
}

impl Role {
    /// Reads it; nothing if this core never ran.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|why| {
                let said = format!("{} is no role: {why}", path.display());
                io::Error::new(io::ErrorKind::InvalidData, said)
            }),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Writes it durably.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).expect("a role has only text keys");
        replace(path, &text)
    }
}
