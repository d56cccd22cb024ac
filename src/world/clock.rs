//! What time it is. Three clocks, because each lies in its own way.

/// Readings of the three clocks, in microseconds, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Since boot, less suspended time. Lengths are differences of this one.
    pub mono_us: u64,
    /// Since boot, with suspended time.
    pub boot_us: u64,
    /// Since the Unix epoch. Somebody may set it at any time.
    pub wall_us: u64,
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Reads all clocks.
    fn stamp(&self) -> Stamp;

    /// By how much the time of day can be wrong, as the kernel knows from its reference, in
    /// microseconds; none if it follows none, or does not know.
    fn wall_error_us(&self) -> Option<u64> {
        None
    }

    /// Microseconds of the monotonic clock.
    fn now_us(&self) -> u64 {
        self.stamp().mono_us
    }
}

/// Seconds since the epoch as people read them: `2026-11-22T15:04:05.123Z`.
pub fn rfc3339(wall_us: u64) -> String {
    let at = i64::try_from(wall_us / 1_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| format!("{wall_us} us after the epoch"), |it| format!("{it:.3}"))
}
