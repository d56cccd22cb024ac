//! Time spent by processors, from `/proc/stat`, and their throttling, from `/sys`.

use super::parse::{cpu_list, is_digits, number};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "cpu",
        summary: "seconds that each processor spent in each mode",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Processors::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["node_cpu_seconds_total", "node_cpu_guest_seconds_total"],
        &[Origin::Proc("stat")],
        "procfs",
    ),
    Export::of(
        &["node_cpu_core_throttles_total", "node_cpu_package_throttles_total"],
        &[Origin::Sys("devices/system/cpu/cpu*/thermal_throttle/core_throttle_count")],
        "an Intel processor's thermal control (CONFIG_X86_MCE_INTEL); virtual machines \
         have none",
    ),
    Export::of(
        &["node_cpu_isolated"],
        &[Origin::Sys("devices/system/cpu/isolated")],
        "processors set aside with `isolcpus=` at boot",
    ),
];

/// The kernel's columns, in its order. The last two are part of the first two.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const GUEST_MODES: [&str; 2] = ["user", "nice"];
const COLUMNS: usize = MODES.len() + GUEST_MODES.len();
const IDLE: usize = 3;
/// The kernel counts in hundredths of a second, on every architecture (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;
/// A processor that was taken out and comes back begins anew; a smaller step back is the kernel's
/// imprecision, and a counter must not show it. `node_exporter`'s limit.
const IDLE_JUMP_BACK_SECONDS: f64 = 3.0;

#[derive(Debug, Default)]
struct Processors {
    stat: Option<Kept>,
    all: Vec<Cpu>,
    throttles: Option<Vec<Throttle>>,
    isolated: Option<Kept>,
}

#[derive(Debug, Default)]
struct Cpu {
    name: String,
    seconds: [f64; COLUMNS],
}

impl Collector for Processors {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.read_stat(roots)?;
        samples.counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
        for cpu in &self.all {
            for (mode, seconds) in MODES.iter().zip(cpu.seconds) {
                samples.row(&[("cpu", &cpu.name), ("mode", mode)], seconds);
            }
        }
        let help = "Seconds the CPUs spent in guests (VMs) for each mode.";
        samples.counter("node_cpu_guest_seconds_total", help);
        for cpu in &self.all {
            let guest = cpu.seconds.iter().skip(MODES.len());
            for (mode, seconds) in GUEST_MODES.iter().zip(guest) {
                samples.row(&[("cpu", &cpu.name), ("mode", mode)], *seconds);
            }
        }
        let throttles = self.throttles.get_or_insert_with(|| throttles(roots));
        show_throttles(throttles, samples);
        let path = || roots.sys("devices/system/cpu/isolated");
        show_isolated(self.isolated.get_or_insert_with(|| Kept::brief(path())), samples)
    }
}

impl Processors {
    fn read_stat(&mut self, roots: &Roots) -> Result<(), Blank> {
        let path = roots.proc("stat");
        let stat = self.stat.get_or_insert_with(|| Kept::brief(path.clone()));
        let mut used = 0;
        for line in stat.read()?.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(name) = words.next().and_then(|word| word.strip_prefix("cpu")) else { break };
            if !is_digits(name) {
                continue; // The sum over all of them.
            }
            let mut now = [0.0; COLUMNS];
            for (at, second) in now.iter_mut().enumerate() {
                // Old kernels have fewer columns, but never less than the first four.
                let word = match words.next() {
                    None if at > IDLE => break,
                    word => word,
                };
                *second = number(&path, word)? / TICKS_A_SECOND;
            }
            // One that was taken out moves all that come after it.
            match self.all.iter().skip(used).position(|cpu| cpu.name == name) {
                Some(0) => {}
                Some(further) => self.all.swap(used, used + further),
                None => self.all.insert(used, Cpu { name: name.to_owned(), ..Cpu::default() }),
            }
            let Some(cpu) = self.all.get_mut(used) else { break };
            used += 1;
            cpu.update(now);
        }
        self.all.truncate(used);
        if used == 0 { Err(Blank::odd(path, "it names no processor")) } else { Ok(()) }
    }
}

impl Cpu {
    fn update(&mut self, now: [f64; COLUMNS]) {
        let back = |at: usize| {
            let (before, now) = (self.seconds.get(at), now.get(at));
            before.zip(now).map_or(0.0, |(before, now)| before - now)
        };
        if back(IDLE) >= IDLE_JUMP_BACK_SECONDS {
            self.seconds = now;
            return;
        }
        for (kept, now) in self.seconds.iter_mut().zip(now) {
            *kept = kept.max(now);
        }
    }
}

/// A processor's throttle counters, which few machines have.
#[derive(Debug)]
struct Throttle {
    package: String,
    core: String,
    /// The first processor of its core speaks for the core, that of its package for the package.
    of_core: Option<Kept>,
    of_package: Option<Kept>,
}

fn throttles(roots: &Roots) -> Vec<Throttle> {
    let folder = roots.sys("devices/system/cpu");
    let mut all: Vec<Throttle> = Vec::new();
    for name in roots::list(&folder).unwrap_or_default() {
        if !name.strip_prefix("cpu").is_some_and(is_digits) {
            continue;
        }
        let file = |inside: &str| folder.join(&name).join(inside);
        let number = |inside: &str| roots::read(&file(inside)).map(|it| it.trim_end().to_owned());
        let (Ok(package), Ok(core)) =
            (number("topology/physical_package_id"), number("topology/core_id"))
        else {
            continue;
        };
        let counter = |inside: &str| {
            let mut kept = Kept::brief(file(inside));
            kept.read().is_ok().then_some(kept)
        };
        let package_is_new = !all.iter().any(|it| it.package == package);
        let core_is_new = !all.iter().any(|it| it.package == package && it.core == core);
        let of_core = core_is_new.then(|| counter("thermal_throttle/core_throttle_count"));
        let of_package = package_is_new.then(|| counter("thermal_throttle/package_throttle_count"));
        let (of_core, of_package) = (of_core.flatten(), of_package.flatten());
        if of_core.is_some() || of_package.is_some() {
            all.push(Throttle { package, core, of_core, of_package });
        }
    }
    all
}

fn show_throttles(all: &mut [Throttle], samples: &mut Samples) {
    let count = |file: &mut Option<Kept>| -> Option<f64> {
        file.as_mut()?.read().ok()?.trim_end().parse().ok().filter(|it: &f64| it.is_finite())
    };
    let help = "Number of times this CPU core has been throttled.";
    samples.counter("node_cpu_core_throttles_total", help);
    for it in &mut *all {
        if let Some(times) = count(&mut it.of_core) {
            samples.row(&[("core", &it.core), ("package", &it.package)], times);
        }
    }
    let help = "Number of times this CPU package has been throttled.";
    samples.counter("node_cpu_package_throttles_total", help);
    for it in all {
        if let Some(times) = count(&mut it.of_package) {
            samples.row(&[("package", &it.package)], times);
        }
    }
}

/// Processors that the kernel's scheduler leaves alone; they are named at boot.
fn show_isolated(file: &mut Kept, samples: &mut Samples) -> Result<(), Blank> {
    let path = file.path().to_owned();
    let Ok(text) = file.read() else { return Ok(()) };
    let list = cpu_list(text).ok_or_else(|| Blank::odd(path, "it is not a list of CPUs"))?;
    let help = "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.";
    samples.gauge("node_cpu_isolated", help);
    for cpu in list {
        samples.row(&[("cpu", &cpu.to_string())], 1.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_does_not_step_back_but_begins_anew_after_a_hotplug() {
        let mut cpu = Cpu::default();
        let at = |user: f64, idle: f64| {
            let mut now = [0.0; COLUMNS];
            (now[0], now[IDLE]) = (user, idle);
            now
        };
        let is = |cpu: &Cpu, user: f64, idle: f64| {
            (cpu.seconds[0] - user).abs() < 1e-9 && (cpu.seconds[IDLE] - idle).abs() < 1e-9
        };
        cpu.update(at(10.0, 100.0));
        cpu.update(at(9.9, 99.0));
        assert!(is(&cpu, 10.0, 100.0));
        cpu.update(at(11.0, 99.5));
        assert!(is(&cpu, 11.0, 100.0));
        cpu.update(at(0.5, 1.0));
        assert!(is(&cpu, 0.5, 1.0));
    }
}
