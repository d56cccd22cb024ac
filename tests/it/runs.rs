//! Runs, seen and ended from another terminal.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use holdfast::journal::entry::Fact;
use rustix::process::Signal;
use serde_json::Value;

use crate::ground::{Done, Ground, send, within};

const LONG: &str = "title: a long pause\nbaseline: 10ms\nsettle: 10s\nhypothesis:\n  \
     - process: { target: { cmdline: TAG } }\n    name: it lives\n    every: 10ms\n    \
       expect: { count: 1 }\nmethod:\n  \
     - process_pause: { target: { cmdline: TAG } }\n    for: 4m\n";

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap()
}

#[test]
fn a_run_is_listed_told_of_and_aborted_from_another_terminal() {
    let ground = Ground::new(1);
    assert_eq!(json(&ground.run(&["chaos", "list", "--json"])), Value::Array(Vec::new()));
    let file = ground.file("long.yaml", LONG);
    let mut runner = ground.play(&file);
    let acts = || ground.has(|it| matches!(it, Fact::Effect { .. }));
    assert!(within(Duration::from_secs(30), acts), "the fault stands");
    let (run, _) = ground.journals().pop().unwrap();
    let listed = json(&ground.run(&["chaos", "list", "--json"]));
    assert_eq!(listed.pointer("/0/run"), Some(&Value::from(run.as_str())));
    assert_eq!(listed.pointer("/0/state"), Some(&Value::from("open")));
    let told = json(&ground.run(&["chaos", "status", "--json", &run]));
    assert_eq!(told.pointer("/phase"), Some(&Value::from("disrupt")), "{told}");
    assert_eq!(told.pointer("/stands/0/act"), Some(&Value::from(1)), "{told}");
    let told = ground.run(&["chaos", "status"]);
    assert!(told.out.contains("stands: process pause: pause"), "{}", told.out);
    let done = ground.run(&["chaos", "abort", &run]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(runner.wait().unwrap().code(), Some(4), "an aborted run is judged by nobody");
    ground.assert_settled("aborted");
    let listed = ground.run(&["chaos", "list"]);
    assert!(
        listed.out.contains("inconclusive") && listed.out.contains("a long pause"),
        "{listed:?}"
    );
    assert!(ground.run(&["drill", "list"]).out.is_empty(), "a scenario is no drill");
    let again = ground.run(&["chaos", "abort", &run]);
    assert_eq!(again.code, Some(2), "{}", again.err);
}

#[test]
fn aborting_a_run_whose_runner_and_guardian_died_takes_it_down() {
    let ground = Ground::new(1);
    let file = ground.file("long.yaml", LONG);
    let mut runner = ground.play(&file);
    let acts = || ground.has(|it| matches!(it, Fact::Effect { .. }));
    assert!(within(Duration::from_secs(30), acts), "the fault stands");
    send(runner.id(), Signal::STOP);
    send(ground.guardian().unwrap(), Signal::KILL);
    runner.kill().unwrap();
    runner.wait().unwrap();
    let (run, _) = ground.journals().pop().unwrap();
    let done = ground.run(&["chaos", "abort", &run]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    ground.assert_settled("aborted by recovery");
}

#[test]
fn a_run_told_to_machines_prints_its_journal_as_it_is_written() {
    let ground = Ground::new(1);
    let short = LONG.replace("4m", "300ms");
    let file = ground.file("short.yaml", &short).display().to_string();
    let done = ground.run(&["chaos", "run", "--json", &file]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let (run, _) = ground.journals().pop().unwrap();
    let journal = ground.state().join("runs").join(&run).join("journal.jsonl");
    assert_eq!(done.out, std::fs::read_to_string(journal).unwrap(), "line by line");
    let last: Value = serde_json::from_str(done.out.lines().last().unwrap()).unwrap();
    assert_eq!(last.pointer("/fact/ended/verdict"), Some(&Value::from("pass")), "{last}");
    assert!(done.err.contains(&format!("{run} pass")), "{}", done.err);
    let both = ground.run(&["chaos", "run", "--json", "--dry-run", &file]);
    assert_eq!(both.code, Some(2), "a plan is no journal: {}", both.err);
}
