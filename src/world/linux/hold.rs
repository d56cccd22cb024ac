//! What a held child does first: it ties its life to its parent's. And how it says how it is.

use std::io;

use rustix::{
    io::pwrite,
    process::{Signal, getppid, set_parent_process_death_signal},
};

use serde::{Deserialize, Serialize};

use crate::world::host::Told;

/// What a child says of itself is a line of so many bytes at most, and lies in a page of memory
/// that it shares with its parent: saying it again replaces it, and nobody ever waits for anybody.
pub(super) const TOLD_MAX: usize = 1_024;

/// Asks the kernel to kill this process when `parent`'s thread that made it ends. False if the
/// parent is gone already: then there is nobody to hold anything for.
///
/// The signal belongs to the parent's *thread* (prctl(2), `PR_SET_PDEATHSIG`): whoever holds must
/// start children from a thread that lives as long as the run.
pub fn bind(parent: u32) -> bool {
    set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && getppid().map(|it| it.as_raw_nonzero().get()) == i32::try_from(parent).ok()
}

/// Tells the parent how we are. Whoever is not a held child of anybody tells nobody.
pub fn tell(told: &Told) {
    let mut line = serde_json::to_vec(told).unwrap_or_default();
    // A line that is too long would not be read: only why it failed can be so long.
    if line.len() >= TOLD_MAX {
        let (Told::Stands(why) | Told::Failed(why)) = told else { return };
        let short: String = why.chars().take(TOLD_MAX / 8).collect();
        let short = match told {
            Told::Failed(_) => Told::Failed(short),
            Told::Stands(_) | Told::Nothing => Told::Stands(short),
        };
        line = serde_json::to_vec(&short).unwrap_or_default();
    }
    line.resize(TOLD_MAX - 1, b' ');
    line.push(b'\n');
    if let Err(why) = pwrite(io::stdout(), &line, 0) {
        tracing::debug!("nobody can be told: {why}");
    }
}

/// What a child has counted so far, for those that look whether a fault acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// What fitted.
    pub seen: u64,
    /// What of it came to harm.
    pub harmed: u64,
}

/// Tells the parent that all stands, and what was counted.
pub fn count(counts: Counts) {
    let said = serde_json::to_string(&counts).expect("two numbers are plain data");
    tell(&Told::Stands(said));
}
