//! Time that tasks ran and waited on each processor, from `/proc/schedstat`.

use super::{
    file::File,
    parse::{is_digits, number},
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
        name: "schedstat",
        summary: "time that tasks ran and waited on each processor",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Schedstat { file: File::proc("schedstat") }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &[
        "node_schedstat_running_seconds_total",
        "node_schedstat_waiting_seconds_total",
        "node_schedstat_timeslices_total",
    ],
    &[Origin::Proc("schedstat")],
    "a kernel with CONFIG_SCHEDSTATS",
)];

#[derive(Debug)]
struct Schedstat {
    file: File,
}

const NANOSECONDS: f64 = 1e9;

/// Place in a line after the processor, metric, help, scale.
const COLUMNS: [(usize, &str, &str, f64); 3] = [
    (
        6,
        "node_schedstat_running_seconds_total",
        "Number of seconds CPU spent running a process.",
        NANOSECONDS,
    ),
    (
        7,
        "node_schedstat_waiting_seconds_total",
        "Number of seconds spent by processing waiting for this CPU.",
        NANOSECONDS,
    ),
    (8, "node_schedstat_timeslices_total", "Number of timeslices executed by CPU.", 1.0),
];

impl Collector for Schedstat {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let Some(said) = self.file.read_if_there(roots)? else { return Ok(()) };
        for (column, name, help, scale) in COLUMNS {
            samples.counter(name, help);
            for line in said.text.lines() {
                let Some((name, rest)) = line.split_once(' ') else { continue };
                let Some(cpu) = name.strip_prefix("cpu").filter(|it| is_digits(it)) else {
                    continue;
                };
                let count = number(said.path, rest.split_ascii_whitespace().nth(column))?;
                samples.row(&[("cpu", cpu)], count / scale);
            }
        }
        Ok(())
    }
}
