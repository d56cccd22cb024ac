//! How busy the machine is, and who is not: utilisation, and machines and units that idle.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    agent_file::Idle,
    energy::consumers as usage,
    idle::{HOST, Ledger, Look},
};
use crate::{
    about::About,
    collector::{Blank, Collector, Samples},
    collectors::cgroup_tree::unit,
    export::{Card, Export, Origin},
    world::roots::{self, Kept, Roots},
};

/// What it says of itself.
pub(crate) const CARD: Card = Card {
    about: &About {
        name: "utilisation",
        summary: "how busy the machine is, and which machine and units have done nothing for days",
        needs: &[],
        example: "",
    },
    exports: &[
        Export::of(
            &["holdfast_utilisation_ratio"],
            &[Origin::Proc("stat")],
            "a few seconds: what was used since the last look",
        ),
        Export::of(
            &["holdfast_idle_watched_since_timestamp_seconds", "holdfast_idle_after_seconds"],
            &[Origin::Proc("stat")],
            "the first look, right after the start",
        ),
        Export::of(
            &["holdfast_idle_since_timestamp_seconds"],
            &[],
            "a machine or a unit that is idle: there is none, or it was not watched for long enough",
        ),
    ],
};

const DAY: f64 = 86_400.0;

/// What is known, shared by who looks and who shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Utilisation(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    cpu: Option<f64>,
    memory: Option<f64>,
    ledger: Ledger,
    idle: Idle,
}

impl Utilisation {
    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a look at who did nothing.
    pub(crate) fn look_for_idlers(&self, roots: &Roots, idle: Idle) {
        let look = look(roots);
        self.with(|known| {
            known.idle = idle;
            if let Some(look) = look {
                known.ledger.note(&look, idle.cpu_share);
            }
        });
    }

    /// The ledger, to be kept.
    pub(crate) fn save(&self) -> Option<Vec<u8>> {
        self.with(|known| serde_json::to_vec(&known.ledger).ok())
    }

    /// Goes on from a ledger that was kept.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), String> {
        let ledger = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
        self.with(|known| known.ledger = ledger);
        Ok(())
    }
}

/// So many groups are watched at most.
const GROUPS_MAX: usize = 1_000;

fn look(roots: &Roots) -> Option<Look> {
    let mut used = usage::groups_now(roots, GROUPS_MAX);
    let stat = roots::read(&roots.proc("stat")).ok()?;
    let (busy, _) = usage::machine(&stat)?;
    used.push((HOST.to_owned(), busy));
    let uptime = roots::read(&roots.proc("uptime")).ok();
    let uptime = uptime.and_then(|it| it.split(' ').next()?.parse().ok());
    let boot = roots::read(&roots.proc("sys/kernel/random/boot_id")).unwrap_or_default();
    let is_processor = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()))
    };
    let processors = crate::collector::many(stat.lines().filter(is_processor).count());
    let boot = boot.trim_end().to_owned();
    Some(Look { now: roots::now(), uptime: uptime.unwrap_or(f64::MAX), boot, processors, used })
}

/// Reads how busy the machine is.
#[derive(Debug)]
pub(crate) struct Gauge {
    stat: Kept,
    meminfo: Kept,
    last: Option<(u64, u64)>,
}

impl Gauge {
    pub(crate) fn new(roots: &Roots) -> Self {
        let (stat, meminfo) = (Kept::new(roots.proc("stat")), Kept::new(roots.proc("meminfo")));
        Self { stat, meminfo, last: None }
    }

    /// Looks, and lets it be shown.
    pub(crate) fn look(&mut self, shown: &Utilisation) {
        let now = self.stat.read().ok().and_then(usage::machine);
        let since = now.zip(std::mem::replace(&mut self.last, now));
        let cpu = since.and_then(|(now, last)| {
            let (busy, all) = (now.0.checked_sub(last.0)?, now.1.checked_sub(last.1)?);
            ratio(busy, all)
        });
        let memory = self.meminfo.read().ok().and_then(used_memory);
        shown.with(|known| {
            known.cpu = cpu;
            known.memory = memory;
        });
    }
}

fn ratio(part: u64, all: u64) -> Option<f64> {
    let wide = crate::collector::wide;
    (all > 0).then(|| (wide(part) / wide(all)).min(1.0))
}

/// The part of memory that is not available for new programs.
fn used_memory(meminfo: &str) -> Option<f64> {
    let field = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    let all = field("MemTotal:")?;
    ratio(all.checked_sub(field("MemAvailable:")?)?, all)
}

/// Shows it.
pub(crate) struct Shown(pub(crate) Utilisation);

impl Collector for Shown {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.0.with(|known| {
            let help = "The part in use: of processor time over the last seconds, of memory now.";
            samples.gauge("holdfast_utilisation_ratio", help);
            for (resource, used) in [("cpu", known.cpu), ("memory", known.memory)] {
                if let Some(used) = used {
                    samples.row(&[("resource", resource)], used);
                }
            }
            show_idlers(known, samples);
        });
        Ok(())
    }
}

fn show_idlers(known: &Known, samples: &mut Samples) {
    let Some(began) = known.ledger.began() else { return };
    let help = "Since when it is watched who does nothing.";
    samples.gauge("holdfast_idle_watched_since_timestamp_seconds", help).row(&[], began);
    let help = "After so long without work a machine or a unit is idle, as somebody said.";
    let after = known.idle.days * DAY;
    samples.gauge("holdfast_idle_after_seconds", help).row(&[], after);
    let help = "Since when a machine or a unit has done no work: only those that are idle.";
    samples.gauge("holdfast_idle_since_timestamp_seconds", help);
    for (group, since) in known.ledger.idle(roots::now(), after) {
        let kind = if group == HOST { "host" } else { "group" };
        let unit = unit(group).unwrap_or_default();
        samples.row(&[("cgroup", group), ("kind", kind), ("unit", unit)], since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_use_is_what_new_programs_cannot_have() {
        assert_eq!(
            used_memory("MemTotal: 100 kB\nMemFree: 5 kB\nMemAvailable: 25 kB\n"),
            Some(0.75)
        );
        assert_eq!(used_memory("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), None);
        assert_eq!(used_memory("MemTotal: 100 kB\n"), None);
    }
}
