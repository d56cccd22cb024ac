//! The processes of a site that have one name, and what they have used together.
//!
//! The kernel adds what a child used to its parent, once that has waited for it, so that
//!
//! ```text
//! used = Σ (own + waited for) over those that live + Σ the same of those that left nobody behind
//! ```
//!
//! loses nothing of children that come and go between two readings. Who ends without a parent of
//! the same name takes along what it used since the last reading, and that reading says so.

use std::collections::{BTreeMap, BTreeSet};

use super::kernel::{self, Times};
use crate::{
    journal::site::{Resource, SiteRow, SiteRows},
    target::ProcessTarget,
    world::{
        World,
        host::{Process, ProcessId},
    },
};

/// Times of a process and of its parent agree to so many seconds: two ticks.
const TICK: f64 = 0.021;

/// So often all are read at once, at most.
const PASSES_MAX: usize = 8;

/// Processes of a site that have one name.
pub(super) struct Group {
    site: String,
    name: String,
    target: ProcessTarget,
    /// What each had used when it was read last.
    before: BTreeMap<ProcessId, Used>,
    /// What is added to those that live: the use of those that are gone, less that of before.
    base: Sum,
    /// As it was read last; it never falls.
    sum: Sum,
    /// When that was, in seconds since the boot; none if nobody looked yet.
    looked: Option<f64>,
    missing: BTreeMap<Resource, String>,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    times: Times,
    disk: Option<(f64, f64)>,
}

/// Processor time in seconds, and bytes from and to disks; none once these could not be read,
/// because a sum with a hole would be too small without saying so.
#[derive(Debug, Clone, Copy)]
struct Sum {
    cpu: f64,
    disk: Option<(f64, f64)>,
}

impl Sum {
    const ZERO: Self = Self { cpu: 0.0, disk: Some((0.0, 0.0)) };

    fn add(&mut self, of: &Used, sign: f64) {
        self.cpu += sign * of.times.total;
        let both = self.disk.zip(of.disk);
        self.disk = both.map(|(sum, it)| (sum.0 + sign * it.0, sum.1 + sign * it.1));
    }

    fn at_least(self, before: Self) -> Self {
        let both = self.disk.zip(before.disk);
        Self {
            cpu: self.cpu.max(before.cpu),
            disk: both.map(|(now, before)| (now.0.max(before.0), now.1.max(before.1))),
        }
    }
}

impl Group {
    /// Nothing is read yet.
    pub(super) fn new((site, name): (&str, &str), target: &ProcessTarget) -> Self {
        Self {
            site: site.to_owned(),
            name: name.to_owned(),
            target: target.clone(),
            before: BTreeMap::new(),
            base: Sum::ZERO,
            sum: Sum::ZERO,
            looked: None,
            missing: BTreeMap::new(),
        }
    }

    /// Reads all that fit, on a machine of so many processors.
    pub(super) fn read(&mut self, world: &World, cpus: Option<f64>) -> SiteRows {
        let (site, process) = (self.site.clone(), self.name.clone());
        let found = match self.target.look(&*world.host) {
            Ok(found) => found,
            Err(why) => {
                let blind = Some(why.to_string());
                return SiteRows { site, process, blind, ..SiteRows::default() };
            }
        };
        if self.looked.is_none() {
            let why = "the kernel counts no network bytes by process";
            self.missing.insert(Resource::Network, why.to_owned());
        }
        let mut row = SiteRow { at_us: world.clock.now_us(), ..SiteRow::default() };
        row.processes = u32::try_from(found.len()).ok();
        self.add(&found, world, &mut row);
        resident(&found, world, &mut row);
        row.cpus = cpus;
        let missing = std::mem::take(&mut self.missing);
        SiteRows { site, process, rows: vec![row], missing, ..SiteRows::default() }
    }

    fn add(&mut self, found: &[Process], world: &World, row: &mut SiteRow) {
        let boot_us = world.clock.stamp().boot_us;
        let now = self.all(found, world);
        let before = std::mem::take(&mut self.before);
        let gone: Vec<(&ProcessId, &Used)> =
            before.iter().filter(|it| !now.contains_key(it.0)).collect();
        for (_, used) in &gone {
            if !is_inherited(used, &gone, (&before, &now)) {
                self.base.add(used, 1.0);
                row.unsure += 1;
            }
        }
        for (_, used) in now.iter().filter(|it| !before.contains_key(it.0)) {
            // At first all were there before; later they are new, or somebody's that fits only now.
            if self.looked.is_none_or(|it| used.times.started < it - TICK) {
                self.base.add(used, -1.0);
                row.unsure += u32::from(self.looked.is_some());
            }
        }
        let mut sum = self.base;
        for it in now.values() {
            sum.add(it, 1.0);
        }
        self.sum = sum.at_least(self.sum);
        row.cpu_seconds = Some(self.sum.cpu);
        row.disk_read_bytes = self.sum.disk.map(|it| it.0);
        row.disk_written_bytes = self.sum.disk.map(|it| it.1);
        self.looked = Some(seconds(boot_us));
        self.before = now;
    }

    /// What all have used that are there. Who ended and is not waited for yet still says so.
    ///
    /// A child that is waited for while we read would be missed or counted twice. So they are read
    /// until nobody ended from one reading to the next but one; the middle one is then sure.
    fn all(&mut self, found: &[Process], world: &World) -> BTreeMap<ProcessId, Used> {
        let known: BTreeSet<ProcessId> =
            self.before.keys().chain(found.iter().map(|it| &it.id)).cloned().collect();
        let mut passes: Vec<BTreeMap<ProcessId, Used>> = Vec::new();
        while passes.len() < PASSES_MAX {
            let one = |id: &ProcessId| Some((id.clone(), self.used(id, world)?));
            passes.push(known.iter().filter_map(one).collect());
            if let [.., first, sure, last] = passes.as_slice()
                && first.len() == sure.len()
                && sure.len() == last.len()
            {
                return sure.clone();
            }
        }
        passes.pop().unwrap_or_default()
    }

    /// What a process has used; none if it is gone, and a later one with its number is not meant.
    fn used(&mut self, id: &ProcessId, world: &World) -> Option<Used> {
        let read = |file: &str| world.host.read(&format!("/proc/{}/{file}", id.pid));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let times = kernel::times(&text(read("stat").ok()??))?;
        let same = (times.started - kernel::of_ticks(id.started)).abs() < TICK;
        if !same {
            return None;
        }
        let disk = match read("io") {
            Ok(Some(bytes)) => {
                kernel::io(&text(bytes)).ok_or("the kernel does not count it".into())
            }
            Ok(None) => Err("the kernel does not count it".to_owned()),
            Err(why) => Err(why.to_string()),
        };
        let disk = match disk {
            Ok(it) => Some(it),
            // Of one that has ended nobody may ask any more.
            Err(_) if matches!(world.host.process(id), Ok(None)) => {
                self.before.get(id).and_then(|it| it.disk)
            }
            Err(why) => {
                self.missing.insert(Resource::Disk, why);
                None
            }
        };
        Some(Used { times, disk })
    }
}

fn by_number(all: &BTreeMap<ProcessId, Used>, pid: u32) -> Option<ProcessId> {
    all.keys().find(|it| it.pid == pid).cloned()
}

/// Whether a parent of the same name has waited for it: then the parent's time has grown by at
/// least what its children that are gone had used.
fn is_inherited(
    it: &Used,
    gone: &[(&ProcessId, &Used)],
    (before, now): (&BTreeMap<ProcessId, Used>, &BTreeMap<ProcessId, Used>),
) -> bool {
    let Some(id) = by_number(now, it.times.parent) else { return false };
    let Some((then, now)) = before.get(&id).zip(now.get(&id)) else { return false };
    let children = gone.iter().filter(|other| other.1.times.parent == it.times.parent);
    let used: f64 = children.map(|it| it.1.times.total).sum();
    now.times.waited - then.times.waited >= used - TICK
}

/// Resident memory: of all together, and of the largest alone.
fn resident(found: &[Process], world: &World, row: &mut SiteRow) {
    let (mut sum, mut largest) = (0.0, 0.0_f64);
    for it in found {
        let status = world.host.read(&format!("/proc/{}/status", it.id.pid)).ok().flatten();
        let status = status.map(|it| String::from_utf8_lossy(&it).into_owned());
        match status.as_deref().and_then(kernel::resident) {
            Some(bytes) => {
                sum += bytes;
                largest = largest.max(bytes);
            }
            // It ended just now; else its memory is in no sum.
            None if matches!(world.host.process(&it.id), Ok(None)) => {}
            None => return,
        }
    }
    (row.memory_bytes, row.memory_low_bytes) = (Some(sum), Some(largest));
}

#[expect(clippy::cast_precision_loss, reason = "microseconds since the boot fit")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
