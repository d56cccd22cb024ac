//! Processes by what they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    target::cgroup::{is_of_container, is_of_unit, is_within},
    units::HOLE,
    world::host::{Host, HostError, Process},
};

/// Processes, found by exactly one of their traits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", rename_all = "snake_case")]
pub enum ProcessTarget {
    /// By name, as the kernel keeps it.
    Name(String),
    /// By a piece of the command line.
    Cmdline(String),
    /// By the number in a file.
    PidFile(String),
    /// By the TCP port on which they listen.
    Port(u16),
    /// By their control group, or one above it.
    Cgroup(String),
    /// By their systemd unit.
    Unit(String),
    /// By their container's id or name.
    Container(String),
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct Written {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) cmdline: Option<String>,
    #[serde(default)]
    pub(super) pid_file: Option<String>,
    #[serde(default)]
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) cgroup: Option<String>,
    #[serde(default)]
    pub(super) unit: Option<String>,
    #[serde(default)]
    pub(super) container: Option<String>,
}

/// All the ways to name a target.
const WAYS: &str = "`name`, `cmdline`, `pid_file`, `port`, `cgroup`, `unit` or `container`";

impl TryFrom<Written> for ProcessTarget {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { name, cmdline, pid_file, port, cgroup, unit, container } = written;
        let all = [
            name.map(Self::Name),
            cmdline.map(Self::Cmdline),
            pid_file.map(Self::PidFile),
            port.map(Self::Port),
            cgroup.map(Self::Cgroup),
            unit.map(|it| Self::Unit(if it.contains('.') { it } else { format!("{it}.service") })),
            container.map(Self::Container),
        ];
        let mut given = all.into_iter().flatten();
        let Some(target) = given.next() else {
            return Err(format!("a target must be named: write {WAYS}"));
        };
        if given.next().is_some() {
            return Err(format!("a target is named once: write one of {WAYS}"));
        }
        target.checked()
    }
}

impl std::fmt::Display for ProcessTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(it) => write!(f, "process `{it}`"),
            Self::Cmdline(it) => write!(f, "process with `{it}` in its command line"),
            Self::PidFile(it) => write!(f, "process whose number is in {it}"),
            Self::Port(it) => write!(f, "process that listens on port {it}"),
            Self::Cgroup(it) => write!(f, "process in control group {it}"),
            Self::Unit(it) => write!(f, "process of unit {it}"),
            Self::Container(it) => write!(f, "process of container {it}"),
        }
    }
}

impl ProcessTarget {
    fn checked(self) -> Result<Self, String> {
        let empty = |it: &str| it.trim().is_empty();
        match &self {
            Self::Name(it) | Self::Cmdline(it) | Self::PidFile(it) if empty(it) => {
                Err("an empty target would match everything: write whom you mean".to_owned())
            }
            Self::Name(it) if it.len() > 15 && it != HOLE => Err(format!(
                "`{it}` is longer than the 15 bytes that the kernel keeps of a name: use `cmdline`"
            )),
            Self::Port(0) => Err("nobody listens on port 0: write 1 to 65535".to_owned()),
            Self::Cgroup(it) if it != HOLE && (!it.starts_with('/') || it.len() < 2) => {
                Err("a control group is named by its path below the root, such as \
                 `/system.slice/nginx.service`"
                    .to_owned())
            }
            Self::Unit(it) | Self::Container(it) if empty(it) || it.contains('/') => {
                Err("a unit or container is named by one word, not by a path".to_owned())
            }
            Self::Container(it) if it.len() < 12 && is_hex(it) && it.len() > 3 => Err(format!(
                "`{it}` may be the beginning of many ids: write at least 12 letters of it"
            )),
            Self::Name(_)
            | Self::Cmdline(_)
            | Self::PidFile(_)
            | Self::Port(_)
            | Self::Cgroup(_)
            | Self::Unit(_)
            | Self::Container(_) => Ok(self),
        }
    }

    /// All that fit, by number, our own kind left out unless a pid file names it.
    pub fn look(&self, host: &dyn Host) -> Result<Vec<Process>, HostError> {
        let mut found = match self {
            Self::Name(name) => all(host, |it| Ok(it.name == *name))?,
            Self::Cmdline(piece) => all(host, |it| Ok(it.args.join(" ").contains(piece.as_str())))?,
            Self::PidFile(path) => return in_file(path, host),
            Self::Port(port) => {
                let listeners = host.listeners(*port)?;
                all(host, |it| Ok(listeners.contains(&it.id.pid)))?
            }
            Self::Cgroup(group) => by_group(host, &|path| is_within(path, group))?,
            Self::Unit(unit) => by_group(host, &|path| is_of_unit(path, unit))?,
            Self::Container(it) => by_group(host, &|path| is_of_container(path, it))?,
        };
        // The runner's own command line may hold the words that it looks for.
        if matches!(self, Self::Name(_) | Self::Cmdline(_)) {
            let protected = host.protected();
            found.retain(|it| !protected.contains(&it.id.pid));
        }
        found.retain(|it| !it.serves_a_run());
        Ok(found)
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_hexdigit())
}

fn all(
    host: &dyn Host,
    fits: impl Fn(&Process) -> Result<bool, HostError>,
) -> Result<Vec<Process>, HostError> {
    let mut found = Vec::new();
    for it in host.processes()? {
        if fits(&it)? {
            found.push(it);
        }
    }
    Ok(found)
}

fn by_group(host: &dyn Host, fits: &dyn Fn(&str) -> bool) -> Result<Vec<Process>, HostError> {
    all(host, |it| Ok(host.cgroups(it.id.pid)?.iter().any(|it| fits(it))))
}

fn in_file(path: &str, host: &dyn Host) -> Result<Vec<Process>, HostError> {
    let Some(bytes) = host.read(path)? else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&bytes);
    let Ok(pid) = text.trim().parse() else {
        return Err(HostError::os(format!("read {path}"), "it holds no process number"));
    };
    Ok(host.by_number(pid)?.into_iter().collect())
}
