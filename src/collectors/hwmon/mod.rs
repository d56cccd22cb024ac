//! Temperatures, fans, voltages and power of the mainboard's chips, from `/sys/class/hwmon`.

mod metric;

use std::{collections::BTreeMap, path::Path};

use self::metric::{Metric, clean, split};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::{Export, Origin},
    pattern::Sieve,
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "hwmon",
        summary: "temperatures, fans, voltages and power of the mainboard's chips",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| {
        let sieve = setup.patterns.sieve("hwmon.chip", None);
        Box::new(Hwmon { chips: Vec::new(), found: Vec::new(), sieve })
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["node_hwmon_chip_names"],
        &[Origin::Sys("class/hwmon/*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_sensor_label"],
        &[Origin::Sys("class/hwmon/*/*_label")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_temp_celsius", "node_hwmon_temp_*"],
        &[Origin::Sys("class/hwmon/*/temp*_input")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_fan_rpm", "node_hwmon_fan_*"],
        &[Origin::Sys("class/hwmon/*/fan*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_in_*"],
        &[Origin::Sys("class/hwmon/*/in*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_curr_*"],
        &[Origin::Sys("class/hwmon/*/curr*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_power_*"],
        &[Origin::Sys("class/hwmon/*/power*_*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_energy_*"],
        &[Origin::Sys("class/hwmon/*/energy*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_humidity", "node_hwmon_humidity_*"],
        &[Origin::Sys("class/hwmon/*/humidity*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &["node_hwmon_pwm", "node_hwmon_pwm_*"],
        &[Origin::Sys("class/hwmon/*/pwm*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
    Export::of(
        &[
            "node_hwmon_freq_*",
            "node_hwmon_intrusion_*",
            "node_hwmon_cpu_*",
            "node_hwmon_voltage_regulator_version",
            "node_hwmon_beep_enabled",
            "node_hwmon_update_interval_seconds",
        ],
        &[Origin::Sys("class/hwmon/*")],
        "a sensor chip and its driver (CONFIG_HWMON; `sensors-detect` finds them); \
         virtual machines have none",
    ),
];

#[derive(Debug)]
struct Hwmon {
    chips: Vec<Chip>,
    /// The folders that the chips were found in.
    found: Vec<String>,
    sieve: Sieve,
}

#[derive(Debug)]
struct Chip {
    name: String,
    human: Option<String>,
    /// Sensors and their labels.
    labels: Vec<(String, String)>,
    elements: Vec<Element>,
}

#[derive(Debug)]
struct Element {
    sensor: String,
    metric: Metric,
    file: Kept,
}

impl Collector for Hwmon {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let folder = roots.sys("class/hwmon");
        let names = match roots::list(&folder) {
            Err(why) if why.is_absent() => return Ok(()),
            names => names?,
        };
        if names != self.found {
            let chips = names.iter().map(|name| Chip::open(&folder.join(name)));
            self.chips = chips.filter(|chip| self.sieve.lets_through(&chip.name)).collect();
            self.found = names;
        }
        let help = "Annotation metric for human-readable chip names";
        samples.gauge("node_hwmon_chip_names", help);
        for chip in &self.chips {
            if let Some(human) = &chip.human {
                samples.row(&[("chip", &chip.name), ("chip_name", human)], 1.0);
            }
        }
        samples.gauge("node_hwmon_sensor_label", "Label for given chip and sensor");
        for chip in &self.chips {
            for (sensor, label) in &chip.labels {
                let labels = [("chip", &*chip.name), ("label", label), ("sensor", sensor)];
                samples.row(&labels, 1.0);
            }
        }
        self.show_elements(samples);
        Ok(())
    }
}

impl Hwmon {
    fn show_elements(&mut self, samples: &mut Samples) {
        let mut families: BTreeMap<&str, Vec<(&Metric, &str, &str, f64)>> = BTreeMap::new();
        for chip in &mut self.chips {
            for Element { sensor, metric, file } in &mut chip.elements {
                // Sensors that are asleep or broken say nothing, or no number.
                let Ok(text) = file.read() else { continue };
                let value = text.trim_ascii().parse::<f64>().ok().filter(|it| it.is_finite());
                let Some(value) = value else { continue };
                let row = (&*metric, &*chip.name, &**sensor, value * metric.scale);
                families.entry(&metric.name).or_default().push(row);
            }
        }
        for (name, rows) in families {
            let Some((metric, ..)) = rows.first() else { continue };
            let kind = if metric.is_counter { Type::Counter } else { Type::Gauge };
            samples.family(name, &metric.help, kind);
            for (_, chip, sensor, value) in rows {
                samples.row(&[("chip", chip), ("sensor", sensor)], value);
            }
        }
    }
}

impl Chip {
    fn open(folder: &Path) -> Self {
        let device = folder.join("device");
        let word = |path: &Path| roots::read(path).ok().map(|it| clean(&it));
        let human = word(&folder.join("name")).filter(|it| !it.is_empty());
        let name = roots::real(&device)
            .and_then(|path| bus_name(&path))
            .or_else(|| human.clone())
            .or_else(|| Some(clean(&folder.file_name()?.to_string_lossy())));
        let name = name.unwrap_or_default();
        let mut chip = Self { name, human, labels: Vec::new(), elements: Vec::new() };
        // Some drivers have their files here, some there.
        let mut files: BTreeMap<String, Kept> = BTreeMap::new();
        for place in [folder, &device] {
            for file in roots::list(place).unwrap_or_default() {
                let kept = Kept::brief(place.join(&file));
                files.insert(file, kept);
            }
        }
        let has = |file: &str| files.contains_key(file);
        let mut metrics = Vec::new();
        for part in files.keys().filter_map(|file| split(file)) {
            let bare = format!("{}{}", part.kind, part.number);
            let metric = Metric::of(&part, has(&bare));
            metrics.push((part.sensor(), part.element.to_owned(), metric, part.file.to_owned()));
        }
        for (sensor, element, metric, file) in metrics {
            let Some(mut file) = files.remove(&file) else { continue };
            if element == "label" {
                let label = file.read().unwrap_or_default().trim_ascii();
                if !label.is_empty() {
                    chip.labels.push((sensor, label.to_owned()));
                }
            } else {
                chip.elements.push(Element { sensor, metric, file });
            }
        }
        chip
    }
}

/// `…/platform/coretemp.0` as `platform_coretemp_0`.
fn bus_name(device: &Path) -> Option<String> {
    let name = clean(&device.file_name()?.to_string_lossy());
    let bus = device.parent().and_then(Path::file_name);
    let bus = bus.map(|it| clean(&it.to_string_lossy())).filter(|it| !it.is_empty());
    if name.is_empty() { None } else { Some(bus.map_or(name.clone(), |it| format!("{it}_{name}"))) }
}
