//! Processor time, memory, disk traffic and tasks of control groups, version 1 and 2.
//!
//! Groups do not overlap (see [`super::cgroup_tree`]). The tree is walked anew at most every ten
//! seconds; in between, a scrape reads a few small files for each group. At most
//! [`GROUPS_MAX`] groups are shown: who is in stays in, and who finds no room is counted.

use std::{collections::BTreeSet, path::Path};

use super::cgroup_tree::{Hierarchy, Layout, Roll, groups, unit};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, many, wide},
    export::{Export, Origin},
    world::{
        roots::{self, Roots},
        shelf::{Shelf, Spot},
    },
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "cgroups",
        summary: "processor time, memory, disk traffic and tasks of systemd units and other groups",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Cgroups::new(GROUPS_MAX)),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "holdfast_cgroups_shown",
            "holdfast_cgroups_refused",
            "holdfast_cgroups_overflowed_total",
            "holdfast_cgroup_cpu_seconds_total",
        ],
        &[
            Origin::Sys("fs/cgroup/cgroup.controllers"),
            Origin::Sys("fs/cgroup/cpuacct"),
            Origin::Sys("fs/cgroup/cpu,cpuacct"),
        ],
        "control groups (CONFIG_CGROUPS), mounted at /sys/fs/cgroup, with at least one \
         group below the root",
    ),
    Export::of(
        &["holdfast_cgroup_cpu_throttled_seconds_total"],
        &[Origin::Sys("fs/cgroup/*/cpu.stat"), Origin::Sys("fs/cgroup/cpu/cpu.stat")],
        "a group with a quota, and the controller `cpu` in `cgroup.subtree_control` \
         (CONFIG_CFS_BANDWIDTH)",
    ),
    Export::of(
        &["holdfast_cgroup_memory_bytes"],
        &[
            Origin::Sys("fs/cgroup/*/memory.current"),
            Origin::Sys("fs/cgroup/memory/memory.usage_in_bytes"),
        ],
        "the controller `memory` (CONFIG_MEMCG; some distributions want \
         `cgroup_enable=memory` at boot)",
    ),
    Export::of(
        &["holdfast_cgroup_memory_limit_bytes"],
        &[
            Origin::Sys("fs/cgroup/*/memory.max"),
            Origin::Sys("fs/cgroup/memory/*/memory.limit_in_bytes"),
        ],
        "a group with a limit on memory, such as a unit with MemoryMax=",
    ),
    Export::of(
        &["holdfast_cgroup_oom_kills_total"],
        &[
            Origin::Sys("fs/cgroup/*/memory.events"),
            Origin::Sys("fs/cgroup/memory/*/memory.oom_control"),
        ],
        "the controller `memory` (CONFIG_MEMCG, Linux 4.13)",
    ),
    Export::of(
        &[
            "holdfast_cgroup_io_read_bytes_total",
            "holdfast_cgroup_io_reads_total",
            "holdfast_cgroup_io_writes_total",
            "holdfast_cgroup_io_written_bytes_total",
        ],
        &[
            Origin::Sys("fs/cgroup/*/io.stat"),
            Origin::Sys("fs/cgroup/blkio/blkio.throttle.io_service_bytes"),
        ],
        "the controller `io` (CONFIG_BLK_CGROUP), and a group that reads or writes a \
         disk",
    ),
    Export::of(
        &["holdfast_cgroup_tasks"],
        &[Origin::Sys("fs/cgroup/*/pids.current"), Origin::Sys("fs/cgroup/pids")],
        "the controller `pids` (CONFIG_CGROUP_PIDS)",
    ),
];

/// So many groups at most.
pub const GROUPS_MAX: usize = 100;
/// So many descriptors stay open at most: enough for all groups that are shown, with six files
/// each. Where more are shown, the files of the others are opened at each scrape.
const OPEN_MAX: usize = 6 * GROUPS_MAX;
/// The tree is walked anew after so many seconds.
const WALK_EVERY: f64 = 10.0;
/// From here on a limit of memory is none: v1 says the largest number of pages.
const NO_LIMIT: f64 = 4e18;

/// Reads control groups.
#[derive(Debug)]
pub struct Cgroups {
    layout: Option<Layout>,
    walked: f64,
    roll: Roll<Files>,
    shelf: Shelf,
}

/// A group's files; none: nobody accounts for it.
#[derive(Debug, Default)]
struct Files {
    cpu: Option<Spot>,
    quota: Option<Spot>,
    memory: Option<Spot>,
    limit: Option<Spot>,
    kills: Option<Spot>,
    io: Option<Spot>,
    operations: Option<Spot>,
    tasks: Option<Spot>,
    figures: Figures,
}

/// What a group's files say; none: they do not say it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Figures {
    user: Option<f64>,
    system: Option<f64>,
    throttled: Option<f64>,
    memory: Option<f64>,
    limit: Option<f64>,
    kills: Option<f64>,
    read: Option<f64>,
    written: Option<f64>,
    reads: Option<f64>,
    writes: Option<f64>,
    tasks: Option<f64>,
}

impl Cgroups {
    /// Shows so many groups at most.
    pub fn new(groups_max: usize) -> Self {
        Self {
            layout: None,
            walked: f64::NEG_INFINITY,
            roll: Roll::new(groups_max),
            shelf: Shelf::new(OPEN_MAX),
        }
    }

    fn walk(&mut self, roots: &Roots) {
        // Controllers may be mounted after the agent's start.
        let layout = Layout::find(roots);
        if self.layout.as_ref() != Some(&layout) {
            self.roll.members.clear();
        }
        let all: BTreeSet<String> = layout.tops().into_iter().flat_map(groups).collect();
        // One hierarchy may go deeper than the other: a group around another would overlap it.
        let is_around = |name: &String| {
            let within = format!("{name}/");
            all.range(within.clone()..).next().is_some_and(|it| it.starts_with(&within))
        };
        let names: Vec<String> = all.iter().filter(|it| !is_around(it)).cloned().collect();
        self.roll.refresh(&names, |name| Files::of(&layout, name));
        self.layout = Some(layout);
    }
}

impl Collector for Cgroups {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let now = roots::now();
        // A clock that was set back must not stop the walks.
        if !(0.0..WALK_EVERY).contains(&(now - self.walked)) {
            self.walk(roots);
            self.walked = now;
        }
        for files in self.roll.members.values_mut() {
            files.read(self.layout.as_ref(), &mut self.shelf);
        }
        show(&self.roll, samples);
        Ok(())
    }
}

impl Files {
    fn of(layout: &Layout, name: &str) -> Self {
        let spot = |of: &Option<Hierarchy>, v1: &str, v2: &str| {
            let hierarchy = of.as_ref()?;
            let file = if hierarchy.is_v2 { v2 } else { v1 };
            let folder = hierarchy.root.join(name.trim_start_matches('/'));
            (!file.is_empty() && is_there(&folder)).then(|| Spot::new(folder.join(file)))
        };
        Self {
            cpu: spot(&layout.cpu, "cpuacct.stat", "cpu.stat"),
            // On v2 it stands in the same file.
            quota: spot(&layout.quota, "cpu.stat", ""),
            memory: spot(&layout.memory, "memory.usage_in_bytes", "memory.current"),
            limit: spot(&layout.memory, "memory.limit_in_bytes", "memory.max"),
            kills: spot(&layout.memory, "memory.oom_control", "memory.events"),
            io: spot(&layout.io, "blkio.throttle.io_service_bytes", "io.stat"),
            operations: spot(&layout.io, "blkio.throttle.io_serviced", ""),
            tasks: spot(&layout.tasks, "pids.current", "pids.current"),
            figures: Figures::default(),
        }
    }

    /// What cannot be read is left out: groups come and go at any time.
    fn read(&mut self, layout: Option<&Layout>, shelf: &mut Shelf) {
        let mut it = Figures::default();
        let mut with = |spot: &mut Option<Spot>, take: &mut dyn FnMut(&str)| {
            if let Some(Ok(text)) = spot.as_mut().map(|spot| shelf.read(spot)) {
                take(text);
            }
        };
        let is_v2 = |of: fn(&Layout) -> &Option<Hierarchy>| {
            layout.and_then(|it| of(it).as_ref()).is_some_and(|it| it.is_v2)
        };
        let cpu_is_v2 = is_v2(|it| &it.cpu);
        let (user, system) =
            if cpu_is_v2 { ("user_usec", "system_usec") } else { ("user", "system") };
        let each = if cpu_is_v2 { 1e-6 } else { 0.01 };
        with(&mut self.cpu, &mut |text| {
            it.user = field(text, user).map(|it| it * each);
            it.system = field(text, system).map(|it| it * each);
            it.throttled = field(text, "throttled_usec").map(|it| it / 1e6);
        });
        with(&mut self.quota, &mut |text| {
            it.throttled = field(text, "throttled_time").map(|it| it / 1e9);
        });
        with(&mut self.memory, &mut |text| it.memory = text.trim_end().parse().ok());
        with(&mut self.limit, &mut |text| {
            it.limit = text.trim_end().parse().ok().filter(|it| *it < NO_LIMIT);
        });
        with(&mut self.kills, &mut |text| it.kills = field(text, "oom_kill"));
        with(&mut self.tasks, &mut |text| it.tasks = text.trim_end().parse().ok());
        if is_v2(|it| &it.io) {
            with(&mut self.io, &mut |text| {
                let sum = |key: &str| Some(v2_io(text, key));
                (it.read, it.written) = (sum("rbytes="), sum("wbytes="));
                (it.reads, it.writes) = (sum("rios="), sum("wios="));
            });
        } else {
            with(&mut self.io, &mut |text| {
                (it.read, it.written) = (Some(v1_io(text, "Read")), Some(v1_io(text, "Write")));
            });
            with(&mut self.operations, &mut |text| {
                (it.reads, it.writes) = (Some(v1_io(text, "Read")), Some(v1_io(text, "Write")));
            });
        }
        self.figures = it;
    }
}

fn is_there(folder: &Path) -> bool {
    matches!(roots::stamp(folder), Ok(Some(_)))
}

/// `key value` on a line of its own.
fn field(text: &str, key: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// `8:0 rbytes=1 wbytes=2 …`, over all devices.
fn v2_io(text: &str, key: &str) -> f64 {
    let numbers = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key));
    numbers.filter_map(|it| it.parse::<f64>().ok()).sum()
}

/// `8:0 Read 1`, over all devices.
fn v1_io(text: &str, key: &str) -> f64 {
    let of = |line: &str| -> Option<f64> {
        let mut words = line.split_ascii_whitespace().skip(1);
        (words.next()? == key).then(|| words.next()?.parse().ok())?
    };
    text.lines().filter_map(of).sum()
}

fn show(roll: &Roll<Files>, samples: &mut Samples) {
    let help = "Seconds of processor time that a control group used.";
    samples.counter("holdfast_cgroup_cpu_seconds_total", help);
    for (group, files) in &roll.members {
        let unit = unit(group).unwrap_or_default();
        for (mode, seconds) in [("system", files.figures.system), ("user", files.figures.user)] {
            if let Some(seconds) = seconds {
                samples.row(&[("cgroup", group), ("mode", mode), ("unit", unit)], seconds);
            }
        }
    }
    for (name, help, is_counter, pick) in FAMILIES {
        if *is_counter {
            samples.counter(name, help);
        } else {
            samples.gauge(name, help);
        }
        for (group, files) in &roll.members {
            if let Some(value) = pick(&files.figures) {
                let unit = unit(group).unwrap_or_default();
                samples.row(&[("cgroup", group), ("unit", unit)], value);
            }
        }
    }
    let help = "Control groups that are shown.";
    samples.gauge("holdfast_cgroups_shown", help).row(&[], many(roll.members.len()));
    let help = "Control groups that are not shown now, for want of room.";
    samples.gauge("holdfast_cgroups_refused", help).row(&[], many(roll.refused()));
    let help = "Control groups that found no room and were not shown.";
    samples.counter("holdfast_cgroups_overflowed_total", help).row(&[], wide(roll.overflowed()));
}

/// Name, help, whether it is a counter, and the figure.
type Shown = (&'static str, &'static str, bool, fn(&Figures) -> Option<f64>);

const FAMILIES: &[Shown] = &[
    (
        "holdfast_cgroup_cpu_throttled_seconds_total",
        "Seconds for which a control group was held back by its quota.",
        true,
        |it| it.throttled,
    ),
    ("holdfast_cgroup_memory_bytes", "Memory that a control group uses.", false, |it| it.memory),
    (
        "holdfast_cgroup_memory_limit_bytes",
        "Memory that a control group may use, where it has a limit.",
        false,
        |it| it.limit,
    ),
    (
        "holdfast_cgroup_oom_kills_total",
        "Processes of a control group that were killed for want of memory.",
        true,
        |it| it.kills,
    ),
    (
        "holdfast_cgroup_io_read_bytes_total",
        "Bytes that a control group read from disks.",
        true,
        |it| it.read,
    ),
    (
        "holdfast_cgroup_io_written_bytes_total",
        "Bytes that a control group wrote to disks.",
        true,
        |it| it.written,
    ),
    ("holdfast_cgroup_io_reads_total", "Reads of a control group from disks.", true, |it| it.reads),
    ("holdfast_cgroup_io_writes_total", "Writes of a control group to disks.", true, |it| {
        it.writes
    }),
    ("holdfast_cgroup_tasks", "Processes and threads in a control group.", false, |it| it.tasks),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_traffic_is_summed_over_devices() {
        let v2 = "8:0 rbytes=1000 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n259:0 rbytes=500\n";
        assert!((v2_io(v2, "rbytes=") - 1500.0).abs() < 1e-9);
        assert!((v2_io(v2, "wios=") - 4.0).abs() < 1e-9);
        let v1 = "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 1\nTotal 31\n";
        assert!((v1_io(v1, "Read") - 11.0).abs() < 1e-9);
        assert!(v1_io("", "Read").abs() < 1e-9);
    }

    #[test]
    fn a_field_is_a_whole_word() {
        assert_eq!(field("oom 3\noom_kill 2\n", "oom_kill"), Some(2.0));
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\n", "oom_kill"), None);
    }
}
