//! The agent's settings.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::world::roots::Roots;

/// All that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 lets the system choose.
    pub listen: Listen,
    /// Where the machine's files are.
    pub roots: Roots,
    /// The state folder, for the index of runs.
    pub state: PathBuf,
    /// Energy and carbon.
    pub energy: super::energy::Settings,
}

/// How long a scrape waits for collectors that can hang.
pub const DEADLINE: Duration = Duration::from_secs(1);
/// How often energy is added up.
pub const ENERGY_EVERY: Duration = Duration::from_secs(2);
/// So many scrapes at once; the next one is told to come later.
pub const SCRAPES_MAX: usize = 40;
/// A message with business events has so many bytes at most.
pub const EVENTS_BYTES_MAX: usize = 1 << 20;

/// An address to listen on: `127.0.0.1:9100`, `[::1]:9100`, `localhost:9100`, or `:9100` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    host: Option<String>,
    port: u16,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address to listen on: write host and port, as in `127.0.0.1:9100`")]
pub struct ListenError(String);

impl std::str::FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let not_one = || ListenError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(not_one)?;
        let port = port.parse().map_err(|_| not_one())?;
        if host.is_empty() {
            return Ok(Self { host: None, port });
        }
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_v6 = bare.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = |it: char| it.is_ascii_alphanumeric() || it == '.' || it == '-';
        if !is_v6 && !host.chars().all(is_name) {
            return Err(not_one());
        }
        Ok(Self { host: Some(host.to_owned()), port })
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host.as_deref().unwrap_or_default(), self.port)
    }
}

impl Listen {
    /// The addresses to try, in this order, as text that a resolver understands.
    pub fn candidates(&self) -> Vec<String> {
        match &self.host {
            Some(host) => vec![format!("{host}:{}", self.port)],
            // All of them; a machine without IPv6 has only the second.
            None => [
                SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, self.port)),
                SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, self.port)),
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
        for text in ["", "9100", "localhost", "a b:1", "1.2.3.4:x", "1.2.3.4:70000", "::1:80"] {
            assert!(candidates(text).is_err(), "{text}");
        }
    }
}
