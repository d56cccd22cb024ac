//! Whom an act may touch: found in `plan`, and never again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    action::Refusal,
    units::HOLE,
    world::{
        World,
        host::{Host, HostError, Process},
    },
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
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    cmdline: Option<String>,
    #[serde(default)]
    pid_file: Option<String>,
}

impl TryFrom<Written> for ProcessTarget {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let target = match written {
            Written { name: Some(it), cmdline: None, pid_file: None } => Self::Name(it),
            Written { name: None, cmdline: Some(it), pid_file: None } => Self::Cmdline(it),
            Written { name: None, cmdline: None, pid_file: Some(it) } => Self::PidFile(it),
            Written { name: None, cmdline: None, pid_file: None } => {
                return Err(
                    "a target must be named: write `name`, `cmdline` or `pid_file`".to_owned()
                );
            }
            Written { .. } => {
                let why = "a target is named once: write one of `name`, `cmdline` and `pid_file`";
                return Err(why.to_owned());
            }
        };
        match &target {
            Self::Name(it) | Self::Cmdline(it) | Self::PidFile(it) if it.trim().is_empty() => {
                Err("an empty target would match everything: write whom you mean".to_owned())
            }
            Self::Name(it) if it.len() > 15 && it != HOLE => Err(format!(
                "`{it}` is longer than the 15 bytes that the kernel keeps of a name: use `cmdline`"
            )),
            Self::Name(_) | Self::Cmdline(_) | Self::PidFile(_) => Ok(target),
        }
    }
}

impl std::fmt::Display for ProcessTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(it) => write!(f, "process `{it}`"),
            Self::Cmdline(it) => write!(f, "process with `{it}` in its command line"),
            Self::PidFile(it) => write!(f, "process whose number is in {it}"),
        }
    }
}

impl ProcessTarget {
    /// All that fit, by number, our own kind left out unless a pid file names it.
    pub fn look(&self, host: &dyn Host) -> Result<Vec<Process>, HostError> {
        let all = |fits: &dyn Fn(&Process) -> bool| -> Result<Vec<Process>, HostError> {
            let protected = host.protected();
            let mut found = host.processes()?;
            let ours = |it: &Process| it.serves_a_run() || protected.contains(&it.id.pid);
            found.retain(|it| fits(it) && !ours(it));
            Ok(found)
        };
        match self {
            Self::Name(name) => all(&|it| it.name == *name),
            Self::Cmdline(piece) => all(&|it| it.args.join(" ").contains(piece.as_str())),
            Self::PidFile(path) => {
                let Some(bytes) = host.read(path)? else { return Ok(Vec::new()) };
                let text = String::from_utf8_lossy(&bytes);
                let Ok(pid) = text.trim().parse() else {
                    return Err(HostError::os(
                        format!("read {path}"),
                        "it holds no process number",
                    ));
                };
                Ok(host.by_number(pid)?.into_iter().collect())
            }
        }
    }

    /// Those to be touched: at least one, at most `max`, none protected.
    pub fn choose(&self, max: u32, world: &World) -> Result<Vec<Process>, Refusal> {
        let found = self.look(&*world.host)?;
        let protected = world.host.protected();
        let spared = |it: &&Process| it.serves_a_run() || protected.contains(&it.id.pid);
        if let Some(it) = found.iter().find(spared) {
            return Err(Refusal::Protected(format!("process {} ({})", it.id.pid, it.name)));
        }
        if found.is_empty() {
            return Err(Refusal::NoTarget(self.to_string()));
        }
        if found.len() > usize::try_from(max).unwrap_or(usize::MAX) {
            let (what, found) = (self.to_string(), found.len());
            return Err(Refusal::TooMany { what, found, allowed: max });
        }
        Ok(found)
    }
}

/// Processes by number and name, for people.
pub fn named(found: &[Process]) -> String {
    let all: Vec<_> = found.iter().map(|it| format!("{} ({})", it.id.pid, it.name)).collect();
    all.join(", ")
}

/// One target, unless the user says more: the smallest blast radius is the default.
pub fn one() -> u32 {
    1
}
