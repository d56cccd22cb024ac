//! Harm, one file a kind.

mod connection_reset;
mod cpu_burn;
mod dns_fault;
mod network_bandwidth;
mod network_delay;
mod network_loss;
mod network_partition;
mod process_kill;
mod process_pause;
mod service_lever;
mod syscall_fault;

use crate::action::ActionKind;

/// Every fault there is.
pub const KINDS: &[ActionKind] = &[
    ActionKind::fault::<connection_reset::ConnectionReset>(),
    ActionKind::fault::<cpu_burn::CpuBurn>(),
    ActionKind::fault::<dns_fault::DnsFault>(),
    ActionKind::fault::<network_bandwidth::NetworkBandwidth>(),
    ActionKind::fault::<network_delay::NetworkDelay>(),
    ActionKind::fault::<network_loss::NetworkLoss>(),
    ActionKind::fault::<network_partition::NetworkPartition>(),
    ActionKind::fault::<process_kill::ProcessKill>(),
    ActionKind::fault::<process_pause::ProcessPause>(),
    ActionKind::fault::<service_lever::ServiceLever>(),
    ActionKind::fault::<syscall_fault::SyscallFault>(),
];

/// What a held child does, and for which fault.
pub struct Worker {
    /// The fault's name.
    pub kind: &'static str,
    /// Does it until the kernel ends us; the arguments are those that the fault gave.
    pub work: fn(&[String]) -> Result<std::convert::Infallible, String>,
}

/// Every fault that has children.
pub const WORKERS: &[Worker] = &[
    Worker { kind: "cpu_burn", work: cpu_burn::work },
    Worker { kind: "dns_fault", work: dns_fault::work },
    Worker { kind: "network_bandwidth", work: network_bandwidth::work },
    Worker { kind: "network_delay", work: network_delay::work },
    Worker { kind: "network_loss", work: network_loss::work },
    Worker { kind: "network_partition", work: network_partition::work },
    Worker { kind: "syscall_fault", work: syscall_fault::work },
];
