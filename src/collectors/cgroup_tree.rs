//! Control groups, version 1 and 2: where their hierarchies are, and which groups are shown.
//!
//! Groups lie within groups, and a group's figures contain those within it. Shown are groups that
//! do not overlap, so that a sum over them is right: systemd's services and scopes, and of what is
//! not systemd's the innermost groups.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::world::{
    roots::{self, Roots},
    shelf,
};

/// So many groups are looked at, at most; a tree with more is cut there.
const LOOKED_AT_MAX: usize = 4096;
/// So deep, at most.
const DEPTH_MAX: usize = 16;

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub root: PathBuf,
    /// It is cgroup v2.
    pub is_v2: bool,
}

/// Who accounts for what on this machine: a v1 controller where one is mounted, else v2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Processor time.
    pub cpu: Option<Hierarchy>,
    /// Throttling: on v1 a controller of its own.
    pub quota: Option<Hierarchy>,
    /// Memory.
    pub memory: Option<Hierarchy>,
    /// Bytes to and from disks.
    pub io: Option<Hierarchy>,
    /// Tasks.
    pub tasks: Option<Hierarchy>,
}

impl Layout {
    /// Looks below `/sys/fs/cgroup`.
    pub fn find(roots: &Roots) -> Self {
        let top = roots.sys("fs/cgroup");
        let there = |file: &Path| matches!(roots::stamp(file), Ok(Some(_)));
        let v2 = [top.clone(), top.join("unified")]
            .into_iter()
            .find(|it| there(&it.join("cgroup.controllers")));
        let controllers =
            v2.as_ref().and_then(|it| roots::read(&it.join("cgroup.controllers")).ok());
        let controllers = controllers.unwrap_or_default();
        let of = |folders: &[&str], file: &str, controller: Option<&str>| -> Option<Hierarchy> {
            let v1 = folders.iter().map(|it| top.join(it)).find(|it| there(&it.join(file)));
            if let Some(root) = v1 {
                return Some(Hierarchy { root, is_v2: false });
            }
            let is_on = |name: &str| {
                controllers.split_ascii_whitespace().any(|controller| controller == name)
            };
            let root = v2.clone().filter(|_| controller.is_none_or(is_on))?;
            Some(Hierarchy { root, is_v2: true })
        };
        Self {
            // On v2 every group counts processor time, with the controller or without.
            cpu: of(&["cpuacct", "cpu,cpuacct", "cpuacct,cpu"], "cpuacct.usage", None),
            quota: of(&["cpu", "cpu,cpuacct", "cpuacct,cpu"], "cpu.stat", Some("cpu")),
            memory: of(&["memory"], "memory.usage_in_bytes", Some("memory")),
            io: of(&["blkio"], "blkio.throttle.io_service_bytes", Some("io")),
            tasks: of(&["pids"], "cgroup.procs", Some("pids")),
        }
    }

    /// The different roots of its hierarchies.
    pub fn tops(&self) -> Vec<&Path> {
        let all = [&self.cpu, &self.quota, &self.memory, &self.io, &self.tasks];
        let mut tops: Vec<&Path> = all.into_iter().flatten().map(|it| it.root.as_path()).collect();
        tops.sort_unstable();
        tops.dedup();
        tops
    }
}

/// The groups of a hierarchy that are shown, by their paths in it, such as
/// `/system.slice/ssh.service`. A hierarchy that cannot be read has none.
pub fn groups(top: &Path) -> Vec<String> {
    let (mut all, mut looked_at) = (Vec::new(), 0);
    walk(top, &mut String::new(), DEPTH_MAX, &mut looked_at, &mut all);
    all
}

fn walk(top: &Path, path: &mut String, deep: usize, looked_at: &mut usize, all: &mut Vec<String>) {
    *looked_at += 1;
    if *looked_at > LOOKED_AT_MAX {
        return;
    }
    let folder = top.join(path.trim_start_matches('/'));
    let is_group = !path.is_empty();
    let inside = if deep == 0 || unit(path).is_some() || is_group && shelf::is_leaf(&folder) {
        Vec::new()
    } else {
        shelf::folders(&folder).unwrap_or_default()
    };
    if inside.is_empty() && is_group {
        all.push(path.clone());
    }
    let length = path.len();
    for name in inside {
        path.push('/');
        path.push_str(&name);
        walk(top, path, deep - 1, looked_at, all);
        path.truncate(length);
    }
}

/// The systemd service or scope that a group is.
pub fn unit(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    let is_unit = Path::new(name).extension().is_some_and(|it| it == "service" || it == "scope");
    is_unit.then_some(name)
}

/// Who is shown: at most so many, and who is in stays in until gone.
#[derive(Debug)]
pub struct Roll<T> {
    /// Those that are in.
    pub members: BTreeMap<String, T>,
    max: usize,
    refused: usize,
    overflowed: u64,
}

impl<T> Roll<T> {
    /// Nobody yet.
    pub fn new(max: usize) -> Self {
        Self { members: BTreeMap::new(), max, refused: 0, overflowed: 0 }
    }

    /// Takes in who is new while there is room, and gives back who is gone.
    pub fn refresh(&mut self, names: &[String], make: impl Fn(&str) -> T) -> Vec<(String, T)> {
        let there: std::collections::BTreeSet<&String> = names.iter().collect();
        let gone: Vec<(String, T)> =
            self.members.extract_if(.., |name, _| !there.contains(name)).collect();
        let mut refused = 0_usize;
        for name in there {
            if self.members.contains_key(name) {
                continue;
            }
            if self.members.len() < self.max {
                self.members.insert(name.clone(), make(name));
            } else {
                refused += 1;
            }
        }
        let more = refused.saturating_sub(self.refused);
        self.overflowed += u64::try_from(more).unwrap_or(u64::MAX);
        self.refused = refused;
        gone
    }

    /// How many were there and found no room, at the last look.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// How many have found no room so far.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_by_their_names() {
        assert_eq!(unit("/system.slice/ssh.service"), Some("ssh.service"));
        assert_eq!(unit("/user.slice/user-0.slice/session-1.scope"), Some("session-1.scope"));
        assert_eq!(unit("/system.slice"), None);
        assert_eq!(unit("/docker/0123abc"), None);
        assert_eq!(unit(""), None);
    }

    #[test]
    fn who_is_in_stays_in_and_who_finds_no_room_is_counted_once() {
        let names = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mut roll = Roll::new(2);
        assert!(roll.refresh(&names(&["m", "n"]), |_| ()).is_empty());
        assert!(roll.refresh(&names(&["a", "b", "m", "n"]), |_| ()).is_empty());
        assert_eq!((roll.refused(), roll.overflowed()), (2, 2));
        roll.refresh(&names(&["a", "b", "m", "n"]), |_| ());
        assert_eq!((roll.refused(), roll.overflowed()), (2, 2));
        let gone = roll.refresh(&names(&["b", "n"]), |_| ());
        assert_eq!(gone, [("m".to_owned(), ())]);
        assert_eq!(roll.members.keys().collect::<Vec<_>>(), ["b", "n"]);
        assert_eq!((roll.refused(), roll.overflowed()), (0, 2));
    }
}
