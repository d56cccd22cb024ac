//! Sites on this machine: the kernel is read each second.

use std::collections::BTreeMap;

use super::{group::Group, kernel};
use crate::{
    engine::rows::{Row, Rows},
    journal::site::{Resource, SiteRow, SiteRows},
    script::sites::Site,
    target::ProcessTarget,
    world::World,
};

/// Between two readings: a second, of which the tick that asks may come a little early.
const EVERY_US: u64 = 900_000;

/// Reads the sites on this machine, and keeps what differences are taken from.
pub(in crate::engine) struct LocalSites {
    hosts: Vec<String>,
    groups: Vec<Group>,
    read_us: Option<u64>,
}

impl LocalSites {
    /// Nothing is read yet.
    pub(in crate::engine) fn new(sites: &[Site]) -> Self {
        let local = || sites.iter().filter(|it| it.remote.is_none());
        let group = |site: &Site| {
            let of = |it: (&String, &ProcessTarget)| Group::new((&site.planned.name, it.0), it.1);
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
        let cpus = if self.groups.is_empty() { None } else { cpus(world) };
        for group in &mut self.groups {
            rows.put(Row::Site(Box::new(group.read(world, cpus))));
        }
    }
}

/// How many processors there are.
fn cpus(world: &World) -> Option<f64> {
    let mut row = SiteRow::default();
    let bytes = world.host.read("/proc/stat").ok().flatten()?;
    kernel::cpu(&String::from_utf8_lossy(&bytes), &mut row)?;
    row.cpus
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
