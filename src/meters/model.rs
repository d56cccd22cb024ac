//! An estimate from utilisation, for machines whose energy counters nobody shows us (as in clouds).
//!
//! ```text
//! cpu    W = vCPUs × (min + share × (max − min))
//! memory W = max(0, GB − sockets × GB within a chip's watts) × 0.392
//! ```
//! The formula and its coefficients are those of Cloud Carbon Footprint; the table's source is in
//! `coefficients.json` and in the metric `holdfast_energy_coefficients_info`. The share is the part
//! of the interval in which processors were not idle; time stolen by other guests is theirs.
//!
//! Bounds are the spread of the table's own rows: of the processor's architecture at three clouds,
//! or of all rows when the table does not know the processor. For memory, the lower bound allows
//! the most and the upper bound nothing, since a virtual machine may have any part of a chip. They
//! are no confidence interval. The building's overhead (PUE) is not in it.

use std::time::Duration;

use super::{
    carbon::Parts,
    coefficients::{self, Chosen, Processor},
};
use crate::{
    about::About,
    meter::{Blind, Domain, Energy, Meter, MeterKind},
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: MeterKind = MeterKind {
    about: &About {
        name: "model",
        summary: "an estimate from utilisation, with bounds",
        needs: &[],
        example: "",
    },
    open: |roots| Ok(Box::new(Model::open(roots)?)),
};

#[derive(Debug)]
struct Model {
    chosen: Chosen,
    vcpus: f64,
    memory: Memory,
    stat: Kept,
    last: Ticks,
}

/// Watts of memory.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Memory {
    low: f64,
    estimate: f64,
    high: f64,
}

/// Processor time since boot, in ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ticks {
    busy: f64,
    all: f64,
}

/// Which row of the table this machine's processor has, and where the table is from.
pub fn provenance(roots: &Roots) -> (String, String) {
    let table = coefficients::table();
    let (processor, _, _) = describe(&roots::read(&roots.proc("cpuinfo")).unwrap_or_default());
    (table.choose(&processor).architecture, table.source)
}

/// What the machine's own files say that it is made of.
pub fn parts(roots: &Roots) -> Option<Parts> {
    let (_, _, cpus) = describe(&roots::read(&roots.proc("cpuinfo")).ok()?);
    let gigabytes = memory_gb(&roots::read(&roots.proc("meminfo")).ok()?)?;
    let mut parts = Parts { cpus, gigabytes, ssds: 0.0, hdds: 0.0, gpus: 0.0 };
    for disk in roots::list(&roots.sys("block")).unwrap_or_default() {
        let folder = roots.sys("block").join(disk);
        // What is no device of its own (loop, device mapper, software RAID) has no `device`.
        if !matches!(roots::stamp(&folder.join("device")), Ok(Some(_))) {
            continue;
        }
        match roots::read(&folder.join("queue/rotational")).as_deref().map(str::trim_end) {
            Ok("0") => parts.ssds += 1.0,
            Ok("1") => parts.hdds += 1.0,
            Ok(_) | Err(_) => {}
        }
    }
    Some(parts)
}

impl Model {
    fn open(roots: &Roots) -> Result<Self, Blind> {
        let text =
            |name: &str| roots::read(&roots.proc(name)).map_err(|why| Blind::Odd(why.to_string()));
        let table = coefficients::table();
        let (processor, vcpus, sockets) = describe(&text("cpuinfo")?);
        let chosen = table.choose(&processor);
        let gigabytes = memory_gb(&text("meminfo")?)
            .ok_or_else(|| Blind::Odd("find `MemTotal` in meminfo".to_owned()))?;
        let memory = memory(gigabytes, sockets, table.memory_watts_per_gb, &chosen);
        let mut stat = Kept::new(roots.proc("stat"));
        let last = look(&mut stat)?;
        Ok(Self { chosen, vcpus, memory, stat, last })
    }
}

impl Meter for Model {
    fn joules(&mut self, _roots: &Roots, elapsed: Duration) -> Result<Energy, Blind> {
        let now = look(&mut self.stat)?;
        let share = share(self.last, now);
        self.last = now;
        let seconds = elapsed.as_secs_f64();
        let (low, estimate, high) = self.chosen.vcpu_watts(share);
        let cpu = Domain {
            name: "cpu".to_owned(),
            joules: seconds * self.vcpus * estimate,
            low: seconds * self.vcpus * low,
            high: seconds * self.vcpus * high,
        };
        let memory = Domain {
            name: "memory".to_owned(),
            joules: seconds * self.memory.estimate,
            low: seconds * self.memory.low,
            high: seconds * self.memory.high,
        };
        Ok(Energy::of(KIND.about.name, vec![cpu, memory]))
    }
}

/// The part of the interval in which processors worked.
fn share(last: Ticks, now: Ticks) -> f64 {
    let all = now.all - last.all;
    if all > 0.0 { ((now.busy - last.busy) / all).clamp(0.0, 1.0) } else { 0.0 }
}

fn look(stat: &mut Kept) -> Result<Ticks, Blind> {
    let text = stat.read().map_err(|why| Blind::Odd(why.to_string()))?;
    ticks(text).ok_or_else(|| Blind::Odd("understand the first line of `stat`".to_owned()))
}

/// The sum line: user, nice, system, idle, iowait, irq, softirq, steal (guests are in user).
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let columns: Result<Vec<f64>, _> =
        line.split_ascii_whitespace().take(8).map(str::parse::<f64>).collect();
    let columns = columns.ok()?;
    let (idle, iowait) = (columns.get(3)?, columns.get(4).unwrap_or(&0.0));
    let steal = columns.get(7).unwrap_or(&0.0);
    let all: f64 = columns.iter().sum();
    Some(Ticks { busy: all - idle - iowait - steal, all })
}

/// The processor, how many vCPUs there are, and how many sockets.
fn describe(cpuinfo: &str) -> (Processor, f64, f64) {
    let field = |line: &str, name: &str| -> Option<String> {
        let (key, said) = line.split_once(':')?;
        (key.trim_end() == name).then(|| said.trim().to_owned())
    };
    let first = |name: &str| cpuinfo.lines().find_map(|line| field(line, name)).unwrap_or_default();
    let number = |name: &str| first(name).parse().unwrap_or(0);
    let vcpus = cpuinfo.lines().filter(|line| field(line, "processor").is_some()).count();
    let sockets: std::collections::BTreeSet<String> =
        cpuinfo.lines().filter_map(|line| field(line, "physical id")).collect();
    let count = |it: usize| f64::from(u32::try_from(it.max(1)).unwrap_or(u32::MAX));
    let processor = Processor {
        vendor: first("vendor_id"),
        family: number("cpu family"),
        model: number("model"),
        stepping: number("stepping"),
    };
    (processor, count(vcpus), count(sockets.len()))
}

/// No machine has so many KiB: an exbibyte.
const KIB_MAX: f64 = 1e15;

fn memory_gb(meminfo: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    (0.0..KIB_MAX).contains(&kib).then_some(kib * 1024.0 / 1e9)
}

fn memory(gigabytes: f64, sockets: f64, watts_per_gb: f64, chosen: &Chosen) -> Memory {
    let (allowance, most) = chosen.chip_gb();
    let beyond = |allowed: f64| (gigabytes - sockets * allowed).max(0.0) * watts_per_gb;
    Memory { low: beyond(most), estimate: beyond(allowance), high: beyond(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_no_machine_has_is_not_believed() {
        for odd in ["1e999", "nan", "-1", "1e300", "x", ""] {
            assert_eq!(memory_gb(&format!("MemTotal: {odd} kB\n")), None, "{odd}");
        }
        assert_eq!(memory_gb("MemTotal: 1000000 kB\n"), Some(1.024));
    }

    #[test]
    fn the_share_leaves_out_idle_waiting_and_stolen_time() {
        let before = ticks("cpu  100 0 100 800 0 0 0 0 0 0\n").unwrap();
        let after = ticks("cpu  120 0 110 840 20 0 5 5 9 0\n").unwrap();
        assert!((share(before, after) - 0.35).abs() < 1e-9);
        assert!(share(before, before).abs() < 1e-9);
        assert!(share(after, before).abs() < 1e-9);
        assert_eq!(ticks("cpu  1 x\n"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn memory_counts_beyond_what_the_chip_has() {
        let chosen = coefficients::table().choose(&Processor {
            vendor: "GenuineIntel".to_owned(),
            family: 6,
            model: 143,
            stepping: 1,
        });
        let small = memory(16.0, 1.0, 0.392, &chosen);
        assert!(small.low.abs() < 1e-9 && small.estimate.abs() < 1e-9);
        assert!((small.high - 16.0 * 0.392).abs() < 1e-9);
        let large = memory(1130.8, 1.0, 0.392, &chosen);
        assert!((large.estimate - 392.0).abs() < 1e-6, "{large:?}");
    }

    #[test]
    fn processors_and_sockets_are_counted() {
        let one = |at: u32, socket: u32| {
            format!(
                "processor\t: {at}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n\
                 model name\t: X\nstepping\t: 4\nphysical id\t: {socket}\n\n"
            )
        };
        let text: String = (0..4).map(|at| one(at, at / 2)).collect();
        let (processor, vcpus, sockets) = describe(&text);
        assert_eq!((processor.model, processor.stepping), (85, 4));
        assert!((vcpus - 4.0).abs() < 1e-9 && (sockets - 2.0).abs() < 1e-9);
    }
}
