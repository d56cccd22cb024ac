//! What the agent says of itself: build and process.

use std::path::PathBuf;

use crate::{
    collector::{Samples, many, wide},
    world::roots::{self, Kept},
};

/// Reads the agent's own figures.
#[derive(Debug)]
pub(crate) struct Own {
    stat: Kept,
    started: Option<f64>,
}

impl Default for Own {
    fn default() -> Self {
        // Always our own `/proc`: `--path.procfs` is about the machine that is watched.
        Self { stat: Kept::brief(PathBuf::from("/proc/self/stat")), started: None }
    }
}

/// The fields of `/proc/self/stat` that matter here.
#[derive(Debug, Clone, Copy)]
struct Stat {
    cpu_ticks: f64,
    start_ticks: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

const TICKS_A_SECOND: f64 = 100.0;

impl Own {
    /// Adds the figures. One that cannot be had is left out.
    pub(crate) fn show(&mut self, samples: &mut Samples, process: bool) {
        show_builds(samples);
        if !process {
            return;
        }
        if let Some(stat) = self.stat.read().ok().and_then(parse) {
            let started = *self.started.get_or_insert_with(|| started(stat.start_ticks));
            show_process(stat, started, samples);
        }
        if let Ok(open) = roots::descriptors() {
            let help = "Number of open file descriptors.";
            samples.gauge("process_open_fds", help).row(&[], many(open));
        }
        // No limit reads as the largest number, as other exporters have it.
        let (files, bytes) = roots::limits();
        let limit = |it: Option<u64>| wide(it.unwrap_or(u64::MAX));
        let help = "Maximum number of open file descriptors.";
        samples.gauge("process_max_fds", help).row(&[], limit(files));
        let help = "Maximum amount of virtual memory available in bytes.";
        samples.gauge("process_virtual_memory_max_bytes", help).row(&[], limit(bytes));
    }
}

fn show_builds(samples: &mut Samples) {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let version = env!("CARGO_PKG_VERSION");
    let help = "The build of holdfast, which exports under node_exporter's names.";
    samples.gauge("node_exporter_build_info", help).row(
        &[
            ("branch", "holdfast"),
            ("goarch", arch),
            ("goos", std::env::consts::OS),
            ("goversion", ""),
            ("revision", ""),
            ("version", version),
        ],
        1.0,
    );
    samples
        .gauge("holdfast_build_info", "The build of holdfast.")
        .row(&[("arch", std::env::consts::ARCH), ("version", version)], 1.0);
}

fn show_process(stat: Stat, started: f64, samples: &mut Samples) {
    samples
        .counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
        .row(&[], stat.cpu_ticks / TICKS_A_SECOND);
    samples
        .gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
        .row(&[], stat.resident_pages * many(roots::page_size()));
    samples
        .gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")
        .row(&[], stat.virtual_bytes);
    let help = "Start time of the process since unix epoch in seconds.";
    samples.gauge("process_start_time_seconds", help).row(&[], started);
}

/// The command's name may hold blanks and brackets; the fields come after its last bracket.
fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // `proc(5)` counts from 1, and the first field here is its third.
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(Stat {
        cpu_ticks: field(14)? + field(15)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

/// Since the epoch; the kernel says since boot.
fn started(ticks: f64) -> f64 {
    let stat = roots::read(&PathBuf::from("/proc/stat")).unwrap_or_default();
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<f64>().ok());
    boot.unwrap_or(0.0) + ticks / TICKS_A_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) b) S 1 7 7 0 -1 4 9 0 0 0 31 12 0 0 20 0 3 0 4242 1000000 250 184 1\n";
        let stat = parse(text).unwrap();
        assert!((stat.cpu_ticks - 43.0).abs() < 1e-9);
        assert!((stat.start_ticks - 4242.0).abs() < 1e-9);
        assert!((stat.virtual_bytes - 1e6).abs() < 1e-9);
        assert!((stat.resident_pages - 250.0).abs() < 1e-9);
    }
}
