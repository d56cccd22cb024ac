//! Emissions, added up as energy is used and as time goes by.

use std::time::Duration;

use super::sums::Sums;
use crate::{
    meters::{
        carbon::{Bounded, Parts, Settings, Watch},
        coefficients::{self, Making},
        model,
    },
    world::roots::Roots,
};

/// The scopes, as in the label.
pub(super) const OPERATIONAL: &str = "operational";
pub(super) const OVERHEAD: &str = "overhead";
pub(super) const EMBODIED: &str = "embodied";

/// What is known of grid, building and server.
#[derive(Debug)]
pub(super) struct Carbon {
    settings: Settings,
    watch: Watch,
    making: Making,
    parts: Option<Parts>,
    said: Option<String>,
}

impl Carbon {
    pub(super) fn new(roots: &Roots, settings: Settings) -> Self {
        Self {
            watch: Watch::new(settings.intensity.clone()),
            making: coefficients::table().embodied,
            parts: model::parts(roots),
            settings,
            said: None,
        }
    }

    /// Adds what using so much energy emits.
    pub(super) fn used(&mut self, method: &'static str, joules: Bounded, sums: &mut Sums) {
        let sums = &mut sums.carbon;
        let pue = self.settings.pue.map(crate::meters::carbon::Pue::get);
        sums.pue = pue;
        let grid = match self.watch.now() {
            Ok(grid) => grid,
            Err(why) => {
                sums.unaccounted += joules.best;
                sums.intensity = None;
                if self.said.as_ref() != Some(&why) {
                    tracing::info!("no carbon figures: could not {why}");
                }
                sums.missing.insert(OPERATIONAL, why.clone());
                self.said = Some(why);
                return;
            }
        };
        self.said = None;
        sums.missing.remove(OPERATIONAL);
        sums.intensity = Some(grid);
        sums.accounted += joules.best;
        let grams = grid.grams_of(joules);
        let mut add = |scope: &'static str, more: Bounded| {
            let sum = sums.grams.entry((scope, method)).or_default();
            *sum = sum.plus(more);
        };
        add(OPERATIONAL, grams);
        if let Some(pue) = pue {
            add(OVERHEAD, grams.times(pue - 1.0));
        } else {
            let why = "find the building's overhead: no PUE is set".to_owned();
            sums.missing.insert(OVERHEAD, why);
        }
    }

    /// Adds this interval's part of the server's making.
    pub(super) fn made(&mut self, interval: Duration, sums: &mut Sums) {
        let sums = &mut sums.carbon;
        let Some(embodied) = self.settings.embodied else {
            let why = "find this machine's part of its server: no share is set".to_owned();
            sums.missing.insert(EMBODIED, why);
            return;
        };
        let Some(parts) = self.parts else {
            let why = "see what the machine is made of".to_owned();
            sums.missing.insert(EMBODIED, why);
            return;
        };
        let method = if embodied.server_grams.is_some() { "declared" } else { "parts" };
        let more = embodied.grams(parts, &self.making, interval);
        let sum = sums.grams.entry((EMBODIED, method)).or_default();
        *sum = sum.plus(more);
    }
}
