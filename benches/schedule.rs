//! How late faults begin, how long before that they are written down, what memory the runner takes,
//! and how long a trivial run takes. Everything is read from outside: journals and `/proc`.
//!
//! `cargo bench --bench schedule`
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a bench is outside the wall, and prints"
)]

mod shared;

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use holdfast::journal::{chain, entry::Fact};
use shared::watched_to_its_end;

const ACTS: usize = 60;
const TIMES: usize = 20;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let victim = Command::new("sleep").arg("7201").spawn().map(Victim).expect("a victim");
    let mut text = String::from("title: many instants\nmax: 10m\nhypothesis:\n  - name: h\n");
    text += "    process: { target: { name: sleep } }\n    expect: { count: { min: 1 } }\n";
    text += "    every: 20ms\nmethod:\n";
    let pid = folder.path().join("pid");
    std::fs::write(&pid, victim.0.id().to_string()).expect("a file");
    for n in 0..ACTS {
        let after = 80 + n * 7;
        text += "  - process_pause: { target: { pid_file: PID } }\n    for: 30ms\n";
        text = format!("{text}    after: {after}ms\n");
    }
    let text = text.replace("PID", &pid.display().to_string());
    let (took, rss_kib) = play(folder.path(), "many", &text);
    println!("{ACTS} faults on a schedule in {took:.1} s");
    for line in lateness(folder.path(), "many") {
        println!("  {line}");
    }
    println!("  resident memory of the runner at most: {rss_kib} KiB");
    let trivial = "title: trivial\nbaseline: 1ms\nhypothesis:\n  - name: h\n    \
        file: { path: /proc/self/stat }\n    expect: { exists: 1 }\n    every: 1ms\n\
        method:\n  - cpu_burn: { percent: 1, cores: 1 }\n    for: 1ms\n";
    let mut took: Vec<f64> =
        (0..TIMES).map(|n| play(folder.path(), &format!("t{n}"), trivial).0 * 1e3).collect();
    println!("a trivial run, its seal included: {} ms", figures(&mut took));
}

struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        drop(self.0.wait());
    }
}

/// Plays a scenario; tells seconds, and the runner's largest resident memory in KiB.
fn play(folder: &Path, name: &str, text: &str) -> (f64, u64) {
    let file = folder.join(format!("{name}.yaml"));
    std::fs::write(&file, text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("--state").arg(folder.join(name)).args(["chaos", "run", "--yes"]);
    command.arg(&file);
    let from = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let (ended, rss_kib) = watched_to_its_end(&mut child, Duration::from_millis(1));
    assert!(ended.success(), "{name} was not played to its end: {ended}");
    (from.elapsed().as_secs_f64(), rss_kib)
}

fn lateness(folder: &Path, name: &str) -> Vec<String> {
    let runs = std::fs::read_dir(folder.join(name).join("runs")).expect("runs");
    let run = runs.flatten().next().expect("a run").path();
    let bytes = std::fs::read(run.join("journal.jsonl")).expect("a journal");
    let mut due = BTreeMap::new();
    let (mut late, mut ahead) = (Vec::new(), Vec::new());
    for it in chain::read(&bytes).expect("a journal that can be believed").entries {
        match it.fact {
            Fact::Intent(intent) => {
                due.extend(intent.due_us.map(|due| (intent.act, (due, it.at_us))));
            }
            Fact::Applied { act, from_us, .. } => {
                if let Some((due, written)) = due.get(&act) {
                    late.push(ms(*due, from_us));
                    ahead.push(ms(*written, *due));
                }
            }
            _ => {}
        }
    }
    vec![
        format!("begun after their instant: {} ms", figures(&mut late)),
        format!("written down before it: {} ms", figures(&mut ahead)),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "53 bits of microseconds are 285 years")]
fn ms(from: u64, to: u64) -> f64 {
    (to as f64 - from as f64) / 1e3
}

fn figures(all: &mut [f64]) -> String {
    all.sort_by(f64::total_cmp);
    let at = |share: usize| all.get((all.len() * share / 100).min(all.len().saturating_sub(1)));
    let at = |share| at(share).copied().unwrap_or(f64::NAN);
    let (first, n) = (at(0), all.len());
    format!("least {first:.2}, median {:.2}, p99 {:.2}, most {:.2} ({n})", at(50), at(99), at(100))
}
