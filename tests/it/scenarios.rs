//! Every shipped scenario, played for real on the bank.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use crate::banked::{Stage, text};

fn shipped(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = std::fs::read_dir(root.join(folder)).unwrap();
    let names = listed.flatten().map(|it| it.file_name().to_string_lossy().into_owned());
    let mut files: Vec<_> =
        names.filter(|it| it.ends_with(".yaml")).map(|it| format!("{folder}/{it}")).collect();
    files.sort();
    files
}

#[test]
fn every_scenario_passes_and_leaves_nothing() {
    let files = shipped("chaos-scenarios");
    assert!(files.len() >= 3);
    for file in files {
        let stage = Stage::with_bank(&["--replication", "async", "--rate", "10"]);
        let played = stage.play(&["chaos", "run", &file]);
        assert_eq!(played.code(), 0, "{file}: {}", played.said());
        let held = stage.run(&["recover"]);
        assert!(held.status.success());
        assert_eq!(text(&held.stdout).trim(), "nothing was left to take down", "{file}");
        let verify = stage.run(&["verify", &played.id()]);
        assert!(verify.status.success(), "{file}: {}", text(&verify.stdout));
    }
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
