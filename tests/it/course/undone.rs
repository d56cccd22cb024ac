//! What stands in the background while a drill goes on, and how it is put back.

use std::fs;

use holdfast::journal::entry::{Entry, Fact};
use rustix::process::Signal;

use super::{PATIENCE, asked, decide, play, so_far};
use crate::ground::{Ground, send, wait, within};

/// Faults that end by themselves while people are asked.
fn drill(faults: &str) -> String {
    format!(
        "title: t\nexercise: {{ type: walkthrough }}\n\
         objectives: {{ rto: 1h, lost_writes: 0 }}\nphases:\n  - phase: fault\n    steps:\n\
         {faults}      - gate: {{ question: on?, timeout: 10m, on_timeout: abort }}\n        \
         name: go on\n"
    )
}

/// A fault that ends after `length`, by an undo that takes its time.
fn fault(name: &str, length: &str) -> String {
    format!(
        "      - exec: {{ run: ['true'], undo: [sh, GROUND/{name}] }}\n        name: {name}\n        \
         for: {length}\n"
    )
}

fn said(ground: &Ground, name: &str) -> String {
    fs::read_to_string(ground.path().join(name)).unwrap_or_default()
}

fn undone(entries: &[Entry]) -> Vec<u32> {
    let act = |it: &Entry| match it.fact {
        Fact::Undone { act, .. } => Some(act),
        _ => None,
    };
    entries.iter().filter_map(act).collect()
}

#[test]
fn what_is_being_undone_when_the_run_is_stopped_is_not_undone_a_second_time_beside_that() {
    let ground = Ground::new(0);
    let slow = "echo begins >> GROUND/told\nuntil [ -e GROUND/let ]; do sleep 0.02; done\n\
                echo ends >> GROUND/told\n";
    ground.file("slow", slow);
    let file = ground.file("t.yaml", &drill(&fault("slow", "50ms"))).display().to_string();
    let mut runner = play(&ground, &[&file]);
    assert!(within(PATIENCE, || said(&ground, "told") == "begins\n"), "its length is over");
    send(runner.id(), Signal::TERM);
    let aborts = || so_far(&ground).1.iter().any(|it| matches!(it.fact, Fact::Aborted { .. }));
    assert!(within(PATIENCE, aborts), "it was told");
    let recovers =
        |it: &Entry| matches!(&it.fact, Fact::PhaseBegan { phase } if phase == "recover");
    assert!(within(PATIENCE, || so_far(&ground).1.iter().any(recovers)), "it goes back");
    fs::write(ground.path().join("let"), "").unwrap();
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    assert_eq!(said(&ground, "told"), "begins\nends\n", "it was begun once");
    assert_eq!(undone(&so_far(&ground).1), [1]);
    ground.assert_settled("stopped while it went back");
}

#[test]
fn what_takes_its_time_to_be_undone_keeps_nothing_else_standing() {
    let ground = Ground::new(0);
    // The first is not undone before the second was.
    ground.file("first", "until [ -e GROUND/over ]; do sleep 0.02; done\n");
    ground.file("second", "touch GROUND/over\n");
    let faults = fault("first", "50ms") + &fault("second", "300ms");
    let file = ground.file("t.yaml", &drill(&faults)).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.3");
    assert!(within(PATIENCE, || undone(&so_far(&ground).1).len() == 2), "both were put back");
    let mut both = undone(&so_far(&ground).1);
    both.sort_unstable();
    assert_eq!(both, [1, 2], "each once");
    assert_eq!(decide(&ground, &["go on", "go"]).code, Some(0));
    wait(&mut runner, PATIENCE);
    ground.assert_settled("one was slow");
}
