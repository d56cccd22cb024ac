//! What the kernel counts over all, from `/proc/stat`.

use super::parse::{after, number};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::{Export, Origin},
    world::roots::{Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "stat",
        summary: "boot time, forks, interrupts, context switches and processes",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Stat::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &[
        "node_intr_total",
        "node_context_switches_total",
        "node_forks_total",
        "node_boot_time_seconds",
        "node_procs_running",
        "node_procs_blocked",
    ],
    &[Origin::Proc("stat")],
    "procfs",
)];

#[derive(Debug, Default)]
struct Stat {
    file: Option<Kept>,
}

const FIELDS: [(&str, &str, &str, Type); 6] = [
    ("intr", "node_intr_total", "Total number of interrupts serviced.", Type::Counter),
    ("ctxt", "node_context_switches_total", "Total number of context switches.", Type::Counter),
    ("processes", "node_forks_total", "Total number of forks.", Type::Counter),
    ("btime", "node_boot_time_seconds", "Node boot time, in unixtime.", Type::Gauge),
    ("procs_running", "node_procs_running", "Number of processes in runnable state.", Type::Gauge),
    (
        "procs_blocked",
        "node_procs_blocked",
        "Number of processes blocked waiting for I/O to complete.",
        Type::Gauge,
    ),
];

impl Collector for Stat {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let path = roots.proc("stat");
        let file = self.file.get_or_insert_with(|| Kept::brief(path.clone()));
        // The processors' lines come first, and there can be hundreds: the rest is after them.
        let text = file.read()?;
        let rest = text.find("\nintr").map_or(text, |at| text.get(at..).unwrap_or(text));
        for (keyword, name, help, kind) in FIELDS {
            let said = after(rest, keyword)
                .ok_or_else(|| Blank::odd(&path, format!("it has no `{keyword}`")))?;
            let value = number(&path, said.split_ascii_whitespace().next())?;
            samples.family(name, help, kind).row(&[], value);
        }
        Ok(())
    }
}
