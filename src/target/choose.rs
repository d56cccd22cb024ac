//! Choosing among those that fit: how many, by whose dice, and who is left alone.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::Need,
    action::Refusal,
    target::process::{ProcessTarget, Written as WrittenTarget},
    units::Percent,
    world::{
        World,
        bounds::Deny,
        host::{Host, HostError, Process},
    },
};

/// Whom a fault touches: those that fit, and how many of them at most.
///
/// A fault has it as its one field `target`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub struct Targets {
    /// Who fits.
    pub target: ProcessTarget,
    /// More than so many are refused; none means that `percent` alone decides.
    pub max_targets: Option<u32>,
    /// The dice choose this share of those that fit, rounded up.
    pub percent: Option<Percent>,
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
struct Written {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    cmdline: Option<String>,
    #[serde(default)]
    pid_file: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    cgroup: Option<String>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    container: Option<String>,
    #[serde(default)]
    max_targets: Option<u32>,
    #[serde(default)]
    percent: Option<Percent>,
}

impl TryFrom<Written> for Targets {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { name, cmdline, pid_file, port, cgroup, unit, container, .. } = written;
        let Written { max_targets, percent, .. } = written;
        let target = WrittenTarget { name, cmdline, pid_file, port, cgroup, unit, container };
        if max_targets == Some(0) {
            return Err("`max_targets: 0` touches nobody: write at least 1".to_owned());
        }
        Ok(Self { target: target.try_into()?, max_targets, percent })
    }
}

impl From<ProcessTarget> for Targets {
    fn from(target: ProcessTarget) -> Self {
        Self { target, max_targets: None, percent: None }
    }
}

impl std::fmt::Display for Targets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.percent {
            Some(share) => write!(f, "{} % of {}", share.get(), self.target),
            None => write!(f, "{}", self.target),
        }
    }
}

impl Targets {
    /// Those to be touched, by number: at least one, no more than the file allows, none that is
    /// protected, none that is denied. The same seed chooses the same of the same.
    pub fn choose(&self, world: &World) -> Result<Vec<Process>, Refusal> {
        let mut found = spare(self.target.look(&*world.host)?, (&self.target, world))?;
        if let Some(share) = self.percent {
            let share = usize::from(share.get());
            let many = (found.len() * share).div_ceil(100);
            // Numbers come round again; the order in which they started does not change.
            found.sort_by_key(|it| (it.id.started, it.id.pid));
            world.dice("targets").shuffle(&mut found);
            found.truncate(many);
            found.sort_by_key(|it| it.id.pid);
        }
        let one = if self.percent.is_none() { Some(one()) } else { None };
        if let Some(allowed) = self.max_targets.or(one)
            && found.len() > usize::try_from(allowed).unwrap_or(usize::MAX)
        {
            let (what, found) = (self.to_string(), found.len());
            return Err(Refusal::TooMany { what, found, allowed });
        }
        Ok(found)
    }
}

impl ProcessTarget {
    /// As [`Targets::choose`], at most `max`.
    pub fn choose(&self, max: u32, world: &World) -> Result<Vec<Process>, Refusal> {
        Targets { max_targets: Some(max), ..Targets::from(self.clone()) }.choose(world)
    }
}

/// Leaves out whom the file denies. Whoever names what is protected means something else than we
/// think, and is told.
fn spare(
    mut found: Vec<Process>,
    (target, world): (&ProcessTarget, &World),
) -> Result<Vec<Process>, Refusal> {
    let host = &*world.host;
    let guarded = host.protected();
    for it in &found {
        if let Some(why) = protected(it, &guarded) {
            return Err(Refusal::Protected { who: shown(it), why: why.to_owned() });
        }
    }
    if found.is_empty() {
        return Err(Refusal::NoTarget(target.to_string()));
    }
    let denied = Denied::of(&world.bounds.deny, host)?;
    let mut spared = Vec::new();
    let mut left = Vec::new();
    for it in found.drain(..) {
        match denied.why(&it, host)? {
            Some(why) => spared.push(Refusal::Protected { who: shown(&it), why }),
            None => left.push(it),
        }
    }
    match spared.into_iter().next() {
        Some(refusal) if left.is_empty() => Err(refusal),
        Some(_) | None => Ok(left),
    }
}

/// Why a process is nobody's target, whatever a file says.
fn protected(it: &Process, guarded: &[u32]) -> Option<&'static str> {
    let ours = || guarded.contains(&it.id.pid);
    if it.id.pid == 1 {
        Some("it is process 1")
    } else if it.serves_a_run() {
        Some("it works for a run")
    } else if ours() {
        Some("it is this program or one of its parents")
    } else if it.name.starts_with("sshd") {
        Some("it is how people log in to help")
    } else if it.is_of_this_program() {
        Some("it is Holdfast's agent, or plays another run")
    } else {
        None
    }
}

/// Whom the file denies, looked up.
struct Denied<'a> {
    deny: &'a Deny,
    listeners: Vec<(u16, Vec<u32>)>,
    users: Vec<(&'a str, u32)>,
}

impl<'a> Denied<'a> {
    fn of(deny: &'a Deny, host: &dyn Host) -> Result<Self, Refusal> {
        let mut listeners = Vec::new();
        for port in &deny.ports {
            listeners.push((*port, host.listeners(*port)?));
        }
        let mut users = Vec::new();
        for name in &deny.users {
            let number = name.parse().ok().map_or_else(|| number_of(name, host), |it| Ok(Some(it)));
            let Some(number) = number? else {
                let why = format!("`deny` names user `{name}`, and there is none on this machine");
                return Err(Refusal::NotReady(why));
            };
            users.push((name.as_str(), number));
        }
        Ok(Self { deny, listeners, users })
    }

    fn why(&self, it: &Process, host: &dyn Host) -> Result<Option<String>, HostError> {
        let line = it.args.join(" ");
        if self.deny.names.contains(&it.name) {
            return Ok(Some(format!("`deny` names `{}`", it.name)));
        }
        if let Some(piece) = self.deny.cmdlines.iter().find(|piece| line.contains(piece.as_str())) {
            return Ok(Some(format!("`deny` names command lines with `{piece}`")));
        }
        if let Some((port, _)) = self.listeners.iter().find(|port| port.1.contains(&it.id.pid)) {
            return Ok(Some(format!("it listens on port {port}, which `deny` names")));
        }
        if self.users.is_empty() {
            return Ok(None);
        }
        let owner = host.user(it.id.pid)?;
        let named = self.users.iter().find(|user| Some(user.1) == owner);
        Ok(named.map(|user| format!("it is of user `{}`, whom `deny` names", user.0)))
    }
}

/// A user's number from `/etc/passwd`: name, password, number.
fn number_of(name: &str, host: &dyn Host) -> Result<Option<u32>, HostError> {
    let bytes = host.read("/etc/passwd")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    };
    Ok(text.lines().find_map(of))
}

/// Refuses to touch a port that the file denies, for faults whose target is a port and no process.
pub fn refuse_port(port: u16, world: &World) -> Result<(), Refusal> {
    if !world.bounds.deny.ports.contains(&port) {
        return Ok(());
    }
    Err(Refusal::Protected { who: format!("port {port}"), why: "`deny` names it".to_owned() })
}

fn shown(it: &Process) -> String {
    format!("process {} ({})", it.id.pid, it.name)
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

/// Refuses what the kernel would: it is better told before anything is begun.
pub fn may_signal(found: &[Process], world: &World) -> Result<(), Refusal> {
    let may = found.iter().try_for_each(|it| world.host.may_signal(&it.id));
    may.map_err(|why| Refusal::NotReady(format!("{why}: {}", Need::Kill.remedy())))
}
