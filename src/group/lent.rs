//! Controllers that groups of version 2 pass on to those below them (`cgroup.subtree_control`).
//!
//! A group of ours has a controller only if every group above it passes it on. Where one does not,
//! we turn it on, and off again with the last group of ours that needs it. Several acts may need
//! the same at once, and none knows of the others; so the name of a group of ours says how many of
//! those above it pass what on for its sake: `…+2cpu`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    action::Refusal,
    journal::census::Trace,
    world::{World, host::HostError},
};

/// What a group's files say while nobody has set anything there.
const UNTOUCHED: &[(&str, &[(&str, &str)])] = &[
    ("cpu", &[("cpu.max", "max 100000"), ("cpu.weight", "100"), ("cpu.idle", "0")]),
    (
        "memory",
        &[
            ("memory.max", "max"),
            ("memory.high", "max"),
            ("memory.low", "0"),
            ("memory.min", "0"),
            ("memory.swap.max", "max"),
        ],
    ),
    ("io", &[("io.max", ""), ("io.weight", "default 100"), ("io.latency", "")]),
];

/// A controller, and the groups that pass it on for our sake alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Lent {
    controller: String,
    /// Whoever is above another sorts before it.
    groups: BTreeSet<String>,
}

impl Lent {
    pub(super) fn of(controller: &str) -> Self {
        Self { controller: controller.to_owned(), groups: BTreeSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Looks who must pass it on so that groups below `above` have it, and tells what the name of
    /// such a group ends in. `top` is where the hierarchy is mounted.
    pub(super) fn for_those_below(
        &mut self,
        (top, above): (&str, &str),
        world: &World,
    ) -> Result<String, Refusal> {
        let all = world.host.groups()?;
        let mut depth = 0;
        for (n, group) in (1_u32..).zip(upwards(top, above)) {
            let on = passes_on(group, &self.controller, world)?;
            if on && !all.iter().any(|it| is_for(it, &self.controller, group)) {
                continue;
            }
            if !on {
                self.may_turn_on(group, world)?;
            }
            depth = n;
            self.groups.insert(group.to_owned());
        }
        Ok(if depth == 0 { String::new() } else { format!("+{depth}{}", self.controller) })
    }

    fn may_turn_on(&self, group: &str, world: &World) -> Result<(), Refusal> {
        let controller = &self.controller;
        let file = file_of(group);
        if !world.host.may_write(&file) {
            return Err(Refusal::NotReady(format!(
                "{file} does not have `{controller}`, and may not be written: run as root, or have \
                 the group delegated"
            )));
        }
        // The topmost of all has no type, and may have processes besides groups.
        let may_have = world.host.read(&format!("{group}/cgroup.type"))?.is_none();
        let inside = world.host.read(&format!("{group}/cgroup.procs"))?.unwrap_or_default();
        if !may_have && !inside.is_empty() {
            return Err(Refusal::NotReady(format!(
                "{file} does not have `{controller}`, and cannot have it while processes are in \
                 that very group (cgroups(7), \"no internal processes\")"
            )));
        }
        Ok(())
    }

    /// Has them pass it on, from the top.
    pub(super) fn turn_on(&self, world: &World) -> Result<(), HostError> {
        let said = format!("+{}", self.controller);
        self.groups.iter().try_for_each(|it| world.host.set(&file_of(it), &said))
    }

    /// Has those of them pass it on no more that do it for nobody but `own`.
    pub(super) fn turn_off(&self, own: &BTreeSet<&str>, world: &World) -> Result<(), HostError> {
        let said = format!("-{}", self.controller);
        for it in self.groups.iter().rev() {
            if passes_on_for_nobody_but(own, (it, &self.controller), world)? {
                world.host.set(&file_of(it), &said)?;
            }
        }
        Ok(())
    }

    /// How a person does.
    pub(super) fn by_hand(&self) -> impl Iterator<Item = String> {
        let one = |it: &String| {
            format!("echo -{} > {}", self.controller, crate::action::quoted(&file_of(it)))
        };
        self.groups.iter().rev().map(one)
    }

    pub(super) fn traces(&self) -> impl Iterator<Item = Trace> {
        let controller = &self.controller;
        let one = |it: &String| Trace::Passed { group: it.clone(), controller: controller.clone() };
        self.groups.iter().map(one)
    }
}

/// Whether a group passes a controller on, and nobody below it needs that.
pub fn is_passed_on_for_nobody(
    group: &str,
    controller: &str,
    world: &World,
) -> Result<bool, HostError> {
    passes_on_for_nobody_but(&BTreeSet::new(), (group, controller), world)
}

fn passes_on_for_nobody_but(
    own: &BTreeSet<&str>,
    (group, controller): (&str, &str),
    world: &World,
) -> Result<bool, HostError> {
    if !passes_on(group, controller, world)? {
        return Ok(false);
    }
    let mut all = world.host.groups()?;
    all.retain(|it| !own.contains(it.as_str()));
    if all.iter().any(|it| is_for(it, controller, group)) {
        return Ok(false);
    }
    // Somebody else may have come to use it while it was there.
    let is_child = |it: &&String| it.rsplit_once('/').is_some_and(|it| it.0 == group);
    for it in all.iter().filter(is_child) {
        if passes_on(it, controller, world)? || is_used(it, controller, world)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether somebody has set something of this controller's in a group.
fn is_used(group: &str, controller: &str, world: &World) -> Result<bool, HostError> {
    for (_, files) in UNTOUCHED.iter().filter(|it| it.0 == controller) {
        for (file, untouched) in *files {
            let said = world.host.read(&format!("{group}/{file}"))?;
            if said.is_some_and(|it| String::from_utf8_lossy(&it).trim() != *untouched) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn file_of(group: &str) -> String {
    format!("{group}/cgroup.subtree_control")
}

fn passes_on(group: &str, controller: &str, world: &World) -> Result<bool, HostError> {
    let bytes = world.host.read(&file_of(group))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.split_ascii_whitespace().any(|it| it == controller))
}

/// `above`, what is above it, and so on until `top`.
fn upwards<'a>(top: &'a str, above: &'a str) -> impl Iterator<Item = &'a str> {
    let up = |it: &&'a str| it.rsplit_once('/').map(|it| it.0);
    std::iter::successors(Some(above), up).take_while(move |it| it.len() >= top.len())
}

/// Whether `name` is a group of ours for whose sake `group` passes `controller` on.
fn is_for(name: &str, controller: &str, group: &str) -> bool {
    let told = || {
        let (above, own) = name.rsplit_once('/')?;
        let depth = own.strip_prefix("holdfast-")?.rsplit_once('+')?.1;
        let depth: usize = depth.strip_suffix(controller)?.parse().ok()?;
        let between = above.strip_prefix(group)?;
        let is_below = between.is_empty() || between.starts_with('/');
        Some(is_below && between.matches('/').count() < depth)
    };
    told().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_who_above_it_passes_on_what_for_its_sake() {
        let name = "/g/a/b/holdfast-20261123T010203Z-0badcafe-4-0+2cpu";
        assert!(is_for(name, "cpu", "/g/a/b") && is_for(name, "cpu", "/g/a"));
        assert!(!is_for(name, "cpu", "/g"), "that one did so before");
        assert!(!is_for(name, "memory", "/g/a") && !is_for(name, "cpu", "/g/a/bc"));
        assert!(!is_for("/g/a/b/holdfast-20261123T010203Z-0badcafe-4-0", "cpu", "/g/a/b"));
        assert!(!is_for("/g/a/b/their+2cpu", "cpu", "/g/a/b"), "it is not ours");
    }

    #[test]
    fn upwards_ends_where_the_hierarchy_is_mounted() {
        let all: Vec<_> = upwards("/sys/fs/cgroup", "/sys/fs/cgroup/a/b").collect();
        assert_eq!(all, ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
        assert_eq!(upwards("/g", "/g").collect::<Vec<_>>(), ["/g"]);
    }
}
