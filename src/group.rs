//! Processes in control groups of ours: a limit that holds for our targets and for nobody else.
//!
//! Each target gets a group of its own, below the one that it is in (cgroup v1) or beside it
//! (cgroup v2, where a group with members has no groups below). Going back moves whoever is in
//! there, its children too, to where the target came from, and removes the group.

pub mod lent;

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    action::{Failure, Refusal, quoted},
    group::lent::Lent,
    journal::census::Trace,
    world::{
        World,
        host::{Process, ProcessId, Sent},
    },
};

/// How long an empty group may take to go: looks, and the time between two.
const GOES: (u32, Duration) = (100, Duration::from_millis(5));

/// Which of the two kinds of control groups there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// A hierarchy for each controller.
    V1,
    /// One hierarchy.
    V2,
}

/// One target, the group that it comes from, and ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Moved {
    who: ProcessId,
    from: String,
    to: String,
}

/// Targets in groups of ours. All that going back needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Groups {
    version: Version,
    moved: Vec<Moved>,
    #[serde(default, skip_serializing_if = "Lent::is_empty")]
    lent: Lent,
}

impl Groups {
    /// Where each of `targets` will be. Refuses where `controller` cannot be used, and says why.
    pub fn plan(controller: &str, targets: &[Process], world: &World) -> Result<Self, Refusal> {
        let read = |path: &str| -> Result<String, Refusal> {
            let bytes = world.host.read(path)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let mounts = read("/proc/self/mountinfo")?;
        let Some(mount) = mount(&mounts, controller, |path| read(path).unwrap_or_default()) else {
            return Err(Refusal::NotReady(format!(
                "no control group hierarchy here has the `{controller}` controller \
                 (CONFIG_CGROUPS, cgroup_no_v1, cgroup.controllers)"
            )));
        };
        let (mut moved, mut lent) = (Vec::new(), Lent::of(controller));
        for (n, it) in targets.iter().enumerate() {
            let own = own_group(&read(&format!("/proc/{}/cgroup", it.id.pid))?, controller, &mount);
            let Some(own) = own else {
                let (pid, root) = (it.id.pid, &mount.point);
                return Err(Refusal::NotReady(format!("process {pid} is in no group of {root}")));
            };
            let from = format!("{}{own}", mount.point);
            let above = match (mount.version, own.rsplit_once('/')) {
                (Version::V2, Some((above, _))) => format!("{}{above}", mount.point),
                (Version::V1, _) | (Version::V2, None) => from.clone(),
            };
            if !world.host.may_write(&above) {
                return Err(Refusal::NotReady(format!(
                    "{above} may not be written: run as root, or have the group delegated"
                )));
            }
            let passed = match mount.version {
                Version::V1 => String::new(),
                Version::V2 => lent.for_those_below((&mount.point, &above), world)?,
            };
            let mark = world.mark.replace('/', "-");
            let to = format!("{above}/holdfast-{mark}-{n}{passed}");
            moved.push(Moved { who: it.id.clone(), from, to });
        }
        Ok(Self { version: mount.version, moved, lent })
    }

    /// Which kind they are.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many there are: one a target.
    pub fn count(&self) -> usize {
        self.moved.len()
    }

    /// How a person goes back.
    pub fn by_hand(&self) -> Vec<String> {
        let one = |it: &Moved| {
            let (from, to) = (quoted(&it.from), quoted(&it.to));
            format!(
                "for p in $(cat {to}/cgroup.procs); do echo $p > {from}/cgroup.procs; done; \
                 rmdir {to}"
            )
        };
        self.moved.iter().map(one).chain(self.lent.by_hand()).collect()
    }

    /// What of them could be left.
    pub fn traces(&self) -> Vec<Trace> {
        let groups = self.moved.iter().map(|it| Trace::Group(it.to.clone()));
        groups.chain(self.lent.traces()).collect()
    }

    /// Makes the groups, says `knobs` to each (file and word), and moves the targets in.
    pub fn confine(&self, knobs: &[(&str, String)], world: &World) -> Result<(), Failure> {
        // The groups stand first: they show that something of ours is to be gone back on.
        for it in &self.moved {
            world.host.make_folder(&it.to)?;
        }
        self.lent.turn_on(world)?;
        for it in &self.moved {
            for (file, word) in knobs {
                world.host.set(&format!("{}/{file}", it.to), word)?;
            }
            if world.host.enlist(&it.to, &it.who)? == Sent::Gone {
                return Err(Failure::Wrong(format!("process {} is gone", it.who.pid)));
            }
        }
        Ok(())
    }

    /// What `file` of each group says.
    pub fn read(&self, file: &str, world: &World) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        for it in &self.moved {
            let bytes = world.host.read(&format!("{}/{file}", it.to))?.unwrap_or_default();
            all.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(all)
    }

    /// The number after `key` in `file` of each group; of a file that is one number, with no key.
    pub fn told(&self, file: &str, key: &str, world: &World) -> Result<Vec<u64>, Failure> {
        let number = |text: &String| {
            let mut numbers = text.lines().filter_map(|it| it.strip_prefix(key));
            numbers.find_map(|it| it.trim().parse::<u64>().ok())
        };
        Ok(self.read(file, world)?.iter().filter_map(number).collect())
    }

    /// Whether every target that lives is in its group.
    pub fn are_in(&self, world: &World) -> Result<bool, Failure> {
        for it in &self.moved {
            let inside = members(&it.to, world)?;
            if world.host.process(&it.who)?.is_some() && !inside.contains(&it.who.pid) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves everybody back, and removes the groups.
    pub async fn release(&self, world: &World) -> Result<(), Failure> {
        let own: BTreeSet<&str> = self.moved.iter().map(|it| it.to.as_str()).collect();
        let mut began = false;
        for it in &own {
            began |= world.host.names(it)?.is_some();
        }
        // Without any of them nothing was turned on, or all was turned off; if it is on, it is so
        // for somebody else.
        if began {
            self.lent.turn_off(&own, world)?;
        }
        for it in &self.moved {
            let mut looks = 0;
            loop {
                // Who is born in there while we move others out is moved by the next look.
                for pid in members(&it.to, world)? {
                    if let Some(member) = world.host.by_number(pid)? {
                        world.host.enlist(&it.from, &member.id)?;
                    }
                }
                match world.host.remove_folder(&it.to) {
                    Ok(()) => break,
                    Err(why) if looks == GOES.0 => return Err(why.into()),
                    Err(why @ crate::world::host::HostError::PowerCut) => return Err(why.into()),
                    Err(_) => looks += 1,
                }
                tokio::time::sleep(GOES.1).await;
            }
        }
        Ok(())
    }
}

fn members(group: &str, world: &World) -> Result<BTreeSet<u32>, Failure> {
    let bytes = world.host.read(&format!("{group}/cgroup.procs"))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().filter_map(|it| it.trim().parse().ok()).collect())
}

/// Where a hierarchy is mounted.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    version: Version,
    point: String,
    /// What of the hierarchy is seen there.
    root: String,
}

/// The hierarchy that has `controller` (proc(5), `mountinfo`).
fn mount(text: &str, controller: &str, read: impl Fn(&str) -> String) -> Option<Mount> {
    let all = text.lines().filter_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let head: Vec<&str> = head.split(' ').collect();
        let tail: Vec<&str> = tail.split(' ').collect();
        let version = match *tail.first()? {
            "cgroup" => Version::V1,
            "cgroup2" => Version::V2,
            _ => return None,
        };
        let (root, point) = ((*head.get(3)?).to_owned(), (*head.get(4)?).to_owned());
        let has = match version {
            Version::V1 => tail.get(2)?.split(',').any(|it| it == controller),
            Version::V2 => {
                // In the file's own words, the io controller of v2 is what v1 called blkio.
                read(&format!("{point}/cgroup.controllers"))
                    .split_ascii_whitespace()
                    .any(|it| it == controller)
            }
        };
        has.then_some(Mount { version, point, root })
    });
    all.last()
}

/// The group of a process below the mount point, empty for the topmost (cgroups(7)).
fn own_group(text: &str, controller: &str, mount: &Mount) -> Option<String> {
    let path = text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, kinds, path) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = match mount.version {
            Version::V1 => kinds.split(',').any(|it| it == controller),
            Version::V2 => number == "0",
        };
        ours.then_some(path)
    })?;
    if path.split('/').any(|it| it == "..") {
        return None; // It is outside of what this process sees (cgroup_namespaces(7)).
    }
    let below = match path.strip_prefix(mount.root.as_str()) {
        Some(below) if mount.root != "/" => below,
        Some(_) | None => path,
    };
    Some(below.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
31 24 0:27 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn a_controller_is_found_where_it_is() {
        let none = |_: &str| "hugetlb".to_owned();
        let cpu = mount(MOUNTS, "cpu", none).unwrap();
        assert_eq!((cpu.version, cpu.point.as_str()), (Version::V1, "/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(mount(MOUNTS, "io", none), None);
        let io = mount(MOUNTS, "io", |_: &str| "cpu io".to_owned()).unwrap();
        assert_eq!((io.version, io.point.as_str()), (Version::V2, "/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_process_s_group_is_told_from_below_the_mount() {
        let text = "3:cpu,cpuacct:/a/b\n2:memory:/docker/ab/c\n0::/user.slice/x\n";
        let of = |controller, mounted: &Mount| own_group(text, controller, mounted);
        let cpu = Mount { version: Version::V1, point: String::new(), root: "/".to_owned() };
        assert_eq!(of("cpu", &cpu).as_deref(), Some("/a/b"));
        let memory = Mount { root: "/docker/ab".to_owned(), ..cpu };
        assert_eq!(of("memory", &memory).as_deref(), Some("/c"));
        let second = Mount { version: Version::V2, root: "/".to_owned(), ..memory };
        assert_eq!(of("io", &second).as_deref(), Some("/user.slice/x"));
        assert_eq!(own_group("0::/\n", "io", &second).as_deref(), Some(""));
        assert_eq!(own_group("0::/../x\n", "io", &second), None, "outside of our namespace");
    }
}
