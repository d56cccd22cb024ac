//! The one place that knows every family.

use crate::{action::ActionKind, faults, probe::ProbeKind, probes, steps};

/// Every action: faults, then steps.
pub fn actions() -> Vec<&'static ActionKind> {
    faults::KINDS.iter().chain(steps::KINDS).collect()
}

/// Every probe.
pub fn probes() -> Vec<&'static ProbeKind> {
    probes::KINDS.iter().collect()
}
