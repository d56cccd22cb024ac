//! The control groups of a simulated machine, of either version, and the kernel's rules for them.

use crate::world::{
    host::HostError,
    sim::{Machine, fabric::HOME},
};

/// Where the kernel shows its groups.
pub(super) const GROUPS: &str = "/sys/fs/cgroup/";
/// Version 1: a hierarchy for each controller.
const FIRST: &str = "\
30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
";
/// Version 2: one hierarchy.
const SECOND: &str = "30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
const ROOT: &str = "/sys/fs/cgroup/unified";

/// `cpu` of `/sys/fs/cgroup/cpu/bank`.
pub(super) fn kind_of(group: &str) -> &str {
    group.trim_start_matches(GROUPS).split('/').next().unwrap_or_default()
}

/// What files of groups say, and `/proc/PID/cgroup`.
pub(super) fn told(machine: &Machine, path: &str) -> Option<String> {
    if path == "/proc/self/mountinfo" {
        return Some(if machine.passed.is_some() { SECOND } else { FIRST }.to_owned());
    }
    if let Some(pid) = path.strip_prefix("/proc/").and_then(|it| it.strip_suffix("/cgroup")) {
        let pid: u32 = pid.parse().ok()?;
        machine.processes.keys().find(|it| it.pid == pid)?;
        let kinds = if machine.passed.is_some() { &["unified"][..] } else { &FIRST_KINDS };
        return Some(kinds.iter().map(|it| place(machine, it, pid)).collect());
    }
    let (group, file) = path.rsplit_once('/')?;
    let members = || machine.members.iter().filter(|it| it.1 == group);
    match (file, &machine.passed) {
        ("cgroup.procs", _) => Some(members().map(|it| it.0.1.to_string() + "\n").collect()),
        // Whoever is in a group of ours has come to its limit at once.
        ("memory.failcnt", None) => Some(format!("{}\n", members().count())),
        ("cpu.stat", _) if group.contains("/holdfast-") => Some("nr_throttled 1\n".to_owned()),
        ("memory.events", Some(_)) => Some(format!("low 0\nmax {}\n", members().count())),
        ("cgroup.controllers", Some(_)) => Some("cpu io memory\n".to_owned()),
        ("cgroup.type", Some(_)) if group != ROOT => Some("domain\n".to_owned()),
        ("cgroup.subtree_control", Some(passed)) => {
            let here = passed.iter().filter(|it| it.0 == group);
            Some(here.map(|it| it.1.clone() + " ").collect())
        }
        _ => None,
    }
}

const FIRST_KINDS: [&str; 3] = ["cpu", "memory", "blkio"];

fn place(machine: &Machine, kind: &str, pid: u32) -> String {
    let moved = machine.members.get(&(kind.to_owned(), pid));
    let path = moved.and_then(|it| it.strip_prefix(&format!("{GROUPS}{kind}"))).unwrap_or(HOME);
    if kind == "unified" { format!("0::{path}\n") } else { format!("1:{kind}:{path}\n") }
}

/// Whether the kernel takes what is said to a file of version 2. Pure.
pub(super) fn may_say(machine: &Machine, path: &str, text: &str) -> Result<(), HostError> {
    let (Some(passed), Some((group, file))) = (&machine.passed, path.rsplit_once('/')) else {
        return Ok(());
    };
    let Some(above) = group.rsplit_once('/').map(|it| it.0).filter(|_| path.starts_with(ROOT))
    else {
        return Ok(());
    };
    let no = |why: &str| Err(HostError::os(format!("write `{text}` to {path}"), why));
    let has = |controller: &str| {
        group == ROOT || passed.contains(&(above.to_owned(), controller.to_owned()))
    };
    let below = |it: &&(String, String)| {
        it.0.rsplit_once('/').is_some_and(|it| it.0 == group) && text.get(1..) == Some(&*it.1)
    };
    match (file, text.split_at_checked(1)) {
        ("cgroup.subtree_control", Some(("+", it))) if !has(it) => no("No such file or directory"),
        ("cgroup.subtree_control", Some(("-", _))) if passed.iter().any(|it| below(&it)) => {
            no("Device or resource busy")
        }
        ("cgroup.subtree_control", _) => Ok(()),
        _ if has(file.split('.').next().unwrap_or_default()) => Ok(()),
        _ => no("No such file or directory"),
    }
}

/// Says it to `cgroup.subtree_control` of a group; false is another file.
pub(super) fn say(machine: &mut Machine, path: &str, text: &str) -> bool {
    let group = path.strip_suffix("/cgroup.subtree_control");
    let (Some(passed), Some(group)) = (&mut machine.passed, group) else { return false };
    match text.split_at_checked(1) {
        Some(("+", it)) => drop(passed.insert((group.to_owned(), it.to_owned()))),
        Some(("-", it)) => drop(passed.remove(&(group.to_owned(), it.to_owned()))),
        _ => {}
    }
    true
}
