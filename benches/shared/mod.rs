//! What several benches measure alike.

use std::{
    process::{Child, ExitStatus},
    thread,
    time::Duration,
};

/// Waits for a child to end, and looks at it every so often: how it ended, and its largest resident
/// memory in KiB.
pub(crate) fn watched_to_its_end(child: &mut Child, every: Duration) -> (ExitStatus, u64) {
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let told = text.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let kib = told.and_then(|it| it.trim().strip_suffix(" kB")?.parse().ok());
        peak = kib.unwrap_or(0).max(peak);
        if let Some(ended) = child.try_wait().expect("a child of ours") {
            return (ended, peak);
        }
        thread::sleep(every);
    }
}
