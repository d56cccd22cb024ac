//! The processors' frequencies, from `/sys/devices/system/cpu`.

use super::{class::Class, parse::is_digits};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "cpufreq",
        summary: "the processors' frequencies",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Cpufreq { class: Class::new("devices/system/cpu", FILES) }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_cpu_scaling_frequency_hertz",
            "node_cpu_scaling_frequency_max_hertz",
            "node_cpu_scaling_frequency_min_hertz",
            "node_cpu_frequency_max_hertz",
            "node_cpu_frequency_min_hertz",
        ],
        &[Origin::Sys("devices/system/cpu/cpu*/cpufreq")],
        "CONFIG_CPU_FREQ and a driver for the processor; most virtual machines have \
         none",
    ),
    Export::of(
        &["node_cpu_frequency_hertz"],
        &[Origin::Sys("devices/system/cpu/cpu*/cpufreq/cpuinfo_cur_freq")],
        "a driver that asks the hardware, and root: the kernel shows this file to \
         nobody else",
    ),
];

#[derive(Debug)]
struct Cpufreq {
    class: Class,
}

const FILES: &[&str] = &[
    "cpufreq/cpuinfo_cur_freq",
    "cpufreq/cpuinfo_min_freq",
    "cpufreq/cpuinfo_max_freq",
    "cpufreq/scaling_cur_freq",
    "cpufreq/scaling_min_freq",
    "cpufreq/scaling_max_freq",
];

/// In the order of the files.
const GAUGES: [(&str, &str); 6] = [
    ("node_cpu_frequency_hertz", "Current cpu thread frequency in hertz."),
    ("node_cpu_frequency_min_hertz", "Minimum cpu thread frequency in hertz."),
    ("node_cpu_frequency_max_hertz", "Maximum cpu thread frequency in hertz."),
    ("node_cpu_scaling_frequency_hertz", "Current scaled CPU thread frequency in hertz."),
    ("node_cpu_scaling_frequency_min_hertz", "Minimum scaled CPU thread frequency in hertz."),
    ("node_cpu_scaling_frequency_max_hertz", "Maximum scaled CPU thread frequency in hertz."),
];
const KILOHERTZ: f64 = 1000.0;

impl Collector for Cpufreq {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let number = |name: &str| name.strip_prefix("cpu").is_some_and(is_digits);
        let cpus = self.class.look(roots, number)?;
        for (at, (name, help)) in GAUGES.iter().enumerate() {
            samples.gauge(name, help);
            for cpu in &mut *cpus {
                // One that is turned off says `<unknown>`, or nothing.
                if cpu.text(at).is_some_and(|text| text.starts_with('<')) {
                    continue;
                }
                let said = cpu.last_number(at)?;
                if let Some(value) = said {
                    let name = cpu.name.strip_prefix("cpu").unwrap_or_default();
                    samples.row(&[("cpu", name)], value * KILOHERTZ);
                }
            }
        }
        Ok(())
    }
}
