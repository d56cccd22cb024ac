//! Harm, one file a kind.

mod cpu_burn;
mod process_kill;
mod process_pause;
mod service_lever;

use crate::action::ActionKind;

/// Every fault there is.
pub const KINDS: &[ActionKind] = &[
    ActionKind::fault::<cpu_burn::CpuBurn>(),
    ActionKind::fault::<process_kill::ProcessKill>(),
    ActionKind::fault::<process_pause::ProcessPause>(),
    ActionKind::fault::<service_lever::ServiceLever>(),
];

/// What a held child does, and for which fault.
pub struct Worker {
    /// The fault's name.
    pub kind: &'static str,
    /// Does it until the kernel ends us; the arguments are those that the fault gave.
    pub work: fn(&[String]) -> Result<std::convert::Infallible, String>,
}

/// Every fault that has children.
pub const WORKERS: &[Worker] = &[Worker { kind: "cpu_burn", work: cpu_burn::work }];
