//! When faults stood, and which looks count for that.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    journal::entry::{Entry, Fact, Family, Look, When},
    script::hypothesis::Hypothesis,
};

/// Stretches in which a fault stood for certain: from when it was wholly applied to when going back
/// began.
pub(super) fn fault_windows(entries: &[Entry]) -> Vec<(u64, u64)> {
    let (mut faults, mut standing, mut windows) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    for it in entries {
        match &it.fact {
            Fact::Intent(intent) if intent.family == Family::Fault => {
                faults.insert(intent.act);
            }
            Fact::Applied { act, to_us, .. } if faults.contains(act) => {
                standing.insert(*act, *to_us);
            }
            Fact::Undone { act, from_us, .. } => {
                windows.extend(standing.remove(act).map(|from| (from, *from_us)));
            }
            Fact::Kept { act } => {
                windows.extend(standing.remove(act).map(|from| (from, it.at_us)));
            }
            _ => {}
        }
    }
    windows.extend(standing.into_values().map(|from| (from, u64::MAX)));
    windows
}

/// Whether a look counts for a stretch in which faults stood. What must be true all the time must
/// be so for every question that was asked then, however late its answer; what is expected of the
/// disturbed system alone must have been answered by it.
pub(super) fn looked_during(it: &Hypothesis, look: &Look, windows: &[(u64, u64)]) -> bool {
    let answered = if it.when == [When::During] { look.0.saturating_add(look.1) } else { look.0 };
    windows.iter().any(|(from, to)| look.0 >= *from && answered < *to)
}
