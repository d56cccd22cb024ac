//! The processors' own energy counters as the kernel has them, from `/sys/class/powercap`.
//!
//! They start over after some minutes, and their zones overlap. The meters follow and choose; this
//! is for dashboards that know the counters by their names.

use std::collections::BTreeMap;

use super::{
    file::join,
    parse::{is_digits, number},
};
use crate::{
    about::{About, Need},
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "rapl",
        summary: "the processors' energy counters as the kernel has them",
        needs: &[Need::ReadAll],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Rapl::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &[
        "node_rapl_package_joules_total",
        "node_rapl_core_joules_total",
        "node_rapl_dram_joules_total",
        "node_rapl_*_joules_total",
    ],
    &[Origin::Sys("class/powercap/*rapl*:*/energy_uj")],
    "a processor with RAPL and its driver (CONFIG_INTEL_RAPL); virtual machines \
         have none",
)];

#[derive(Debug, Default)]
struct Rapl {
    zones: Option<Vec<Zone>>,
    name: String,
    help: String,
}

#[derive(Debug)]
struct Zone {
    /// `package`, `core`, `dram`, …
    name: String,
    index: String,
    path: String,
    counter: Kept,
}

const MICROJOULES: f64 = 1e6;

impl Collector for Rapl {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let zones = self.zones.get_or_insert_with(|| zones(roots));
        let mut family = "";
        for zone in zones {
            let path = zone.counter.path().to_owned();
            // The kernel shows them to root alone, and the meter complains of that.
            let Ok(text) = zone.counter.read() else { continue };
            let joules = number(&path, Some(text.trim_end()))? / MICROJOULES;
            if family != zone.name {
                family = &zone.name;
                let clean: String = family
                    .chars()
                    .map(|it| if it.is_ascii_alphanumeric() { it } else { '_' })
                    .collect();
                let name = join(&mut self.name, &["node_rapl_", &clean, "_joules_total"]);
                let help = ["Current RAPL ", family, " value in joules"];
                samples.counter(name, join(&mut self.help, &help));
            }
            samples.row(&[("index", &zone.index), ("path", &zone.path)], joules);
        }
        Ok(())
    }
}

/// Those of a kind together, in the order of their folders.
fn zones(roots: &Roots) -> Vec<Zone> {
    let folder = roots.sys("class/powercap");
    let mut next: BTreeMap<String, u32> = BTreeMap::new();
    let mut all = Vec::new();
    for entry in roots::list(&folder).unwrap_or_default() {
        let zone = folder.join(&entry);
        let Ok(said) = roots::read(&zone.join("name")) else { continue };
        if roots::read(&zone.join("max_energy_range_uj")).is_err() {
            continue;
        }
        let said = said.trim_ascii();
        let numbered = said.split_once('-').filter(|(_, number)| is_digits(number));
        let name = numbered.map_or(said, |(name, _)| name).to_owned();
        let count = next.entry(name.clone()).or_default();
        let index = numbered.and_then(|(_, number)| number.parse().ok()).unwrap_or(*count);
        *count = index.saturating_add(1);
        let counter = Kept::brief(zone.join("energy_uj"));
        let path = zone.display().to_string();
        all.push(Zone { name, index: index.to_string(), path, counter });
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}
