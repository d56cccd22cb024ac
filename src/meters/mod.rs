//! The energy meters: one file a kind, and this list.

pub mod coefficients;
pub mod model;
pub mod rapl;

use crate::{
    meter::{Blind, Meter, MeterKind},
    world::roots::Roots,
};

/// Every meter, the best first.
pub const ALL: &[MeterKind] = &[rapl::KIND, model::KIND];

/// The best meter for this machine, with its kind, and why the better ones are blind.
#[derive(Default)]
pub struct Best {
    /// None: no meter sees anything.
    pub meter: Option<(&'static MeterKind, Box<dyn Meter>)>,
    /// The kinds that were tried before it.
    pub blind: Vec<(&'static MeterKind, Blind)>,
}

/// Tries the meters, best first.
pub fn best(roots: &Roots) -> Best {
    let mut best = Best::default();
    for kind in ALL {
        match (kind.open)(roots) {
            Ok(meter) => {
                best.meter = Some((kind, meter));
                break;
            }
            Err(why) => best.blind.push((kind, why)),
        }
    }
    best
}
