//! The battery, from `/sys/class/power_supply`: what flows out of it is what the machine uses.
//!
//! Only while it discharges. On mains it says nothing of the machine, and this meter is blind.
//! Batteries of mice and keyboards (`scope` is `Device`) and UPS are no part of it.

use std::time::Duration;

use super::power::Readings;
use crate::{
    about::About,
    meter::{Blind, Energy, Meter, MeterKind},
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: MeterKind = MeterKind {
    about: &About {
        name: "battery",
        summary: "what flows out of the machine's battery while it discharges",
        needs: &[],
        example: "",
    },
    open: |roots| Ok(Box::new(Batteries::open(roots)?)),
};

#[derive(Debug)]
struct Batteries {
    all: Vec<Battery>,
}

#[derive(Debug)]
struct Battery {
    domain: String,
    status: Kept,
    power: Kept,
    /// For those that say no power: amperes and volts.
    current: Kept,
    volts: Kept,
    readings: Readings,
}

impl Batteries {
    fn open(roots: &Roots) -> Result<Self, Blind> {
        let folder = roots.sys("class/power_supply");
        let mut all = Vec::new();
        for name in roots::list(&folder).unwrap_or_default() {
            let supply = folder.join(&name);
            let say = |file: &str| roots::read(&supply.join(file)).unwrap_or_default();
            if say("type").trim_end() != "Battery" || say("scope").trim_end() == "Device" {
                continue;
            }
            let kept = |file: &str| Kept::new(supply.join(file));
            all.push(Battery {
                domain: format!("battery-{name}"),
                status: kept("status"),
                power: kept("power_now"),
                current: kept("current_now"),
                volts: kept("voltage_now"),
                readings: Readings::from(0.0),
            });
        }
        if all.is_empty() {
            let what = format!("a battery of the machine in `{}`", folder.display());
            return Err(Blind::Nothing(what));
        }
        let mut all = Self { all };
        for (battery, watts) in all.watts()? {
            battery.readings = Readings::from(watts);
        }
        Ok(all)
    }

    /// What flows out of each; at least one must discharge, and none charge.
    fn watts(&mut self) -> Result<Vec<(&mut Battery, f64)>, Blind> {
        let (mut all, mut is_draining) = (Vec::new(), false);
        for battery in &mut self.all {
            let odd = |why: roots::Unread| Blind::Odd(why.to_string());
            let status = battery.status.read().map_err(odd)?.trim_end().to_owned();
            let watts = match status.as_str() {
                "Discharging" => {
                    is_draining = true;
                    battery.watts()?
                }
                // Of two batteries one waits while the other drains.
                "Not charging" | "Full" | "Unknown" => 0.0,
                _ => return Err(on_mains()),
            };
            all.push((battery, watts));
        }
        if is_draining { Ok(all) } else { Err(on_mains()) }
    }
}

fn on_mains() -> Blind {
    Blind::Nothing("a battery that discharges: on mains it says nothing of the machine".to_owned())
}

impl Battery {
    fn watts(&mut self) -> Result<f64, Blind> {
        // Some drivers say less than zero while the battery discharges.
        if let Ok(watts) = micro(&mut self.power) {
            return Ok(watts.abs());
        }
        Ok((micro(&mut self.current)? * micro(&mut self.volts)?).abs())
    }
}

/// A number of millionths.
fn micro(file: &mut Kept) -> Result<f64, Blind> {
    let path = file.path().display().to_string();
    let said = file.read().map_err(|why| Blind::Odd(why.to_string()))?;
    let number = said.trim_end().parse::<f64>().ok().filter(|it| it.is_finite());
    number.map(|it| it / 1e6).ok_or_else(|| Blind::Odd(format!("understand `{path}`")))
}

impl Meter for Batteries {
    fn joules(&mut self, _roots: &Roots, elapsed: Duration) -> Result<Energy, Blind> {
        let advance = |(battery, watts): (&mut Battery, f64)| {
            battery.readings.advance(&battery.domain, watts, elapsed)
        };
        let domains = self.watts()?.into_iter().map(advance).collect();
        Ok(Energy::of(KIND.about.name, domains))
    }
}
