//! How busy the machine is, by sysinfo.

use sysinfo::{
    CpuRefreshKind, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind,
    System,
};

use crate::world::host::HostError;

/// Keeps what is needed to tell shares.
pub struct Load {
    system: System,
}

/// How busy the machine is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Busy share of all CPUs since the look before, 0 to 1.
    pub cpu_ratio: f64,
    /// Memory in use, in bytes.
    pub memory_used_bytes: u64,
}

impl Load {
    /// Looks for the first time; shares are told from the second on.
    pub fn new() -> Result<Self, HostError> {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(kinds)
            .map_err(|why| HostError::os("look at the machine's load", why))?;
        Ok(Self { system })
    }

    /// Looks again.
    pub fn host(&mut self) -> Usage {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        Usage {
            cpu_ratio: f64::from(self.system.global_cpu_usage()) / 100.0,
            memory_used_bytes: self.system.used_memory(),
        }
    }

    /// A process's resident memory in bytes; 0 if it is gone.
    pub fn rss(&mut self, pid: u32) -> u64 {
        let pid = Pid::from_u32(pid);
        let memory = ProcessRefreshKind::nothing().with_memory().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, memory);
        self.system.process(pid).map_or(0, sysinfo::Process::memory)
    }
}
