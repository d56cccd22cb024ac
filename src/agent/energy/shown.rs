//! The sums as samples.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    carbon::{EMBODIED, OPERATIONAL, OVERHEAD},
    sums::{Sum, Sums, Three},
};
use crate::{
    collector::{Blank, Collector, Samples, many, wide},
    collectors::cgroup_tree::unit,
    meters::carbon::{self, Bounded},
    source::counters::Counters,
    world::roots::Roots,
};

/// Shows what was added up.
pub(super) struct Shown {
    sums: Arc<Mutex<Sums>>,
    counters: Arc<Mutex<Counters>>,
}

/// Energy used while the grid's intensity was not known may be this part of all, or SCI would say
/// too little.
const UNACCOUNTED_MAX: f64 = 0.01;

impl Shown {
    pub(super) fn new(sums: Arc<Mutex<Sums>>, counters: Arc<Mutex<Counters>>) -> Self {
        Self { sums, counters }
    }
}

impl Collector for Shown {
    fn collect(&mut self, _roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        show_domains(&sums, samples);
        show_meters(&sums, samples);
        show_shares(&sums, samples);
        show_carbon(&sums, samples);
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        show_sci(&sums, counters.sum(&sums.sci.per), samples);
        Ok(())
    }
}

fn joules(micro: u64) -> f64 {
    wide(micro) / 1e6
}

fn show_domains(sums: &Sums, samples: &mut Samples) {
    let mut counter = |name: &str, help: &str, pick: fn(&Three) -> u64| {
        samples.counter(name, help);
        for ((domain, method), sum) in &sums.domains {
            samples.row(&[("domain", domain), ("method", method)], joules(pick(&sum.micro)));
        }
    };
    let help = "Energy used since the agent's start: the best estimate.";
    counter("holdfast_energy_joules_total", help, |it| it[0]);
    let help = "Energy used since the agent's start: the lower bound.";
    counter("holdfast_energy_low_joules_total", help, |it| it[1]);
    let help = "Energy used since the agent's start: the upper bound.";
    counter("holdfast_energy_high_joules_total", help, |it| it[2]);
    let mut gauge = |name: &str, help: &str, pick: fn(&Sum) -> Option<f64>| {
        samples.gauge(name, help);
        for ((domain, method), sum) in &sums.domains {
            if let Some(watts) = pick(sum) {
                samples.row(&[("domain", domain), ("method", method)], watts);
            }
        }
    };
    let help = "Power over the last interval of measurement: the best estimate.";
    gauge("holdfast_power_watts", help, |it| it.watts.map(|it| it[0]));
    let help = "Power over the last interval of measurement: the lower bound.";
    gauge("holdfast_power_low_watts", help, |it| it.watts.map(|it| it[1]));
    let help = "Power over the last interval of measurement: the upper bound.";
    gauge("holdfast_power_high_watts", help, |it| it.watts.map(|it| it[2]));
    let help = "Energy counted in each zone of the hardware since the agent's start. Zones \
                overlap: a sum over them means nothing.";
    samples.counter("holdfast_energy_zone_joules_total", help);
    for ((zone, method), sum) in &sums.zones {
        samples.row(&[("method", method), ("zone", zone)], joules(sum.micro[0]));
    }
}

fn show_meters(sums: &Sums, samples: &mut Samples) {
    let help = "Whether the meter could be read (1) or not (0), by method.";
    samples.gauge("holdfast_energy_meter_readable", help);
    for (method, why) in &sums.meters {
        samples.row(&[("method", method)], f64::from(u8::from(why.is_none())));
    }
    let help = "Why a meter cannot be read: it could not do this.";
    samples.gauge("holdfast_energy_meter_unavailable_info", help);
    for (method, why) in &sums.meters {
        if let Some(why) = why {
            samples.row(&[("method", method), ("reason", why)], 1.0);
        }
    }
    if let Some((architecture, source)) = &sums.coefficients {
        let help = "The row and the source of the model's coefficients.";
        samples
            .gauge("holdfast_energy_coefficients_info", help)
            .row(&[("architecture", architecture), ("source", source)], 1.0);
    }
}

fn show_shares(sums: &Sums, samples: &mut Samples) {
    let mut counter = |name: &str, help: &str, pick: fn(&Three) -> u64| {
        samples.counter(name, help);
        for (method, book) in &sums.books {
            let mut row = |kind: &str, group: &str, sum: &Three| {
                let unit = unit(group).unwrap_or_default();
                let labels =
                    [("cgroup", group), ("kind", kind), ("method", method), ("unit", unit)];
                samples.row(&labels, joules(pick(sum)));
            };
            for (group, sum) in &book.groups {
                row("group", group, sum);
            }
            row("gone", "", &book.gone);
            row("idle", "", &book.idle);
            row("other", "", &book.other);
        }
    };
    let help = "The machine's energy, shared out by processor time: the best estimate.";
    counter("holdfast_energy_share_joules_total", help, |it| it[0]);
    let help = "The machine's energy, shared out by processor time: the lower bound.";
    counter("holdfast_energy_share_low_joules_total", help, |it| it[1]);
    let help = "The machine's energy, shared out by processor time: the upper bound.";
    counter("holdfast_energy_share_high_joules_total", help, |it| it[2]);
    let (refused, overflowed) = sums.refused;
    let help = "Control groups without a share of their own, for want of room: theirs is `other`.";
    samples.gauge("holdfast_energy_share_refused", help).row(&[], many(refused));
    let help = "Control groups that found no room for a share of their own.";
    samples.counter("holdfast_energy_share_overflowed_total", help).row(&[], wide(overflowed));
}

fn show_carbon(sums: &Sums, samples: &mut Samples) {
    let carbon = &sums.carbon;
    let mut counter = |name: &str, help: &str, pick: fn(&Bounded) -> f64| {
        samples.counter(name, help);
        for ((scope, method), grams) in &carbon.grams {
            samples.row(&[("method", method), ("scope", scope)], pick(grams));
        }
    };
    let help = "Grams of CO2e since the agent's start: the best estimate.";
    counter("holdfast_carbon_grams_total", help, |it| it.best);
    let help = "Grams of CO2e since the agent's start: the lower bound.";
    counter("holdfast_carbon_low_grams_total", help, |it| it.low);
    let help = "Grams of CO2e since the agent's start: the upper bound.";
    counter("holdfast_carbon_high_grams_total", help, |it| it.high);
    if let Some(grid) = carbon.intensity {
        let help = "Grams of CO2e that the grid emits for a kilowatt-hour, as somebody said.";
        samples
            .gauge("holdfast_carbon_intensity_grams_per_kwh", help)
            .row(&[("bound", "low")], grid.low)
            .row(&[("bound", "estimate")], grid.grams)
            .row(&[("bound", "high")], grid.high);
        let help = "Energy used while the grid's intensity was not known, and in no emissions.";
        samples.counter("holdfast_carbon_unaccounted_joules_total", help);
        samples.row(&[], carbon.unaccounted);
    }
    if let Some(pue) = carbon.pue {
        let help = "The building's overhead (PUE), as somebody said. No energy figure contains it.";
        samples.gauge("holdfast_energy_pue_ratio", help).row(&[], pue);
    }
    let help = "Why there are no emissions of this scope: it could not do this.";
    samples.gauge("holdfast_carbon_unavailable_info", help);
    for (scope, why) in &carbon.missing {
        samples.row(&[("reason", why), ("scope", scope)], 1.0);
    }
}

/// Grams for each unit of business since the start, when all that ISO/IEC 21031 asks for is known.
fn show_sci(sums: &Sums, units: Option<f64>, samples: &mut Samples) {
    let carbon = &sums.carbon;
    let is_known =
        [OPERATIONAL, OVERHEAD, EMBODIED].iter().all(|it| !carbon.missing.contains_key(it));
    let all = carbon.unaccounted + carbon.accounted;
    if !is_known || carbon.unaccounted > all * UNACCOUNTED_MAX {
        return;
    }
    let grams = carbon.all_grams().minus(sums.sci.grams_before);
    let units = units.map(|it| it + sums.sci.units_before);
    let Some(sci) = units.and_then(|units| carbon::sci(grams, units)) else { return };
    let help = "Software carbon intensity (ISO/IEC 21031) since the agent's start: grams of CO2e \
                for each unit of this business counter.";
    samples.gauge("holdfast_carbon_sci_grams", help);
    for (bound, grams) in [("low", sci.low), ("estimate", sci.best), ("high", sci.high)] {
        samples.row(&[("bound", bound), ("unit", &sums.sci.per)], grams);
    }
}
