//! Packets as the processors take them in, from `/proc/net/softnet_stat`.

use super::{file::File, parse::hex};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type, many},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "softnet",
        summary: "packets as the processors take them in",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Softnet::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_softnet_processed_total",
            "node_softnet_dropped_total",
            "node_softnet_times_squeezed_total",
            "node_softnet_cpu_collision_total",
        ],
        &[Origin::Proc("net/softnet_stat")],
        "procfs",
    ),
    Export::of(
        &["node_softnet_received_rps_total"],
        &[Origin::Proc("net/softnet_stat")],
        "Linux 2.6.35",
    ),
    Export::of(
        &["node_softnet_flow_limit_count_total"],
        &[Origin::Proc("net/softnet_stat")],
        "Linux 3.11",
    ),
    Export::of(&["node_softnet_backlog_len"], &[Origin::Proc("net/softnet_stat")], "Linux 5.10"),
];

#[derive(Debug)]
struct Softnet {
    file: File,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    cpu: String,
    counts: [Option<f64>; COLUMNS.len()],
}

/// Place in a line, metric, help, type. Old kernels have shorter lines.
const COLUMNS: [(usize, &str, &str, Type); 7] = [
    (0, "node_softnet_processed_total", "Number of processed packets", Type::Counter),
    (1, "node_softnet_dropped_total", "Number of dropped packets", Type::Counter),
    (
        2,
        "node_softnet_times_squeezed_total",
        "Number of times processing packets ran out of quota",
        Type::Counter,
    ),
    (
        8,
        "node_softnet_cpu_collision_total",
        "Number of collision occur while obtaining device lock while transmitting",
        Type::Counter,
    ),
    (
        9,
        "node_softnet_received_rps_total",
        "Number of times cpu woken up received_rps",
        Type::Counter,
    ),
    (
        10,
        "node_softnet_flow_limit_count_total",
        "Number of times processing packets limited",
        Type::Counter,
    ),
    (11, "node_softnet_backlog_len", "Softnet backlog status", Type::Gauge),
];
const COLUMNS_MIN: usize = 9;
/// Where newer kernels say which processor it is: those that are off have no line.
const CPU: usize = 12;

impl Collector for Softnet {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let said = self.file.read(roots)?;
        self.rows.clear();
        for (at, line) in said.text.lines().enumerate() {
            let cpu = match line.split_ascii_whitespace().nth(CPU) {
                None => many(at),
                word => hex(said.path, word)?,
            };
            let mut row = Row { cpu: cpu.to_string(), counts: [None; COLUMNS.len()] };
            for (count, (column, ..)) in row.counts.iter_mut().zip(COLUMNS) {
                *count = match line.split_ascii_whitespace().nth(column) {
                    None if column >= COLUMNS_MIN => None,
                    word => Some(hex(said.path, word)?),
                };
            }
            self.rows.push(row);
        }
        for (at, (_, name, help, kind)) in COLUMNS.into_iter().enumerate() {
            samples.family(name, help, kind);
            for row in &self.rows {
                if let Some(count) = row.counts.get(at).copied().flatten() {
                    samples.row(&[("cpu", &row.cpu)], count);
                }
            }
        }
        Ok(())
    }
}

impl Softnet {
    fn new() -> Self {
        Self { file: File::proc("net/softnet_stat"), rows: Vec::new() }
    }
}
