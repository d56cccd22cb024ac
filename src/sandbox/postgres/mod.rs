//! A PostgreSQL primary and its standby, for drills: real servers, unprivileged, on loopback.
//!
//! ```text
//! postgres.json     who there is, and where
//! password          of the administrator `keeper`, over TCP
//! a/ b/ restored/   a server each: data, socket, log
//! base/ archive/    the base backup, and the WAL since
//! pg-front/ pg-link/   relays: where clients connect, and the slow way to the standby
//! ```

pub mod pair;
pub mod rejoin;
pub(super) mod relay;
pub mod restore;
pub mod server;
pub mod tools;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{book::Replication, identity::Identity};

/// The administrator of every server of a pair.
pub const USER: &str = "keeper";
/// The book's name in the pair's folder.
pub const FILE: &str = "postgres.json";
/// The servers that there can be.
pub const SERVERS: [&str; 3] = ["a", "b", "restored"];
/// The relay where clients connect.
pub const FRONT: &str = "pg-front";
/// The relay between primary and standby, which can be slow.
pub const LINK: &str = "pg-link";
/// The oldest version that drills can be played on.
pub const OLDEST: u32 = 15;

/// All that is known of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// 1.
    pub version: u32,
    /// The folder of all of it. Servers refuse to be root, so that root's pairs stand where their
    /// user may go.
    pub home: PathBuf,
    /// The folder of the server's programs.
    pub tools: PathBuf,
    /// The server's version, such as `15.8`.
    pub server_version: String,
    /// Number of the user and the group that servers run as, where that is not our own.
    pub runs_as: Option<(u32, u32)>,
    /// When the primary acknowledges.
    pub replication: Replication,
    /// How long bytes are on their way from the primary to the standby.
    pub link_delay_ms: u64,
    /// The servers' ports, by name.
    pub ports: BTreeMap<String, u16>,
    /// Sets this pair's processes apart from all others'.
    pub mark: String,
    /// The relays, by name.
    pub relays: BTreeMap<String, Relay>,
}

/// A relay of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    /// Where its way is told and changed, over HTTP: `GET` and `PUT /route`.
    pub control: u16,
    /// Which process it is.
    pub process: Option<Identity>,
}

/// Why a pair is not as it was asked to be.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// There is no PostgreSQL, or too old a one.
    #[error("{0}; PostgreSQL {OLDEST} or newer is needed: apt-get install postgresql")]
    NoPostgres(String),
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(String),
    /// It runs already.
    #[error("{0} runs already")]
    AlreadyUp(String),
    /// There is no pair.
    #[error("there is no pair in {0}: `holdfast sandbox postgres up` makes one")]
    NoPair(PathBuf),
    /// A server or a tool of its did not do what it should.
    #[error("could not {what}: {why}")]
    Failed {
        /// What was tried.
        what: String,
        /// What it said.
        why: String,
    },
    /// Files or processes would not.
    #[error("could not {what}: {why}")]
    Io {
        /// What was tried.
        what: String,
        /// What went wrong.
        why: io::Error,
    },
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> PairError {
    let what = what.into();
    move |why| PairError::Io { what, why }
}

fn failed(what: impl Into<String>, why: impl Into<String>) -> PairError {
    PairError::Failed { what: what.into(), why: why.into() }
}

impl Book {
    /// The folder of one server: its socket and its log are here, its data below.
    pub fn server(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A server's data.
    pub fn data(&self, name: &str) -> PathBuf {
        self.server(name).join("data")
    }

    /// The name by which all processes of a server go in lists of processes.
    pub fn cluster(&self, name: &str) -> String {
        format!("hf-{name}-{}", self.mark)
    }

    /// A server's port.
    pub fn port(&self, name: &str) -> Result<u16, PairError> {
        self.ports.get(name).copied().ok_or_else(|| {
            let all = SERVERS.join(", ");
            PairError::Setting(format!("`{name}` is no server of the pair: it has {all}"))
        })
    }

    /// How the server's own tools find it: by its socket, without a password.
    fn line(&self, name: &str) -> Result<String, PairError> {
        let (folder, port) = (self.server(name), self.port(name)?);
        Ok(format!("host={} port={port} user={USER} dbname=postgres", folder.display()))
    }

    /// What drills may use of it, as `${postgres.…}`.
    pub fn vars(&self, dir: &Path) -> BTreeMap<String, String> {
        let url = |port: u16| format!("postgres://{USER}@127.0.0.1:{port}/postgres");
        let mut vars = BTreeMap::new();
        let mut has = |name: &str, value: String| {
            vars.insert(name.to_owned(), value);
        };
        has("dir", dir.display().to_string());
        for name in ["archive", "base"] {
            has(name, self.home.join(name).display().to_string());
        }
        has("password_file", self.home.join("password").display().to_string());
        for (name, port) in &self.ports {
            has(&format!("{name}.url"), url(*port));
            has(&format!("{name}.port"), port.to_string());
            has(&format!("{name}.data"), self.data(name).display().to_string());
            has(&format!("{name}.cluster"), self.cluster(name));
        }
        for (name, key) in [(FRONT, "front"), (LINK, "link")] {
            let Some(it) = self.relays.get(name) else { continue };
            has(&format!("{key}.port"), it.port.to_string());
            has(&format!("{key}.url"), url(it.port));
            has(&format!("{key}.route"), format!("http://127.0.0.1:{}/route", it.control));
        }
        vars
    }

    /// Names of [`Self::vars`] with values that nobody has, for files that are only checked.
    pub fn nobody() -> BTreeMap<String, String> {
        let relay = |name: &str| (name.to_owned(), Relay { port: 1, control: 1, process: None });
        let ports = SERVERS.map(|it| (it.to_owned(), 1));
        let nowhere = PathBuf::from("/nonexistent");
        let book = Self {
            version: 1,
            home: nowhere.clone(),
            tools: nowhere.clone(),
            server_version: String::new(),
            runs_as: None,
            replication: Replication::Async,
            link_delay_ms: 0,
            ports: ports.into(),
            mark: String::new(),
            relays: [relay(FRONT), relay(LINK)].into(),
        };
        book.vars(&nowhere)
    }
}
