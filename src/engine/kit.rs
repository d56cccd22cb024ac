//! What the player is given from the families above it.

use crate::{action::ActionKind, meter::Meter, report::ReportKind, world::roots::Roots};

/// Finds the best meter of a machine, or says why there is none.
pub type FindMeter = fn(&Roots) -> Result<Box<dyn Meter>, String>;

/// Every kind that playing needs.
#[derive(Clone)]
pub struct Kit {
    /// Faults and steps.
    pub actions: Vec<&'static ActionKind>,
    /// The reports that go into a run's folder.
    pub reports: &'static [&'static ReportKind],
    /// What measures energy.
    pub meter: FindMeter,
}
