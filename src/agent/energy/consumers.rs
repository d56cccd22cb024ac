//! Who used processor time since the last look: control groups, and the machine as a whole.

use crate::{
    collectors::cgroup_tree::{Hierarchy, Layout, Roll, groups},
    world::{
        roots::{self, Kept, Roots},
        shelf::{Shelf, Spot},
    },
};

/// The tree is walked anew every so many looks.
const WALK_EVERY: u32 = 5;
/// So many descriptors stay open at most.
const OPEN_MAX: usize = 128;

/// Looks at the groups' processor time.
#[derive(Debug)]
pub(super) struct Consumers {
    cpu: Option<Hierarchy>,
    roll: Roll<Consumer>,
    groups_max: usize,
    shelf: Shelf,
    stat: Kept,
    /// The machine's, in microseconds: busy, and all that there was.
    last: Option<(u64, u64)>,
    looks: u32,
}

#[derive(Debug)]
struct Consumer {
    file: Spot,
    /// Microseconds when it was looked at last.
    last: Option<u64>,
}

/// Processor time in microseconds since the last look.
#[derive(Debug, Clone, Default)]
pub(super) struct Used {
    pub(super) groups: Vec<(String, u64)>,
    pub(super) busy: u64,
    pub(super) all: u64,
    pub(super) groups_max: usize,
    /// Groups that found no room: now, and so far.
    pub(super) refused: (usize, u64),
}

impl Consumers {
    pub(super) fn new(roots: &Roots, groups_max: usize) -> Self {
        let mut new = Self {
            cpu: Layout::find(roots).cpu,
            roll: Roll::new(groups_max),
            groups_max,
            shelf: Shelf::new(OPEN_MAX),
            stat: Kept::new(roots.proc("stat")),
            last: None,
            looks: 0,
        };
        new.look();
        new
    }

    /// What was used since the last look. What cannot be read has used nothing that is known.
    pub(super) fn look(&mut self) -> Used {
        let mut used = Used { groups_max: self.groups_max, ..Used::default() };
        if let Some(cpu) = &self.cpu {
            if self.looks.is_multiple_of(WALK_EVERY) {
                let names = groups(&cpu.root);
                let file = if cpu.is_v2 { "cpu.stat" } else { "cpuacct.usage" };
                let root = &cpu.root;
                self.roll.refresh(&names, |name| Consumer {
                    file: Spot::new(root.join(name.trim_start_matches('/')).join(file)),
                    last: None,
                });
            }
            for (name, consumer) in &mut self.roll.members {
                let said = self.shelf.read(&mut consumer.file).ok();
                let now = said.and_then(|text| usage(text, cpu.is_v2));
                let before = std::mem::replace(&mut consumer.last, now);
                // One that came again under the same name begins at zero.
                let more = now.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
                used.groups.push((name.clone(), more));
            }
        }
        self.looks = self.looks.wrapping_add(1);
        let now = self.stat.read().ok().and_then(machine);
        if let (Some(now), Some(before)) = (now, self.last) {
            used.busy = now.0.saturating_sub(before.0);
            used.all = now.1.saturating_sub(before.1);
        }
        self.last = now.or(self.last);
        used.refused = (self.roll.refused(), self.roll.overflowed());
        used
    }
}

/// Microseconds of each group since it began, up to so many.
pub(crate) fn groups_now(roots: &Roots, most: usize) -> Vec<(String, u64)> {
    let Some(cpu) = Layout::find(roots).cpu else { return Vec::new() };
    let file = if cpu.is_v2 { "cpu.stat" } else { "cpuacct.usage" };
    let now = |name: String| {
        let path = cpu.root.join(name.trim_start_matches('/')).join(file);
        Some((name, usage(&roots::read(&path).ok()?, cpu.is_v2)?))
    };
    groups(&cpu.root).into_iter().take(most).filter_map(now).collect()
}

/// Microseconds of a group.
fn usage(text: &str, is_v2: bool) -> Option<u64> {
    if is_v2 {
        text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok())
    } else {
        Some(text.trim().parse::<u64>().ok()? / 1_000)
    }
}

/// Microseconds of the machine: busy and all. A tick is a hundredth of a second.
pub(crate) fn machine(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Option<Vec<u64>> =
        line.split_ascii_whitespace().take(8).map(|it| it.parse().ok()).collect();
    let ticks = ticks?;
    let all: u64 = ticks.iter().sum();
    let (idle, iowait) = (*ticks.get(3)?, ticks.get(4).copied().unwrap_or(0));
    // What was stolen by other guests was not used here.
    let steal = ticks.get(7).copied().unwrap_or(0);
    Some((all.checked_sub(idle + iowait + steal)? * 10_000, all * 10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_in_microseconds() {
        let v2 = "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n";
        assert_eq!(usage(v2, true), Some(1_500_000));
        assert_eq!(usage("1500000999\n", false), Some(1_500_000));
        assert_eq!(usage("", true), None);
        assert_eq!(usage("x", false), None);
        assert_eq!(machine("cpu  10 0 5 80 4 0 1 9 0 0\n"), Some((160_000, 1_090_000)));
        assert_eq!(machine("cpu  1 2\n"), None);
    }
}
