//! How wide the recovery-time interval of a drill is, with a write every 20 ms, and how much memory
//! its orchestrator takes: the shipped drill, played ten times (or as often as `HOLDFAST_DRILLS`
//! says), each on a bank of its own.
//!
//! `cargo bench --bench rto_width`
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a bench is outside the wall, and prints"
)]

mod shared;

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use shared::watched_to_its_end;

const DRILL: &str = "chaos-scenarios/drills/ledger-primary-lost.yaml";

fn main() {
    let times = std::env::var("HOLDFAST_DRILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(10);
    let played: Vec<(f64, u64)> = (0..times).map(|_| width()).collect();
    let mut widths: Vec<f64> = played.iter().map(|it| it.0).collect();
    widths.sort_by(f64::total_cmp);
    let at = |share: usize| widths.get(widths.len() * share / 100).copied().unwrap_or(f64::NAN);
    println!(
        "width of the recovery-time interval over {times} drills: least {:.1} ms, median {:.1} ms, \
         widest {:.1} ms",
        at(0),
        at(50),
        at(99)
    );
    let peak = played.iter().map(|it| it.1).max().unwrap_or(0);
    println!(
        "the orchestrator took {:.1} MiB at most",
        f64::from(u32::try_from(peak).unwrap_or(0)) / 1024.0
    );
}

/// Plays the drill, and tells how many KiB of memory its process took at most.
fn played(state: &str) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--state", state, "drill", "run", DRILL]);
    let mut runner =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let (ended, peak) = watched_to_its_end(&mut runner, Duration::from_millis(20));
    assert!(ended.success(), "{ended}");
    peak
}

fn width() -> (f64, u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().display().to_string();
    let run = |words: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--state", &state]).args(words);
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    run(&["sandbox", "up", "--replication", "sync", "--link-delay", "5ms"]);
    let peak = played(&state);
    let report = run(&["report", "latest", "--format", "json"]).stdout;
    run(&["sandbox", "down", "--purge"]);
    let report: serde_json::Value = serde_json::from_slice(&report).expect("a report");
    let bound = |name: &str| {
        let found = report.pointer(&format!("/drill/rto/{name}"));
        found.and_then(serde_json::Value::as_f64).expect("a bound") / 1e3
    };
    let (lower, upper) = (bound("lower_us"), bound("upper_us"));
    let wide = upper - lower;
    println!("  back after {lower:.1} to {upper:.1} ms: {wide:.1} ms wide; {peak} KiB");
    (wide, peak)
}
