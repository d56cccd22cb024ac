//! Harm, one file a kind.

mod clock_skew;
mod connection_reset;
mod container_pause;
mod container_stop;
mod cpu_burn;
mod cpu_throttle;
mod disk_fill;
mod dns_fault;
mod exec;
mod fd_limit;
mod file_fault;
mod inode_fill;
mod io_stress;
mod io_throttle;
mod memory_hog;
mod memory_limit;
mod network_bandwidth;
mod network_delay;
mod network_loss;
mod network_partition;
mod port_occupy;
mod process_kill;
mod process_pause;
mod process_restart;
mod rows_altered;
mod service_lever;
mod service_stop;
mod syscall_fault;

use crate::{action::ActionKind, traffic};

/// Every fault there is.
pub const KINDS: &[ActionKind] = &[
    ActionKind::fault::<clock_skew::ClockSkew>(),
    ActionKind::fault::<connection_reset::ConnectionReset>(),
    ActionKind::fault::<container_pause::ContainerPause>(),
    ActionKind::fault::<container_stop::ContainerStop>(),
    ActionKind::fault::<cpu_burn::CpuBurn>(),
    ActionKind::fault::<cpu_throttle::CpuThrottle>(),
    ActionKind::fault::<disk_fill::DiskFill>(),
    ActionKind::fault::<dns_fault::DnsFault>(),
    ActionKind::fault::<exec::Exec>(),
    ActionKind::fault::<fd_limit::FdLimit>(),
    ActionKind::fault::<file_fault::FileFault>(),
    ActionKind::fault::<inode_fill::InodeFill>(),
    ActionKind::fault::<io_stress::IoStress>(),
    ActionKind::fault::<io_throttle::IoThrottle>(),
    ActionKind::fault::<memory_hog::MemoryHog>(),
    ActionKind::fault::<memory_limit::MemoryLimit>(),
    ActionKind::fault::<network_bandwidth::NetworkBandwidth>(),
    ActionKind::fault::<network_delay::NetworkDelay>(),
    ActionKind::fault::<network_loss::NetworkLoss>(),
    ActionKind::fault::<network_partition::NetworkPartition>(),
    ActionKind::fault::<port_occupy::PortOccupy>(),
    ActionKind::fault::<process_kill::ProcessKill>(),
    ActionKind::fault::<process_pause::ProcessPause>(),
    ActionKind::fault::<process_restart::ProcessRestart>(),
    ActionKind::fault::<rows_altered::RowsAltered>(),
    ActionKind::fault::<service_lever::ServiceLever>(),
    ActionKind::fault::<service_stop::ServiceStop>(),
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
    Worker { kind: "clock_skew", work: clock_skew::work },
    Worker { kind: "cpu_burn", work: cpu_burn::work },
    Worker { kind: "cpu_throttle", work: cpu_throttle::work },
    Worker { kind: "disk_fill", work: disk_fill::work },
    Worker { kind: "dns_fault", work: dns_fault::work },
    Worker { kind: "inode_fill", work: inode_fill::work },
    Worker { kind: "io_stress", work: io_stress::work },
    Worker { kind: "memory_hog", work: memory_hog::work },
    Worker { kind: "network_bandwidth", work: traffic::hold },
    Worker { kind: "network_delay", work: network_delay::work },
    Worker { kind: "network_loss", work: traffic::hold },
    Worker { kind: "network_partition", work: traffic::hold },
    Worker { kind: "port_occupy", work: port_occupy::work },
    Worker { kind: "process_pause", work: process_pause::work },
    Worker { kind: "syscall_fault", work: syscall_fault::work },
];
