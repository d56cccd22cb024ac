//! The kernel's clocks.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::world::{
    clock::{Clock, Stamp},
    discipline::discipline,
};

/// Reads `CLOCK_MONOTONIC`, `CLOCK_BOOTTIME` and `CLOCK_REALTIME`.
#[derive(Debug, Clone, Copy)]
pub struct LinuxClock;

impl Clock for LinuxClock {
    fn stamp(&self) -> Stamp {
        Stamp {
            mono_us: micros(clock_gettime(ClockId::Monotonic)),
            boot_us: micros(clock_gettime(ClockId::Boottime)),
            wall_us: micros(clock_gettime(ClockId::Realtime)),
        }
    }

    fn wall_error_us(&self) -> Option<u64> {
        let told = discipline().ok().filter(|it| it.is_synchronised)?;
        u64::try_from(told.said.maxerror).ok()
    }

    fn now_us(&self) -> u64 {
        micros(clock_gettime(ClockId::Monotonic))
    }
}

/// Processor time that this thread has used, in microseconds.
pub fn thread_cpu_us() -> u64 {
    micros(clock_gettime(ClockId::ThreadCPUTime))
}

fn micros(at: Timespec) -> u64 {
    let whole = u64::try_from(at.tv_sec).unwrap_or(0).saturating_mul(1_000_000);
    whole.saturating_add(u64::try_from(at.tv_nsec / 1_000).unwrap_or(0))
}
