//! Power sensors of the board and of its supplies, from `/sys/class/hwmon`.
//!
//! A sensor measures whatever somebody soldered it to, so sensors are added up only where it is
//! known what they see. The first of these that a machine has is used, and nothing is added twice:
//!
//! 1. `power_meter` (ACPI): the whole machine;
//! 2. the input of power supplies: `power*` labelled `pin…` (`PMBus`) or `power total` (Corsair);
//! 3. the sockets of `amd_energy` (its cores lie within them) and of `fam15h_power`: processors
//!    alone.
//!
//! `power*_average` is preferred to `power*_input`: the hardware has seen what was in between.

use std::{path::Path, time::Duration};

use super::power::Readings;
use crate::{
    about::About,
    meter::{Blind, Domain, Energy, Meter, MeterKind},
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: MeterKind = MeterKind {
    about: &About {
        name: "hwmon",
        summary: "power sensors of the board, of power supplies and of processors",
        needs: &[],
        example: "",
    },
    open: |roots| Ok(Box::new(Hwmon::open(roots)?)),
};

/// A sensor sees one of these; the first that a machine has is used alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sees {
    Platform,
    Supply,
    Socket,
}

#[derive(Debug)]
struct Hwmon {
    sensors: Vec<Sensor>,
}

#[derive(Debug)]
struct Sensor {
    domain: String,
    file: Kept,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It says microwatts.
    Watts(Readings),
    /// It says microjoules since some time.
    Count(f64),
}

impl Hwmon {
    fn open(roots: &Roots) -> Result<Self, Blind> {
        let folder = roots.sys("class/hwmon");
        let mut found: Vec<(Sees, Sensor)> = Vec::new();
        for chip in roots::list(&folder).unwrap_or_default() {
            let chip = folder.join(chip);
            let Ok(name) = roots::read(&chip.join("name")) else { continue };

            look(&chip, name.trim_end(), &mut found);
        }
        let best = found.iter().map(|it| it.0).min();
        let sensors: Vec<Sensor> =
            found.into_iter().filter(|it| Some(it.0) == best).map(|it| it.1).collect();
        if sensors.is_empty() {
            let what = format!("power sensors whose place is known in `{}`", folder.display());
            return Err(Blind::Nothing(what));
        }
        Ok(Self { sensors })
    }
}

/// Adds the chip's sensors; a number in the name tells equal ones apart.
fn look(chip: &Path, name: &str, found: &mut Vec<(Sees, Sensor)>) {
    let files = roots::list(chip).unwrap_or_default();
    let label = |stem: &str| {
        let said = roots::read(&chip.join(format!("{stem}_label"))).unwrap_or_default();
        said.trim_end().to_owned()
    };
    for file in &files {
        let Some((stem, kind)) = file.split_once('_') else { continue };
        let is_average = kind == "average";
        let has_average = files.contains(&format!("{stem}_average"));
        if !(is_average || kind == "input" && !has_average) {
            continue;
        }
        let is_power = stem.starts_with("power");
        let (said, nth) = (label(stem), found.len());
        let (sees, domain) = match name {
            "power_meter" if is_power => (Sees::Platform, format!("platform-{nth}")),
            "amd_energy" if said.starts_with("Esocket") => (Sees::Socket, socket(&said)),
            "fam15h_power" if is_power => (Sees::Socket, format!("package-{nth}")),
            "corsairpsu" if said == "power total" => (Sees::Supply, format!("supply-{nth}")),
            _ if is_power && said.starts_with("pin") => (Sees::Supply, format!("supply-{nth}")),
            _ => continue,
        };
        // A sensor that cannot be read now is one that this machine does not have.
        let mut file = Kept::new(chip.join(file));
        let Ok(first) = micro(&mut file) else { continue };
        let state =
            if is_power { State::Watts(Readings::from(first)) } else { State::Count(first) };
        found.push((sees, Sensor { domain, file, state }));
    }
}

/// `Esocket1` → `package-1`.
fn socket(label: &str) -> String {
    format!("package-{}", label.trim_start_matches("Esocket"))
}

impl Meter for Hwmon {
    fn joules(&mut self, _roots: &Roots, elapsed: Duration) -> Result<Energy, Blind> {
        let now: Vec<f64> =
            self.sensors.iter_mut().map(|it| micro(&mut it.file)).collect::<Result<_, _>>()?;
        let advance = |(sensor, now): (&mut Sensor, f64)| sensor.advance(now, elapsed);
        let domains = self.sensors.iter_mut().zip(now).map(advance).collect();
        Ok(Energy::of(KIND.about.name, domains))
    }
}

impl Sensor {
    fn advance(&mut self, now: f64, elapsed: Duration) -> Domain {
        match &mut self.state {
            State::Watts(readings) => readings.advance(&self.domain, now, elapsed),
            State::Count(last) => {
                // The driver widens the count to 64 bits: one that fell was begun anew.
                let used = if now >= *last { now - *last } else { now };
                *last = now;
                Domain::counted(self.domain.clone(), used)
            }
        }
    }
}

/// A number of millionths, never less than zero.
fn micro(file: &mut Kept) -> Result<f64, Blind> {
    let path = file.path().display().to_string();
    let said = file.read().map_err(|why| Blind::Odd(why.to_string()))?;
    match said.trim_end().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number / 1e6),
        _ => Err(Blind::Odd(format!("understand `{path}`"))),
    }
}
