//! The fabric of a simulated machine: one file system, and control groups.

use crate::world::{
    fabric::{Fabric, Facts, Space},
    host::{Host as _, HostError, ProcessId, Sent},
    sim::{
        Machine, Sim,
        groups::{self, GROUPS, kind_of},
    },
};

/// Descriptors that a process may open, and the permissions of a file, unless somebody said
/// otherwise.
const SOFT: u64 = 1_024;
const MODE: u32 = 0o644;
/// The group that a process is in unless somebody moved it.
pub(super) const HOME: &str = "/bank.slice/bank";

impl Fabric for Sim {
    fn space(&self, _: &str) -> Result<Space, HostError> {
        Ok(Space {
            used: 100 << 30,
            free: 100 << 30,
            total: 200 << 30,
            inodes: 1 << 20,
            inodes_free: 1 << 19,
            device: (8, 0),
        })
    }

    fn facts(&self, path: &str) -> Result<Option<Facts>, HostError> {
        let machine = self.machine();
        Ok(machine.files.get(path).map(|bytes| Facts {
            stamp: String::from_utf8_lossy(bytes).into_owned(),
            mode: machine.modes.get(path).copied().unwrap_or(MODE),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            plain: true,
        }))
    }

    fn names(&self, path: &str) -> Result<Option<Vec<String>>, HostError> {
        let start = format!("{}/", path.trim_end_matches('/'));
        let machine = self.machine();
        if path.starts_with(GROUPS) && !machine.folders.contains(path) {
            return Ok(None);
        }
        let inside = machine.files.keys().filter_map(|it| it.strip_prefix(&start));
        Ok(Some(inside.filter(|it| !it.contains('/')).map(str::to_owned).collect()))
    }

    fn may_write(&self, _: &str) -> bool {
        true
    }

    fn may_signal(&self, _: &ProcessId) -> Result<(), String> {
        Ok(())
    }

    fn may_trace(&self, _: &ProcessId) -> Result<(), String> {
        Ok(())
    }

    fn limit_files(&self, who: &ProcessId, soft: u64) -> Result<Sent, HostError> {
        if self.process(who)?.is_none() {
            return Ok(Sent::Gone);
        }
        self.whole(|machine| {
            if soft == SOFT {
                machine.limits.remove(who);
            } else {
                machine.limits.insert(who.clone(), soft);
            }
            Sent::Delivered
        })
    }

    fn make_folder(&self, path: &str) -> Result<(), HostError> {
        self.whole(|machine| {
            machine.folders.insert(path.to_owned());
        })
    }

    fn groups(&self) -> Result<Vec<String>, HostError> {
        Ok(self.machine().folders.into_iter().filter(|it| it.starts_with(GROUPS)).collect())
    }

    fn remove_folder(&self, path: &str) -> Result<(), HostError> {
        let busy = self.machine().members.values().any(|it| it == path);
        if busy {
            return Err(HostError::os(format!("remove the folder {path}"), "it has members"));
        }
        self.whole(|machine| {
            machine.folders.remove(path);
            let inside = format!("{path}/");
            machine.files.retain(|it, _| !it.starts_with(&inside));
        })
    }

    fn set(&self, path: &str, text: &str) -> Result<(), HostError> {
        groups::may_say(&self.machine(), path, text)?;
        self.whole(|machine| {
            if groups::say(machine, path, text) {
                return;
            }
            machine.files.insert(path.to_owned(), text.as_bytes().to_vec());
        })
    }

    fn enlist(&self, group: &str, who: &ProcessId) -> Result<Sent, HostError> {
        if self.process(who)?.is_none() {
            return Ok(Sent::Gone);
        }
        self.whole(|machine| {
            let kind = kind_of(group).to_owned();
            if group == format!("{GROUPS}{kind}{HOME}") {
                machine.members.remove(&(kind, who.pid));
            } else {
                machine.members.insert((kind, who.pid), group.to_owned());
            }
            Sent::Delivered
        })
    }

    fn set_mode(&self, path: &str, mode: u32) -> Result<(), HostError> {
        self.whole(|machine| {
            if mode == MODE {
                machine.modes.remove(path);
            } else {
                machine.modes.insert(path.to_owned(), mode);
            }
        })
    }

    fn shift(&self, from: &str, to: &str) -> Result<(), HostError> {
        if self.machine().files.contains_key(to) {
            return Err(HostError::os(format!("move {from} to {to}"), "something is there"));
        }
        self.whole(|machine| {
            if let Some(it) = machine.files.remove(from) {
                machine.files.insert(to.to_owned(), it);
            }
        })
    }

    fn exchange(&self, one: &str, other: &str) -> Result<(), HostError> {
        self.whole(|machine| {
            let (a, b) = (machine.files.remove(one), machine.files.remove(other));
            machine.files.extend(a.map(|it| (other.to_owned(), it)));
            machine.files.extend(b.map(|it| (one.to_owned(), it)));
        })
    }

    fn make_like(&self, path: &str, _: &str, bytes: &[u8]) -> Result<(), HostError> {
        self.set(path, &String::from_utf8_lossy(bytes))
    }
}

/// Ends a process: its limits and its place in a group go with it.
pub(super) fn end(machine: &mut Machine, who: &ProcessId) {
    machine.processes.remove(who);
    machine.limits.remove(who);
    machine.members.retain(|it, _| it.1 != who.pid);
}

/// What the kernel of a simulated machine tells in files of its own.
pub(super) fn told(machine: &Machine, path: &str) -> Option<String> {
    let fixed = match path {
        "/proc/1/comm" => Some("systemd\n"),
        "/proc/meminfo" => Some("MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\n"),
        "/proc/self/timens_offsets" => Some("monotonic 0 0\nboottime 0 0\n"),
        _ => None,
    };
    if let Some(text) = fixed {
        return Some(text.to_owned());
    }
    if let Some(text) = groups::told(machine, path) {
        return Some(text);
    }
    let (pid, file) = path.strip_prefix("/proc/")?.split_once('/')?;
    let pid: u32 = pid.parse().ok()?;
    let who = machine.processes.keys().find(|it| it.pid == pid)?;
    match file {
        "limits" => {
            let soft = machine.limits.get(who).copied().unwrap_or(SOFT);
            Some(format!("Max open files  {soft}  20000  files\n"))
        }
        _ => None,
    }
}

/// Runs a command: services are stopped, started and looked at; all others are only noted.
pub(super) fn run(machine: &mut Machine, argv: &[String]) -> i32 {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words[..] {
        ["systemctl", "start", unit] => {
            let all = machine.services.get(unit).cloned().unwrap_or_default();
            machine.processes.extend(all.into_iter().map(|it| (it.id.clone(), it)));
            0
        }
        ["systemctl", "stop", unit] => {
            let all = machine.services.get(unit).cloned().unwrap_or_default();
            for it in &all {
                end(machine, &it.id);
            }
            0
        }
        _ => {
            machine.commands.push(argv.to_vec());
            0
        }
    }
}

/// Whether a service runs, as `systemctl is-active` says it.
pub(super) fn is_active(machine: &Machine, unit: &str) -> bool {
    let all = machine.services.get(unit);
    all.is_some_and(|all| all.iter().any(|it| machine.processes.contains_key(&it.id)))
}

/// What Docker answers to `path`, and what a request that changes something does.
pub(super) fn docker(machine: &mut Machine, path: &str) -> Option<(u16, String)> {
    let (name, verb) = path.strip_prefix("/containers/")?.split_once('/')?;
    let verb = verb.split('?').next().unwrap_or_default();
    let Some((running, paused)) = machine.containers.get_mut(name) else {
        return Some((404, r#"{"message":"No such container"}"#.to_owned()));
    };
    match verb {
        "stop" => *running = false,
        "start" => *running = true,
        "pause" => *paused = true,
        "unpause" => *paused = false,
        _ => {
            let state = format!(r#"{{"Running":{running},"Paused":{paused}}}"#);
            return Some((200, format!(r#"{{"Id":"{name}","State":{state}}}"#)));
        }
    }
    Some((204, String::new()))
}
