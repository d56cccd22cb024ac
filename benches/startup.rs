//! How long commands take that a person waits for: from fork to exit, 50 times each.
//!
//! `cargo bench --bench startup`
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a bench is outside the wall, and prints"
)]

use std::{process::Command, time::Instant};

const TIMES: usize = 50;

fn main() {
    let mut long = String::from("title: a long one\nmethod:\n");
    for n in 0..250 {
        let fault = "  - process_pause: { target: { name: nobody } }\n    for: 1s\n";
        long = format!("{long}{fault}    name: number {n}\n    after: 1s\n");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("long.yaml");
    std::fs::write(&file, long).expect("a file");
    let file = file.display().to_string();
    for words in [
        vec!["--help"],
        vec!["check", "chaos-scenarios/kyc-frozen.yaml"],
        vec!["check", &file],
        vec!["explain"],
    ] {
        let shown = words.join(" ").replace(&file, "(1,002 lines)");
        println!("holdfast {shown:<42} {}", figures(&words));
    }
}

fn figures(words: &[&str]) -> String {
    let mut took: Vec<f64> = (0..TIMES)
        .map(|_| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
            command.current_dir(env!("CARGO_MANIFEST_DIR")).args(words);
            let from = Instant::now();
            let output = command.output().expect("it starts");
            let took = from.elapsed().as_secs_f64() * 1e3;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            took
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(f64::NAN);
    format!("median {:.1} ms, p90 {:.1} ms, longest {:.1} ms", at(50), at(90), at(99))
}
