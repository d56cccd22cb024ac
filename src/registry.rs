//! The one place that knows every family.

use crate::{
    action::ActionKind,
    engine::kit::Kit,
    faults,
    ledger::LedgerKind,
    ledgers,
    meter::Meter,
    meters::{self, Best},
    probe::ProbeKind,
    probes, reports,
    script::read::Kinds,
    steps,
    world::roots::Roots,
};

/// Every action: faults, then steps.
pub fn actions() -> Vec<&'static ActionKind> {
    faults::KINDS.iter().chain(steps::KINDS).collect()
}

/// Every probe.
pub fn probes() -> Vec<&'static ProbeKind> {
    probes::KINDS.iter().collect()
}

/// Every ledger that a witness can write to.
pub fn ledgers() -> Vec<&'static LedgerKind> {
    ledgers::KINDS.iter().collect()
}

/// What a script may name.
pub fn kinds() -> Kinds {
    Kinds { actions: actions(), probes: probes(), ledgers: ledgers() }
}

/// What playing needs.
pub fn kit() -> Kit {
    Kit { actions: actions(), reports: reports::ALL, meter }
}

fn meter(roots: &Roots) -> Result<Box<dyn Meter>, String> {
    let Best { meter, blind } = meters::best(roots);
    let why = || blind.iter().map(|(it, why)| format!("{}: could not {why}", it.about.name));
    meter.map(|it| it.1).ok_or_else(|| why().collect::<Vec<_>>().join("; "))
}
