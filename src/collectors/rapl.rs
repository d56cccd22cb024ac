//! The processors' own energy counters as the kernel has them, from `/sys/class/powercap`.
//!
//! Their zones overlap, and the meters choose among them; this is for dashboards that know the
//! counters by their names. A counter starts over after some minutes, and is followed here, so that
//! it goes on from where it was.

use std::collections::BTreeMap;

use super::{
    file::join,
    parse::{is_digits, number},
};
use crate::{
    about::{About, Need},
    collector::{Blank, Collector, CollectorKind, Samples, wide},
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
    /// Where it starts over, in microjoules.
    range: f64,
    last: f64,
    /// What all its rounds came to so far.
    rounds: f64,
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
            let now = number(&path, Some(text.trim_end()))?;
            let joules = zone.follow(now) / MICROJOULES;
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

impl Zone {
    /// The counter's whole way since the first look, from where it stood then.
    fn follow(&mut self, now: f64) -> f64 {
        if now < self.last {
            // One that was set back to zero, as by a driver that was loaded anew, was far from its
            // end. What it counted stays counted, and nobody knows more.
            let is_round = self.last >= self.range / 2.0 && self.last <= self.range;
            self.rounds += if is_round { self.range } else { self.last };
        }
        self.last = now;
        self.rounds + now
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
        let range = roots::read(&zone.join("max_energy_range_uj")).ok();
        let Some(range) = range.and_then(|it| it.trim_end().parse::<u64>().ok()).map(wide) else {
            continue;
        };
        let said = said.trim_ascii();
        let numbered = said.split_once('-').filter(|(_, number)| is_digits(number));
        let name = numbered.map_or(said, |(name, _)| name).to_owned();
        let count = next.entry(name.clone()).or_default();
        let index = numbered.and_then(|(_, number)| number.parse().ok()).unwrap_or(*count);
        *count = index.saturating_add(1);
        let counter = Kept::brief(zone.join("energy_uj"));
        let path = zone.display().to_string();
        let index = index.to_string();
        all.push(Zone { name, index, path, counter, range, last: 0.0, rounds: 0.0 });
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_never_steps_back_wherever_it_starts_over() {
        let zone = |last: f64| Zone {
            name: String::new(),
            index: String::new(),
            path: String::new(),
            counter: Kept::new("/nonexistent".into()),
            range: 1000.0,
            last,
            rounds: 0.0,
        };
        let is = |joules: f64, expected: f64| (joules - expected).abs() < 1e-9;
        let mut round = zone(0.0);
        assert!(is(round.follow(900.0), 900.0), "as the kernel has it at first");
        assert!(is(round.follow(50.0), 1050.0) && is(round.follow(40.0), 1090.0));
        let mut set_back = zone(0.0);
        assert!(is(set_back.follow(300.0), 300.0) && is(set_back.follow(10.0), 310.0));
    }
}
