//! Batteries and power adapters, from `/sys/class/power_supply`.

use super::{class::Class, file::join};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    pattern::Pattern,
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "powersupplyclass",
        summary: "batteries and power adapters",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| {
        let ignored = setup.patterns.get("powersupply.ignored-supplies").cloned();
        Box::new(PowerSupply::new(ignored))
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_power_supply_info", "node_power_supply_online", "node_power_supply_*"],
    &[Origin::Sys("class/power_supply/*")],
    "a battery, a mains adapter or a UPS that the kernel knows \
         (CONFIG_POWER_SUPPLY)",
)];

#[derive(Debug)]
struct PowerSupply {
    numbers: Class,
    words: Class,
    name: String,
    ignored: Option<Pattern>,
}

/// The kernel counts in millionths of amperes, volts, watts, and of their hours.
const MICRO: f64 = 1e-6;
const TENTH: f64 = 0.1;

/// File, end of the metric's name, scale.
const NUMBERS: [(&str, &str, f64); 18] = [
    ("capacity", "capacity", 1.0),
    ("cycle_count", "cyclecount", 1.0),
    ("online", "online", 1.0),
    ("present", "present", 1.0),
    ("time_to_empty_now", "time_to_empty_seconds", 1.0),
    ("time_to_full_now", "time_to_full_seconds", 1.0),
    ("current_max", "current_max", MICRO),
    ("current_now", "current_ampere", MICRO),
    ("energy_full", "energy_full", MICRO),
    ("energy_full_design", "energy_full_design", MICRO),
    ("energy_now", "energy_watthour", MICRO),
    ("voltage_min_design", "voltage_min_design", MICRO),
    ("voltage_now", "voltage_volt", MICRO),
    ("charge_full", "charge_full", MICRO),
    ("charge_full_design", "charge_full_design", MICRO),
    ("charge_now", "charge_ampere", MICRO),
    ("power_now", "power_watt", MICRO),
    ("temp", "temp_celsius", TENTH),
];
const NUMBER_FILES: &[&str] = &[
    "capacity",
    "cycle_count",
    "online",
    "present",
    "time_to_empty_now",
    "time_to_full_now",
    "current_max",
    "current_now",
    "energy_full",
    "energy_full_design",
    "energy_now",
    "voltage_min_design",
    "voltage_now",
    "charge_full",
    "charge_full_design",
    "charge_now",
    "power_now",
    "temp",
];
/// Files and labels in one.
const WORDS: &[&str] = &[
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

impl Collector for PowerSupply {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let ignored = &self.ignored;
        let wanted = |name: &str| !ignored.as_ref().is_some_and(|it| it.matches(name));
        let supplies = self.numbers.look(roots, wanted)?;
        for (at, (_, end, scale)) in NUMBERS.iter().enumerate() {
            let name = join(&mut self.name, &["node_power_supply_", end]);
            let help = "value of /sys/class/power_supply/<power_supply>.";
            let end_help = [end, " ", help].concat();
            samples.gauge(name, &end_help);
            for supply in &mut *supplies {
                if let Some(value) = supply.number(at)? {
                    samples.row(&[("power_supply", &supply.name)], value * scale);
                }
            }
        }
        let help = "info of /sys/class/power_supply/<power_supply>.";
        samples.gauge("node_power_supply_info", help);
        for supply in self.words.look(roots, wanted)? {
            for at in 0..WORDS.len() {
                supply.look(at);
            }
            let supply = &*supply;
            let said = WORDS.iter().enumerate().map(|(at, name)| (*name, supply.last(at)));
            let mut labels = vec![("power_supply", supply.name.as_str())];
            labels.extend(said.filter(|(_, said)| !said.is_empty()));
            labels.sort_unstable();
            samples.row(&labels, 1.0);
        }
        Ok(())
    }
}

impl PowerSupply {
    fn new(ignored: Option<Pattern>) -> Self {
        Self {
            numbers: Class::new("class/power_supply", NUMBER_FILES),
            words: Class::new("class/power_supply", WORDS),
            name: String::new(),
            ignored,
        }
    }
}
