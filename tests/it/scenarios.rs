//! Every shipped scenario, played for real on the bank.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{panic::catch_unwind, path::Path, sync::Mutex};

use crate::{
    beside,
    stage::{Played, Stage, text},
};

fn shipped(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = std::fs::read_dir(root.join(folder)).unwrap();
    let names = listed.flatten().map(|it| it.file_name().to_string_lossy().into_owned());
    let mut files: Vec<_> = names
        .filter(|it| Path::new(it).extension().is_some_and(|it| it == "yaml"))
        .map(|it| format!("{folder}/{it}"))
        .collect();
    files.sort();
    files
}

/// What shortens a scenario here, and gives a slow machine its time.
const SHORT: &[(&str, &str)] = &[
    ("flood", "60"),
    ("latency_ms", "100"),
    ("length", "1500ms"),
    ("patience_ms", "2500"),
    ("timeouts", "99"),
];
/// The same, for those that need more time to show what they show.
const LONGER: &[(&str, &str)] = &[
    ("chaos-scenarios/batch-hangs.yaml", "length=3s"),
    ("chaos-scenarios/load-step.yaml", "length=3s"),
    ("chaos-scenarios/worker-crash-loop.yaml", "length=2s"),
];

/// The words after `holdfast sandbox up` in a file's head.
fn bank(text: &str) -> Vec<&str> {
    let line = text.lines().find_map(|it| it.strip_prefix("#   holdfast sandbox up"));
    line.expect("its head says which bank it needs").split_whitespace().collect()
}

/// Plays a file in short on a bank of its own, with these variables.
fn play(file: &str, set: &[&str], prepare: impl FnOnce(&Stage)) -> (Stage, Played) {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let stage = Stage::with_bank(&bank(&text));
    prepare(&stage);
    let has = |name: &str| text.lines().any(|it| it.starts_with(&format!("  {name}: ")));
    let short = SHORT.iter().filter(|it| has(it.0)).map(|it| format!("{}={}", it.0, it.1));
    let longer = LONGER.iter().filter(|it| it.0 == file).map(|it| it.1.to_owned());
    let mut words = vec!["chaos".to_owned(), "run".to_owned(), file.to_owned()];
    for it in short.chain(longer).chain(set.iter().map(|it| (*it).to_owned())) {
        words.extend(["--set".to_owned(), it]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let played = stage.play(&words);
    (stage, played)
}

/// Whether a file passes, and the run leaves nothing and is sealed.
fn tried(file: &str) -> Result<(), String> {
    let (stage, played) = play(file, &[], |_| {});
    if played.code() != 0 {
        return Err(format!("{file}: {}", played.said()));
    }
    let held = stage.run(&["recover"]);
    let left = text(&held.stdout);
    if !held.status.success() || left.trim() != "nothing was left to take down" {
        return Err(format!("{file}: {left}"));
    }
    let verify = stage.run(&["verify", &played.id()]);
    if verify.status.success() { Ok(()) } else { Err(format!("{file}: {}", text(&verify.stdout))) }
}

#[test]
fn every_scenario_passes_and_leaves_nothing() {
    let files = shipped("chaos-scenarios");
    assert!(files.len() >= 15, "{files:?}");
    let queue = Mutex::new(files);
    let wrong = Mutex::new(Vec::new());
    // They mostly wait, each with a bank and a state folder of its own.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop();
                    let Some(file) = next else { return };
                    let outcome = catch_unwind(|| tried(&file));
                    let outcome = outcome.unwrap_or_else(|_| Err(format!("{file} panicked")));
                    wrong.lock().unwrap().extend(outcome.err());
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn put(stage: &Stage, name: &str, path: &str, body: &str) {
    let json = [("Content-Type", "application/json")];
    let address = stage.book().address(name).unwrap();
    let answer = beside::ask(address, "PUT", path, &json, body);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn without_its_bulkhead_the_bank_fails_the_flood() {
    let set = ["length=3s", "flood=200", "latency_ms=200"];
    let (_, played) = play("chaos-scenarios/tenant-flood.yaml", &set, |stage| {
        put(stage, "gateway", "/settings", r#"{"bulkhead": false}"#);
    });
    assert_eq!(played.code(), 1, "{}", played.said());
    assert!(played.said().contains("503"), "{}", played.said());
}

#[test]
fn a_batch_that_may_not_grow_fails_the_load_step() {
    let (_, played) = play("chaos-scenarios/load-step.yaml", &["length=8s"], |stage| {
        put(stage, "batch", "/settings", r#"{"workers_max": 1}"#);
    });
    assert_eq!(played.code(), 1, "{}", played.said());
    assert!(played.said().contains("count is 1"), "{}", played.said());
}

#[test]
fn check_reads_every_shipped_file_without_a_bank() {
    let stage = Stage::empty();
    let files = [shipped("chaos-scenarios"), shipped("chaos-scenarios/drills")].concat();
    let words: Vec<&str> = files.iter().map(String::as_str).collect();
    let checked = stage.run(&[&["check"], &words[..]].concat());
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert_eq!(text(&checked.stdout).lines().count(), files.len());
    assert!(!stage.state().exists(), "checking touches nothing");
}

#[test]
fn without_a_bank_a_scenario_of_the_bank_is_refused_at_its_variables() {
    let stage = Stage::empty();
    let played = stage.run(&["chaos", "run", "chaos-scenarios/kyc-frozen.yaml"]);
    assert_eq!(played.status.code(), Some(2));
    let said = text(&played.stderr);
    assert!(said.contains("sandbox.gateway") && said.contains("kyc-frozen.yaml:"), "{said}");
}
