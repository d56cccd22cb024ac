//! The shipped drills on the miniature bank, besides the one of `drill`.

use crate::stage::{Played, Stage};

fn play(stage: &Stage, drill: &str, words: &[&str]) -> Played {
    let file = format!("chaos-scenarios/drills/{drill}.yaml");
    let played = stage.play(&[&["drill", "run", &file], words].concat());
    stage.assert_verifies(&played);
    played
}

#[test]
fn after_a_site_s_power_loss_every_acknowledged_payment_is_there() {
    let stage = Stage::with_bank(&["--replication", "sync", "--rate", "20"]);
    let played = play(&stage, "site-power-loss", &[]);
    assert_eq!(played.code(), 0, "{}", played.said());
    assert!(!played.acknowledged().is_empty());
    assert_eq!(stage.gone(&played), 0);
}

#[test]
fn without_its_kyc_provider_the_bank_closes_and_opens_again_with_it() {
    let stage = Stage::with_bank(&["--replication", "sync"]);
    let played = play(&stage, "kyc-lost", &["--set", "mtpd=2s", "--set", "patience_ms=2500"]);
    assert_eq!(played.code(), 0, "{}", played.said());
    // Its customers came from the phase `load` on, and were served as before in the end.
    let load = &played.report["loads"][0];
    assert_eq!(load["planned"]["name"], "customers");
    let phase = &played.report["timeline"]["phases"];
    let phase = phase.as_array().unwrap().iter().find(|it| it["name"] == "load").unwrap();
    let first = load["rows"][0][0].as_i64().unwrap();
    assert!(first >= phase["from_us"].as_i64().unwrap(), "{load}");
    let failed: u64 =
        load["rows"].as_array().unwrap().iter().map(|it| it[4].as_u64().unwrap()).sum();
    assert!(failed > 20, "they were turned away for two seconds: {load}");
    let names = load["stretches"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["before", "since one struck", "in all"]);
    assert_eq!(load["stretches"][0]["failed"], 0, "a kill has no end, and yet a before: {load}");
    assert!(
        played.said().contains("PASS customers (after): error_ratio is 0"),
        "{}",
        played.said()
    );
    let lower = played.report["drill"]["rto"]["lower_us"].as_i64().unwrap();
    assert!(lower >= 2_000_000, "the provider was away for two seconds: {lower}");
    assert_eq!(stage.gone(&played), 0);
}

#[test]
fn without_a_fence_both_ledgers_acknowledge_and_the_drill_counts_what_is_gone() {
    let stage = Stage::with_bank(&["--replication", "async"]);
    let played = play(&stage, "ledger-split-brain", &[]);
    assert_eq!(played.code(), 1, "{}", played.said());
    let gone = stage.gone(&played);
    let classes = &played.report["drill"]["rpo"]["classes"];
    let count = |name| usize::try_from(classes[name].as_u64().unwrap_or(0)).unwrap();
    assert_eq!(count("lost"), gone, "{classes}");
    let split = count("split_brain");
    assert!(0 < split && split <= count("stranded"), "{}", played.said());
}
