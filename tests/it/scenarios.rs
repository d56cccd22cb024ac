//! Every shipped scenario, played for real on the bank.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
};

use crate::{
    beside::{self, skipped},
    net::bench::alone,
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
    ("chaos-scenarios/clock-skew.yaml", "away=5500ms"),
    ("chaos-scenarios/clock-skew.yaml", "length=4s"),
    ("chaos-scenarios/disk-full.yaml", "length=3s"),
    ("chaos-scenarios/load-step.yaml", "length=3s"),
    ("chaos-scenarios/memory-pressure.yaml", "length=3s"),
    ("chaos-scenarios/worker-crash-loop.yaml", "length=2s"),
];

/// The one that takes a small disk under the ledger.
const DISK: &str = "chaos-scenarios/disk-full.yaml";
/// Those that take power over a machine, and so one of their own.
const ALONE: &[&str] = &[
    "chaos-scenarios/clock-skew.yaml",
    DISK,
    "chaos-scenarios/dns-outage.yaml",
    "chaos-scenarios/partition.yaml",
];

/// What a file's head has one type before it is played: `sandbox up` and what follows.
fn before(text: &str) -> Vec<Vec<&str>> {
    let typed = text.lines().filter_map(|it| it.strip_prefix("#   holdfast "));
    let words = typed.map(|it| it.split_whitespace().collect::<Vec<_>>());
    let all: Vec<_> = words.take_while(|it| it.first() != Some(&"chaos")).collect();
    assert!(
        all.first().is_some_and(|it| it.starts_with(&["sandbox", "up"])),
        "its head says which bank it needs"
    );
    all
}

/// The words that play a file in short, with these variables.
fn words(file: &str, text: &str, set: &[&str]) -> Vec<String> {
    let has = |name: &str| text.lines().any(|it| it.starts_with(&format!("  {name}: ")));
    let short = SHORT.iter().filter(|it| has(it.0)).map(|it| format!("{}={}", it.0, it.1));
    let longer = LONGER.iter().filter(|it| it.0 == file).map(|it| it.1.to_owned());
    let mut words = vec!["chaos".to_owned(), "run".to_owned(), file.to_owned()];
    for it in short.chain(longer).chain(set.iter().map(|it| (*it).to_owned())) {
        words.extend(["--set".to_owned(), it]);
    }
    words
}

/// Plays a file in short on a bank of its own, with these variables. If this machine does not allow
/// it, that is said aloud.
fn play(file: &str, set: &[&str], prepare: impl FnOnce(&Stage)) -> Option<(Stage, Played)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let stage = Stage::empty();
    let _disk = (file == DISK).then(|| Disk::under(&stage.state().join("sandbox/core-a")));
    for it in before(&text) {
        let done = stage.run(&it);
        assert!(done.status.success(), "{it:?}: {}", self::text(&done.stderr));
    }
    prepare(&stage);
    let words = words(file, &text, set);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let dry = stage.run(&[&words[..], &["--dry-run"]].concat());
    if !dry.status.success() {
        skipped(&format!("{file} is passed over: {}", self::text(&dry.stderr).trim()));
        return None;
    }
    let played = stage.play(&words);
    Some((stage, played))
}

/// A small file system, until it is let go.
struct Disk(PathBuf);

impl Disk {
    fn under(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "ledger"]).arg(folder);
        assert!(mount.status().unwrap().success(), "a small disk is mounted");
        Self(folder.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Its processes may still have files open in there.
        let done = Command::new("umount").arg("--lazy").arg(&self.0).status();
        drop(done);
    }
}

/// Whether a file passes, and the run leaves nothing and is sealed.
fn tried(file: &str, set: &[&str]) -> Result<(), String> {
    let Some((stage, played)) = play(file, set, |_| {}) else { return Ok(()) };
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

/// Whether all of them pass. They mostly wait, each with a bank and a state folder of its own.
fn all_pass(files: Vec<String>) {
    let queue = Mutex::new(files);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop();
                    let Some(file) = next else { return };
                    let outcome = catch_unwind(|| tried(&file, &[]));
                    let outcome = outcome.unwrap_or_else(|_| Err(format!("{file} panicked")));
                    wrong.lock().unwrap().extend(outcome.err());
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scenario_passes_and_leaves_nothing() {
    let mut files = shipped("chaos-scenarios");
    assert!(files.len() >= 15, "{files:?}");
    files.retain(|it| !ALONE.contains(&it.as_str()));
    all_pass(files);
}

#[test]
fn every_scenario_that_takes_a_machine_of_its_own_passes_there() {
    alone("scenarios::every_scenario_that_takes_a_machine_of_its_own_passes_there", || {
        all_pass(ALONE.iter().map(|it| (*it).to_owned()).collect());
    });
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
    let (_stage, played) = play("chaos-scenarios/tenant-flood.yaml", &set, |stage| {
        put(stage, "gateway", "/settings", r#"{"bulkhead": false}"#);
    })
    .unwrap();
    assert_eq!(played.code(), 1, "{}", played.said());
    assert!(played.said().contains("503"), "{}", played.said());
}

#[test]
fn a_batch_that_may_not_grow_fails_the_load_step() {
    let (_stage, played) = play("chaos-scenarios/load-step.yaml", &["length=8s"], |stage| {
        put(stage, "batch", "/settings", r#"{"workers_max": 1}"#);
    })
    .unwrap();
    assert_eq!(played.code(), 1, "{}", played.said());
    assert!(played.said().contains("count is 1"), "{}", played.said());
}

/// Plays a file with these variables; it must fail, and name this hypothesis.
fn fails(file: &str, set: &[&str], prepare: impl FnOnce(&Stage), hypothesis: &str) {
    let Some((_stage, played)) = play(file, set, prepare) else { return };
    assert_eq!(played.code(), 1, "{file}: {}", played.said());
    let said = played.said();
    assert!(said.contains(&format!("FAIL {hypothesis} (")), "{said}");
}

const MEMORY: &str = "chaos-scenarios/memory-pressure.yaml";

#[test]
fn memory_that_is_enough_fails_the_scenario_of_too_little() {
    fails(MEMORY, &["more=4GiB"], |_| {}, "workers were lost to it");
}

#[test]
fn too_little_memory_is_met_in_groups_of_version_2_too() {
    if !beside::in_machine("control groups of version 2, with every controller") {
        return;
    }
    // Payments in time are too much to ask of an emulated processor, and all else takes it longer.
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(MEMORY)).unwrap();
    let (head, tail) = text.split_once("  - name: payments are accepted").unwrap();
    let (_, tail) = tail.split_once("  - name: the batch lives on").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory-pressure.yaml");
    fs::write(&file, format!("{head}  - name: the batch lives on{tail}  - pause: 20s\n")).unwrap();
    tried(&file.display().to_string(), &["length=15s", "rate=4", "piled=3"]).unwrap();
}

#[test]
fn a_batch_that_starts_no_worker_again_fails_when_memory_is_short() {
    // It has one worker, before and afterwards: others could do what that one left.
    let alone = r#"{"restart": false, "workers_max": 1}"#;
    let prepare = |stage: &Stage| put(stage, "batch", "/settings", alone);
    fails(MEMORY, &[], prepare, "every job is done");
}

const DESCRIPTORS: &str = "chaos-scenarios/descriptors-exhausted.yaml";

#[test]
fn descriptors_that_are_enough_fail_the_scenario_of_too_few() {
    fails(DESCRIPTORS, &["limit=512"], |_| {}, "nobody new gets in");
}

#[test]
fn a_gateway_that_stays_without_descriptors_fails() {
    let prepare = |stage: &Stage| {
        let gateway = stage.book().processes["gateway"].pid.to_string();
        // Who lowers the limit of a process once more takes the fault's way back.
        thread::spawn(move || {
            let limit = |more: &[&str]| {
                let mut it = Command::new("prlimit");
                text(&it.args(["--pid", &gateway]).args(more).output().unwrap().stdout)
            };
            let raw = ["--nofile", "--raw", "--noheadings", "--output", "SOFT"];
            beside::until("the limit is there", || (limit(&raw).trim() == "4").then_some(()));
            limit(&["--nofile=5:"]);
        });
    };
    fails(DESCRIPTORS, &[], prepare, "payments are accepted");
}

const NAMES: &str = "chaos-scenarios/dns-outage.yaml";

#[test]
fn a_gateway_that_keeps_no_address_fails_when_names_do() {
    alone("scenarios::a_gateway_that_keeps_no_address_fails_when_names_do", || {
        let prepare = |stage: &Stage| put(stage, "gateway", "/settings", r#"{"names_kept_s": 0}"#);
        fails(NAMES, &[], prepare, "payments are accepted in time");
    });
}

#[test]
fn an_outage_of_another_name_fails_the_scenario_of_names() {
    alone("scenarios::an_outage_of_another_name_fails_the_scenario_of_names", || {
        fails(NAMES, &["lost=other.example"], |_| {}, "the gateway's own questions fail");
    });
}

const CLOCK: &str = "chaos-scenarios/clock-skew.yaml";

#[test]
fn a_clock_that_is_hardly_wrong_fails_the_scenario_of_wrong_clocks() {
    alone("scenarios::a_clock_that_is_hardly_wrong_fails_the_scenario_of_wrong_clocks", || {
        fails(CLOCK, &["by=2s"], |_| {}, "the branch lives on another day");
    });
}

#[test]
fn a_ledger_that_takes_any_date_fails_when_a_clock_is_wrong() {
    alone("scenarios::a_ledger_that_takes_any_date_fails_when_a_clock_is_wrong", || {
        let any = r#"{"clocks_apart_max_s": 4000000000}"#;
        let prepare = |stage: &Stage| put(stage, "core-a", "/settings", any);
        fails(CLOCK, &[], prepare, "nothing of the wrong day is in the ledger");
    });
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
