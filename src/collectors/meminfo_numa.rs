//! Memory of each NUMA node, from `/sys/devices/system/node`.
//!
//! On a machine of one node `meminfo` says the same, and this says nothing.

use std::collections::BTreeMap;

use super::{
    class::Class,
    meminfo::{begin, push_field},
    parse::{is_digits, number},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "meminfo_numa",
        summary: "memory of each NUMA node, where there are two or more",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Numa::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_memory_numa_*"],
    &[Origin::Sys("devices/system/node/node1")],
    "a machine with two or more NUMA nodes (CONFIG_NUMA); of one, `meminfo` says the same",
)];

const MEMINFO: usize = 0;
const NUMASTAT: usize = 1;

#[derive(Debug)]
struct Numa {
    nodes: Class,
    name: String,
    help: String,
}

/// A field's name, and whether it counts up; and its value at each node.
type Fields = BTreeMap<(String, bool), Vec<(usize, f64)>>;

impl Collector for Numa {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let folder = roots.sys("devices/system/node");
        let nodes = self.nodes.look(roots, |name| number_of(name).is_some())?;
        if nodes.len() < 2 {
            return Ok(());
        }
        // All rows of a family stand together, and a node's file has one of each.
        let mut fields = Fields::new();
        for (at, node) in nodes.iter_mut().enumerate() {
            for line in node.text(MEMINFO).unwrap_or_default().lines() {
                // `Node 0 MemTotal:       24683656 kB`
                let mut words = line.split_ascii_whitespace().skip(2);
                let Some(field) = words.next() else { continue };
                let value = number(&folder, words.next())?;
                let scale = if words.next() == Some("kB") { 1024.0 } else { 1.0 };
                let rows = fields.entry((field.to_owned(), false)).or_default();
                rows.push((at, value * scale));
            }
            for line in node.text(NUMASTAT).unwrap_or_default().lines() {
                let mut words = line.split_ascii_whitespace();
                let Some(field) = words.next() else { continue };
                let value = number(&folder, words.next())?;
                fields.entry((field.to_owned(), true)).or_default().push((at, value));
            }
        }
        let names: Vec<&str> = nodes.iter().filter_map(|it| number_of(&it.name)).collect();
        for ((field, is_count), rows) in &fields {
            self.name.clear();
            self.name.push_str("node_memory_numa_");
            push_field(&mut self.name, field);
            self.name.push_str(if *is_count { "_total" } else { "" });
            let kind = if *is_count { Type::Counter } else { Type::Gauge };
            begin(&self.name, "node_memory_numa_", kind, &mut self.help, samples);
            for (at, value) in rows {
                samples.row(&[("node", names.get(*at).copied().unwrap_or_default())], *value);
            }
        }
        Ok(())
    }
}

impl Numa {
    fn new() -> Self {
        let nodes = Class::new("devices/system/node", &["meminfo", "numastat"]);
        Self { nodes, name: String::new(), help: String::new() }
    }
}

/// `7` of `node7`.
fn number_of(name: &str) -> Option<&str> {
    name.strip_prefix("node").filter(|it| is_digits(it))
}
