//! The energy meters: one file a kind, and this list.

pub mod battery;
pub mod carbon;
pub mod coefficients;
pub mod hwmon;
pub mod model;
pub mod power;
pub mod rapl;
pub mod share;

use crate::{
    meter::{Blind, Meter, MeterKind},
    world::roots::Roots,
};

/// Every meter, the best first.
pub const ALL: &[MeterKind] = &[rapl::KIND, hwmon::KIND, battery::KIND, model::KIND];

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
    better(roots, None)
}

/// Tries the meters that are better than the one of this name, best first; all when there is none.
pub fn better(roots: &Roots, than: Option<&str>) -> Best {
    let mut best = Best::default();
    for kind in ALL.iter().take_while(|kind| Some(kind.about.name) != than) {
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
