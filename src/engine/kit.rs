//! What the player is given from the families above it.

use crate::{action::ActionKind, report::ReportKind};

/// Every kind that playing needs.
#[derive(Clone)]
pub struct Kit {
    /// Faults and steps.
    pub actions: Vec<&'static ActionKind>,
    /// The reports that go into a run's folder.
    pub reports: &'static [&'static ReportKind],
}
