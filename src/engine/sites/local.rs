//! Sites on this machine: the kernel is read each second.

use std::collections::{BTreeMap, BTreeSet};

use super::kernel::{self, number};
use crate::{
    engine::rows::{Row, Rows},
    journal::site::{Resource, SiteRow, SiteRows},
    script::sites::Site,
    target::ProcessTarget,
    world::{
        World,
        host::{Process, ProcessId},
    },
};

/// Between two readings.
const EVERY_US: u64 = 1_000_000;

/// Reads the sites on this machine, and keeps what differences are taken from.
pub(in crate::engine) struct LocalSites {
    hosts: Vec<String>,
    groups: Vec<Group>,
    read_us: Option<u64>,
}

/// Processes of a site that have one name.
struct Group {
    site: String,
    name: String,
    target: ProcessTarget,
    /// What each that lives had used when it was read last.
    before: BTreeMap<ProcessId, Used>,
    /// The sum over all, those that ended among them.
    sum: Used,
    looked: bool,
    missing: BTreeMap<Resource, String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    cpu_us: u64,
    /// None once it could not be read: a sum with a hole would be too small.
    disk: Option<(f64, f64)>,
}

impl LocalSites {
    /// Nothing is read yet.
    pub(in crate::engine) fn new(sites: &[Site]) -> Self {
        let local = || sites.iter().filter(|it| it.remote.is_none());
        let group = |site: &Site| {
            let name = site.planned.name.clone();
            let of = move |(process, target): (&String, &ProcessTarget)| Group {
                site: name.clone(),
                name: process.clone(),
                target: target.clone(),
                before: BTreeMap::new(),
                sum: Used { cpu_us: 0, disk: Some((0.0, 0.0)) },
                looked: false,
                missing: BTreeMap::new(),
            };
            site.processes.iter().map(of).collect::<Vec<_>>()
        };
        Self {
            hosts: local().filter(|it| it.planned.host).map(|it| it.planned.name.clone()).collect(),
            groups: local().flat_map(group).collect(),
            read_us: None,
        }
    }

    /// Reads all of them, unless they were just read; the last time counts in any case.
    pub(in crate::engine) fn read(&mut self, world: &World, rows: &Rows, last: bool) {
        let at_us = world.clock.now_us();
        if !last && self.read_us.is_some_and(|it| at_us.saturating_sub(it) < EVERY_US) {
            return;
        }
        self.read_us = Some(at_us);
        for site in &self.hosts {
            rows.put(Row::Site(Box::new(host(site, world))));
        }
        for group in &mut self.groups {
            rows.put(Row::Site(Box::new(group.read(world))));
        }
    }
}

/// Puts what a text says into a row; none if it says nothing.
type Reader = fn(&str, &mut SiteRow) -> Option<()>;

/// The whole machine.
fn host(site: &str, world: &World) -> SiteRows {
    let mut row = SiteRow { at_us: world.clock.now_us(), ..SiteRow::default() };
    let mut missing = BTreeMap::new();
    let readers: [(Resource, &str, Reader); 4] = [
        (Resource::Cpu, "/proc/stat", kernel::cpu),
        (Resource::Memory, "/proc/meminfo", kernel::memory),
        (Resource::Disk, "/proc/diskstats", kernel::disk),
        (Resource::Network, "/proc/net/dev", kernel::network),
    ];
    for (resource, path, take) in readers {
        let said = match world.host.read(path) {
            Ok(Some(bytes)) => take(&String::from_utf8_lossy(&bytes), &mut row)
                .ok_or_else(|| format!("{path} names nothing that counts here")),
            Ok(None) => Err(format!("there is no {path}")),
            Err(why) => Err(why.to_string()),
        };
        missing.extend(said.err().map(|why| (resource, why)));
    }
    SiteRows { site: site.to_owned(), rows: vec![row], missing, ..SiteRows::default() }
}

impl Group {
    fn read(&mut self, world: &World) -> SiteRows {
        let found = self.target.look(&*world.host);
        let at_us = world.clock.now_us();
        let mut row = SiteRow { at_us, ..SiteRow::default() };
        let mut missing = BTreeMap::new();
        let mut blind = None;
        match found {
            Ok(found) => {
                self.add(&found, world, &mut row);
                missing = std::mem::take(&mut self.missing);
            }
            Err(why) => blind = Some(why.to_string()),
        }
        if !self.looked {
            let why = "the kernel counts no network bytes by process";
            missing.insert(Resource::Network, why.to_owned());
            self.looked = true;
        }
        let (site, process) = (self.site.clone(), self.name.clone());
        let rows = if blind.is_none() { vec![row] } else { Vec::new() };
        SiteRows { site, process, rows, missing, blind, clock_error_us: None }
    }

    /// Adds what was used since the last time. Who is new has used all of it since then, unless
    /// nobody had looked before.
    fn add(&mut self, found: &[Process], world: &World, row: &mut SiteRow) {
        let mut alive = BTreeSet::new();
        let (mut resident, mut largest) = (Some(0.0), 0.0_f64);
        for it in found {
            let Ok(Some(cpu_us)) = world.host.cpu_us(&it.id) else { continue };
            alive.insert(it.id.clone());
            let disk = self.io(it.id.pid, world);
            let first = Used { cpu_us, disk };
            let zero = Used { cpu_us: 0, disk: Some((0.0, 0.0)) };
            let before = self.before.insert(it.id.clone(), first);
            let before = before.unwrap_or(if self.looked { zero } else { first });
            self.sum.cpu_us += cpu_us.saturating_sub(before.cpu_us);
            self.sum.disk = self.sum.disk.zip(disk.zip(before.disk)).map(|(sum, (to, from))| {
                (sum.0 + (to.0 - from.0).max(0.0), sum.1 + (to.1 - from.1).max(0.0))
            });
            let status = world.host.read(&format!("/proc/{}/status", it.id.pid)).ok().flatten();
            let status = status.map(|it| String::from_utf8_lossy(&it).into_owned());
            match status.as_deref().and_then(kernel::resident) {
                Some(bytes) => {
                    resident = resident.map(|it: f64| it + bytes);
                    largest = largest.max(bytes);
                }
                // It ended just now; else its memory is in no sum.
                None if matches!(world.host.process(&it.id), Ok(None)) => {}
                None => resident = None,
            }
        }
        let all = self.before.len();
        self.before.retain(|it, _| alive.contains(it));
        row.vanished = u32::try_from(all - self.before.len()).unwrap_or(u32::MAX);
        row.processes = u32::try_from(alive.len()).ok();
        row.cpu_seconds = Some(number_of(self.sum.cpu_us) / 1e6);
        row.cpus = cpus(world);
        (row.memory_bytes, row.memory_low_bytes) = (resident, resident.map(|_| largest));
        (row.disk_read_bytes, row.disk_written_bytes) =
            (self.sum.disk.map(|it| it.0), self.sum.disk.map(|it| it.1));
    }

    /// Bytes from and to disks. Who ended meanwhile moved none since; who may not be looked at
    /// makes the sum unknown.
    fn io(&mut self, pid: u32, world: &World) -> Option<(f64, f64)> {
        let said = world.host.read(&format!("/proc/{pid}/io"));
        let why = match said {
            Ok(Some(bytes)) => match kernel::io(&String::from_utf8_lossy(&bytes)) {
                Some(it) => return Some(it),
                None => "the kernel does not count it".to_owned(),
            },
            Ok(None) => "the kernel does not count it".to_owned(),
            Err(why) => why.to_string(),
        };
        self.missing.insert(Resource::Disk, why);
        None
    }
}

fn cpus(world: &World) -> Option<f64> {
    let mut row = SiteRow::default();
    let bytes = world.host.read("/proc/stat").ok().flatten()?;
    kernel::cpu(&String::from_utf8_lossy(&bytes), &mut row)?;
    row.cpus
}

fn number_of(us: u64) -> f64 {
    number(usize::try_from(us).unwrap_or(usize::MAX))
}
