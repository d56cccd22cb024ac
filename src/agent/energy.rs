//! Energy, added up on a timer of its own: what nobody scrapes is not lost.
//!
//! Estimate and bounds are three families, so that `sum` over any of them is right:
//! `holdfast_energy_joules_total`, `holdfast_energy_low_joules_total` and
//! `holdfast_energy_high_joules_total`, each by `domain` and `method`. Domains do not overlap.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    collector::{Blank, Collector, Samples},
    meter::{Blind, Energy, Meter, MeterKind},
    meters::{self, model},
    world::roots::Roots,
};

/// What was added up so far; shared with the collector that shows it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Sums>>);

#[derive(Debug, Default)]
struct Sums {
    domains: BTreeMap<(String, &'static str), Sum>,
    readable: BTreeMap<&'static str, bool>,
    coefficients: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    joules: f64,
    low: f64,
    high: f64,
    watts: Option<f64>,
}

impl Tally {
    /// A collector that shows the sums.
    pub fn collector(&self) -> impl Collector + use<> {
        Shown(self.clone())
    }

    fn add(&self, energy: &Energy, elapsed: Duration) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for domain in &energy.domains {
            let key = (domain.name.clone(), energy.method);
            let sum = sums.domains.entry(key).or_default();
            // A counter never goes back, whatever a meter says.
            sum.joules += domain.joules.max(0.0);
            sum.low += domain.low.max(0.0);
            sum.high += domain.high.max(0.0);
            if !elapsed.is_zero() {
                sum.watts = Some(domain.joules / elapsed.as_secs_f64());
            }
        }
    }

    fn note(&self, method: &'static str, readable: bool) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.readable.insert(method, readable);
        if !readable {
            // The power of an earlier interval is not passed off as today's.
            for ((_, of), sum) in &mut sums.domains {
                if *of == method {
                    sum.watts = None;
                }
            }
        }
    }

    fn explain(&self, provenance: (String, String)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).coefficients = Some(provenance);
    }
}

/// Measures for ever, with the best meter there is.
pub async fn measure(roots: Roots, tally: Tally, every: Duration) {
    let best = meters::best(&roots);
    for (kind, why) in &best.blind {
        tally.note(kind.about.name, false);
        tracing::info!(meter = kind.about.name, "could not {why}");
    }
    let Some((kind, mut meter)) = best.meter else {
        tracing::warn!("no energy meter sees anything: energy is not exported");
        return;
    };
    tracing::info!(meter = kind.about.name, "measures energy: {}", kind.about.summary);
    if kind.about.name == model::KIND.about.name {
        tally.explain(model::provenance(&roots));
    }
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let mut said = None;
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let outcome = step(kind, &mut *meter, &roots, &tally, now - last);
        last = now;
        let why = outcome.err().map(|why| why.to_string());
        if why != said {
            if let Some(why) = &why {
                tracing::warn!(meter = kind.about.name, "could not {why}");
            }
            said = why;
        }
    }
}

fn step(
    kind: &MeterKind,
    meter: &mut dyn Meter,
    roots: &Roots,
    tally: &Tally,
    elapsed: Duration,
) -> Result<(), Blind> {
    let outcome = meter.joules(roots, elapsed);
    tally.note(kind.about.name, outcome.is_ok());
    tally.add(&outcome?, elapsed);
    Ok(())
}

#[derive(Debug)]
struct Shown(Tally);

impl Collector for Shown {
    fn collect(&mut self, _roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let sums = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counter = |name: &str, help: &str, value: fn(&Sum) -> f64| {
            samples.counter(name, help);
            for ((domain, method), sum) in &sums.domains {
                samples.row(&[("domain", domain), ("method", method)], value(sum));
            }
        };
        let help = "Energy used since the agent's start: the best estimate.";
        counter("holdfast_energy_joules_total", help, |it| it.joules);
        let help = "Energy used since the agent's start: the lower bound.";
        counter("holdfast_energy_low_joules_total", help, |it| it.low);
        let help = "Energy used since the agent's start: the upper bound.";
        counter("holdfast_energy_high_joules_total", help, |it| it.high);
        let help = "Power over the last interval of measurement: the best estimate.";
        samples.gauge("holdfast_power_watts", help);
        for ((domain, method), sum) in &sums.domains {
            if let Some(watts) = sum.watts {
                samples.row(&[("domain", domain), ("method", method)], watts);
            }
        }
        let help = "Whether the meter could be read (1) or not (0), by method.";
        samples.gauge("holdfast_energy_meter_readable", help);
        for (method, readable) in &sums.readable {
            samples.row(&[("method", method)], f64::from(u8::from(*readable)));
        }
        if let Some((architecture, source)) = &sums.coefficients {
            let help = "The row and the source of the model's coefficients.";
            samples
                .gauge("holdfast_energy_coefficients_info", help)
                .row(&[("architecture", architecture), ("source", source)], 1.0);
        }
        Ok(())
    }
}
