//! A run's figures for the small index that the agent reads.

use crate::{
    evidence::{energy::Energy, fold::Evidence, say, scale::signed},
    journal::index::DrillFigures,
};

/// What the index tells of a drill; none for scenarios.
pub fn figures(evidence: &Evidence) -> Option<DrillFigures> {
    let drill = evidence.drill.as_ref()?;
    let (rto, rpo) = (&drill.rto, &drill.rpo);
    let exercised = rpo.answer.verdict().is_some();
    Some(DrillFigures {
        rto_seconds: rto
            .lower_us
            .zip(rto.upper_us)
            .map(|(l, u)| (say::seconds(l), say::seconds(u))),
        rto_objective_seconds: Some(say::seconds(signed(rto.objective_us))),
        lost_writes: exercised.then_some(rpo.classes.lost),
        acknowledged_writes: exercised.then_some(rpo.acknowledged),
        energy_joules: match &evidence.whole.energy {
            Energy::Measured { figures, .. } => Some(figures.clone()),
            Energy::Unavailable { .. } => None,
        },
    })
}
