//! What a held child does first: it ties its life to its parent's.

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Asks the kernel to kill this process when `parent`'s thread that made it ends. False if the
/// parent is gone already: then there is nobody to hold anything for.
///
/// The signal belongs to the parent's *thread* (prctl(2), `PR_SET_PDEATHSIG`): whoever holds must
/// start children from a thread that lives as long as the run.
pub fn bind(parent: u32) -> bool {
    set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && getppid().map(|it| it.as_raw_nonzero().get()) == i32::try_from(parent).ok()
}
