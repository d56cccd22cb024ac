//! What machine this is, by sysinfo.

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// A machine: the one that a run is played from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Its name.
    pub hostname: String,
    /// Its operating system, such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// Its kernel's release.
    pub kernel: String,
    /// How many CPUs are online.
    pub cpus: u32,
    /// The CPU's model.
    pub cpu_model: String,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// Looks at the machine. What cannot be had is `unknown` or 0.
pub fn facts() -> HostFacts {
    let unknown = || "unknown".to_owned();
    let kinds = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds).ok();
    let cpus = system.as_ref().map_or(&[][..], |it| it.cpus());
    HostFacts {
        hostname: hostname(),
        os: System::long_os_version().unwrap_or_else(|_| unknown()),
        kernel: System::kernel_version().unwrap_or_else(|_| unknown()),
        cpus: u32::try_from(cpus.len()).unwrap_or(0),
        cpu_model: cpus.first().map_or_else(unknown, |it| it.brand().trim().to_owned()),
        memory_bytes: system.as_ref().map_or(0, System::total_memory),
    }
}

/// The machine's name alone.
pub fn hostname() -> String {
    System::host_name().unwrap_or_else(|_| "unknown".to_owned())
}

/// The name of the user who runs this program, or `uid N`.
pub fn operator() -> String {
    user(rustix::process::getuid().as_raw())
}

/// The login name of a user, or `uid N`.
pub fn user(uid: u32) -> String {
    passwd_name(uid).unwrap_or_else(|| format!("uid {uid}"))
}

#[expect(clippy::disallowed_methods, reason = "this is the wall")]
fn passwd_name(uid: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}
