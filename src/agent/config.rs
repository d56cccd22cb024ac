//! The agent's settings.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::world::roots::Roots;

/// All that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// What systemd has for us.
    pub systemd: Systemd,
    /// How the pages are served.
    pub web: Web,
    /// The file of settings that can be read again.
    pub config: Option<PathBuf>,
    /// Where others leave their metrics, unless the file says so.
    pub textfiles: Option<PathBuf>,
    /// Collectors that the command line switches off.
    pub off: std::collections::BTreeSet<String>,
    /// If these were named, all others are off.
    pub only: Option<std::collections::BTreeSet<String>>,
    /// What is shown of a collector's corner, and what is left out.
    pub patterns: crate::pattern::Patterns,
    /// Whether the agent tells of its own process.
    pub own: bool,
    /// Where the machine's files are.
    pub roots: Roots,
    /// The state folder, for the index of runs.
    pub state: PathBuf,
    /// Energy and carbon.
    pub energy: super::energy::Settings,
}

/// What a process manager hands over in the environment.
#[derive(Debug, Clone, Default)]
pub struct Systemd {
    /// So many sockets are open already, and are used instead of others.
    pub sockets: u32,
    /// Where to say that we are ready.
    pub notify: Option<String>,
}

/// How the pages are served.
#[derive(Debug, Clone)]
pub struct Web {
    /// The file with TLS, users and headers.
    pub config: Option<PathBuf>,
    /// Where the metrics are.
    pub telemetry_path: String,
    /// So many scrapes at once; the next one is told to come later.
    pub scrapes_max: usize,
    /// Whether `POST /-/reload` is heard.
    pub lifecycle: bool,
}

impl Default for Web {
    fn default() -> Self {
        let telemetry_path = "/metrics".to_owned();
        Self { config: None, telemetry_path, scrapes_max: SCRAPES_MAX, lifecycle: false }
    }
}

/// How long a scrape waits for collectors that can hang.
pub const DEADLINE: Duration = Duration::from_secs(1);
/// How often energy is added up.
pub const ENERGY_EVERY: Duration = Duration::from_secs(2);
/// So many scrapes at once; the next one is told to come later.
pub const SCRAPES_MAX: usize = 40;
/// A message with business events has so many bytes at most.
pub const EVENTS_BYTES_MAX: usize = 1 << 20;

/// Where to listen: `127.0.0.1:9100`, `[::1]:9100`, `localhost:9100`, `:9100` for all addresses,
/// or `unix:/run/holdfast.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An address of the network.
    Tcp {
        /// Nothing means all of them.
        host: Option<String>,
        /// 0 lets the system choose.
        port: u16,
    },
    /// A path.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an address to listen on: write host and port, as in `127.0.0.1:9100`, or \
         `unix:` and a path"
)]
pub struct ListenError(String);

impl std::str::FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let not_one = || ListenError(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(not_one()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(not_one)?;
        let port = port.parse().map_err(|_| not_one())?;
        if host.is_empty() {
            return Ok(Self::Tcp { host: None, port });
        }
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_v6 = bare.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '.' || it == '-';
        if !is_v6 && !host.chars().all(is_name) {
            return Err(not_one());
        }
        Ok(Self::Tcp { host: Some(host.to_owned()), port })
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } => {
                write!(f, "{}:{port}", host.as_deref().unwrap_or_default())
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// The addresses to try, in this order, as text that a resolver understands.
    pub fn candidates(&self) -> Vec<String> {
        match self {
            Self::Unix(_) => Vec::new(),
            Self::Tcp { host: Some(host), port } => vec![format!("{host}:{port}")],
            // All of them; a machine without IPv6 has only the second.
            Self::Tcp { host: None, port } => [
                SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, *port)),
                SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, *port)),
            ]
            .map(|it| it.to_string())
            .to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_node_exporter_reads_them() {
        let candidates = |text: &str| text.parse::<Listen>().map(|it| it.candidates());
        assert_eq!(candidates("127.0.0.1:0"), Ok(vec!["127.0.0.1:0".to_owned()]));
        assert_eq!(candidates("[::1]:9100"), Ok(vec!["[::1]:9100".to_owned()]));
        assert_eq!(candidates("localhost:1"), Ok(vec!["localhost:1".to_owned()]));
        let all = Ok(vec!["[::]:9100".to_owned(), "0.0.0.0:9100".to_owned()]);
        assert_eq!(candidates(":9100"), all);
        for text in [
            "",
            "9100",
            "localhost",
            "unix:",
            "unix:a",
            "a b:1",
            "1.2.3.4:x",
            "1.2.3.4:70000",
            "::1:80",
        ] {
            assert!(candidates(text).is_err(), "{text}");
        }
    }
}
