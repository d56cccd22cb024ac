//! The one place that knows every family.

use crate::{
    action::ActionKind, engine::kit::Kit, faults, probe::ProbeKind, probes, reports,
    script::read::Kinds, steps,
};

/// Every action: faults, then steps.
pub fn actions() -> Vec<&'static ActionKind> {
    faults::KINDS.iter().chain(steps::KINDS).collect()
}

/// Every probe.
pub fn probes() -> Vec<&'static ProbeKind> {
    probes::KINDS.iter().collect()
}

/// What a script may name.
pub fn kinds() -> Kinds {
    Kinds { actions: actions(), probes: probes() }
}

/// What playing needs.
pub fn kit() -> Kit {
    Kit { actions: actions(), reports: reports::ALL }
}
