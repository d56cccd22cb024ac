//! Temperatures and cooling devices, from `/sys/class/thermal`.

use super::class::Class;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "thermal_zone",
        summary: "temperatures and cooling devices of the firmware",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Thermal::new()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["node_thermal_zone_temp"],
        &[Origin::Sys("class/thermal/thermal_zone*")],
        "a thermal zone (CONFIG_THERMAL and firmware that has one); virtual machines \
         have none",
    ),
    Export::of(
        &["node_cooling_device_cur_state", "node_cooling_device_max_state"],
        &[Origin::Sys("class/thermal/cooling_device*")],
        "a cooling device (CONFIG_THERMAL)",
    ),
];

#[derive(Debug)]
struct Thermal {
    zones: Class,
    coolers: Class,
}

const ZONE: &str = "thermal_zone";
const COOLER: &str = "cooling_device";
const TYPE: usize = 0;
const MILLIDEGREE: f64 = 1.0 / 1000.0;

const OF_COOLERS: [(usize, &str, &str); 2] = [
    (1, "node_cooling_device_cur_state", "Current throttle state of the cooling device"),
    (2, "node_cooling_device_max_state", "Maximum throttle state of the cooling device"),
];

impl Collector for Thermal {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let zones = self.zones.look(roots, |name| name.starts_with(ZONE))?;
        samples.gauge("node_thermal_zone_temp", "Zone temperature in Celsius");
        for zone in zones {
            zone.look(TYPE);
            // A sensor that is asleep says nothing.
            let Some(value) = zone.number(1)? else { continue };
            let name = zone.name.strip_prefix(ZONE).unwrap_or_default();
            let labels = [("type", zone.last(TYPE)), ("zone", name)];
            samples.row(&labels, value * MILLIDEGREE);
        }
        let coolers = self.coolers.look(roots, |name| name.starts_with(COOLER))?;
        for (at, name, help) in OF_COOLERS {
            samples.gauge(name, help);
            for cooler in &mut *coolers {
                cooler.look(TYPE);
                let Some(value) = cooler.number(at)? else { continue };
                let name = cooler.name.strip_prefix(COOLER).unwrap_or_default();
                samples.row(&[("name", name), ("type", cooler.last(TYPE))], value);
            }
        }
        Ok(())
    }
}

impl Thermal {
    fn new() -> Self {
        Self {
            zones: Class::new("class/thermal", &["type", "temp"]),
            coolers: Class::new("class/thermal", &["type", "cur_state", "max_state"]),
        }
    }
}
