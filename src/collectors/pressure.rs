//! Time lost for want of processors, memory and disks (PSI), from `/proc/pressure`.

use super::{
    file::{File, Text},
    parse::{after, number},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "pressure",
        summary: "time lost for want of processors, memory and disks",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Pressure::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["node_pressure_cpu_waiting_seconds_total"],
        &[Origin::Proc("pressure/cpu")],
        "Linux 4.20 with CONFIG_PSI; with CONFIG_PSI_DEFAULT_DISABLED also `psi=1` at \
         boot",
    ),
    Export::of(
        &["node_pressure_io_waiting_seconds_total", "node_pressure_io_stalled_seconds_total"],
        &[Origin::Proc("pressure/io")],
        "Linux 4.20 with CONFIG_PSI; with CONFIG_PSI_DEFAULT_DISABLED also `psi=1` at \
         boot",
    ),
    Export::of(
        &[
            "node_pressure_memory_waiting_seconds_total",
            "node_pressure_memory_stalled_seconds_total",
        ],
        &[Origin::Proc("pressure/memory")],
        "Linux 4.20 with CONFIG_PSI; with CONFIG_PSI_DEFAULT_DISABLED also `psi=1` at \
         boot",
    ),
    Export::of(
        &["node_pressure_irq_stalled_seconds_total"],
        &[Origin::Proc("pressure/irq")],
        "Linux 6.1 with CONFIG_PSI and CONFIG_IRQ_TIME_ACCOUNTING",
    ),
];

#[derive(Debug)]
struct Pressure {
    files: [File; 4],
}

/// A file's line, the metric and its help.
type Line = (&'static str, &'static str, &'static str);

/// In the order of the files.
const LINES: [&[Line]; 4] = [
    &[(
        "some",
        "node_pressure_cpu_waiting_seconds_total",
        "Total time in seconds that processes have waited for CPU time",
    )],
    &[
        (
            "some",
            "node_pressure_io_waiting_seconds_total",
            "Total time in seconds that processes have waited due to IO congestion",
        ),
        (
            "full",
            "node_pressure_io_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IO congestion",
        ),
    ],
    &[
        (
            "some",
            "node_pressure_memory_waiting_seconds_total",
            "Total time in seconds that processes have waited for memory",
        ),
        (
            "full",
            "node_pressure_memory_stalled_seconds_total",
            "Total time in seconds no process could make progress due to memory congestion",
        ),
    ],
    &[(
        "full",
        "node_pressure_irq_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IRQ congestion",
    )],
];

/// As `node_exporter` divides: the last digit is the same, too.
const THOUSAND: f64 = 1000.0;

impl Collector for Pressure {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        for (file, lines) in self.files.iter_mut().zip(LINES) {
            // Turned off in the kernel, by default in some distributions' (`psi=1` helps).
            let Some(said) = file.read_if_there(roots)? else { continue };
            for (keyword, name, help) in lines {
                let seconds = total(said, keyword)? / THOUSAND / THOUSAND;
                samples.counter(name, help).row(&[], seconds);
            }
        }
        Ok(())
    }
}

impl Pressure {
    fn new() -> Self {
        let files = ["pressure/cpu", "pressure/io", "pressure/memory", "pressure/irq"];
        Self { files: files.map(File::proc) }
    }
}

fn total(said: Text<'_>, keyword: &str) -> Result<f64, Blank> {
    let line = after(said.text, keyword);
    let total = line.and_then(|it| it.rsplit_once("total=")).map(|(_, total)| total);
    number(said.path, total)
}
