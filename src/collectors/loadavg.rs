//! The load averages, from `/proc/loadavg`.

use super::parse::number;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::{Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "loadavg",
        summary: "the load averages over 1, 5 and 15 minutes",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Loadavg::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_load1", "node_load5", "node_load15"],
    &[Origin::Proc("loadavg")],
    "procfs",
)];

#[derive(Debug, Default)]
struct Loadavg {
    file: Option<Kept>,
}

const GAUGES: [(&str, &str); 3] = [
    ("node_load1", "1m load average."),
    ("node_load5", "5m load average."),
    ("node_load15", "15m load average."),
];

impl Collector for Loadavg {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let path = roots.proc("loadavg");
        let file = self.file.get_or_insert_with(|| Kept::brief(path.clone()));
        let mut words = file.read()?.split_ascii_whitespace();
        for (name, help) in GAUGES {
            samples.gauge(name, help).row(&[], number(&path, words.next())?);
        }
        Ok(())
    }
}
