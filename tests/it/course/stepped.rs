//! The time of day is set to another while a run is played: really, on a machine whose clock is
//! nobody else's.

use std::time::{Duration, Instant};

use holdfast::{
    evidence::{
        fold as evidence,
        say::{self, Answer},
    },
    journal::entry::{Fact, Outcome},
    verdict::Verdict,
};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use super::{
    PATIENCE, asked,
    clocks::{DRILL, rows},
    decide, play, so_far,
};
use crate::{
    beside::in_machine,
    ground::{Ground, wait, within},
};

const WHY: &str = "a clock that may be set";
const HOUR: Duration = Duration::from_hours(1);
/// What may pass between the readings of two clocks.
const APART_US: u64 = 1_000_000;

/// The time of day is moved, and moved back when this goes.
struct Step {
    by_s: i64,
}

fn step(by_s: i64) {
    let now = clock_gettime(ClockId::Realtime);
    let then = Timespec { tv_sec: now.tv_sec + by_s, ..now };
    clock_settime(ClockId::Realtime, then).expect("root may set the clock");
}

impl Step {
    fn by(by_s: i64) -> Self {
        step(by_s);
        Self { by_s }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        step(-self.by_s);
    }
}

/// An hour forward, and one back.
fn hours() -> [i64; 2] {
    let hour = i64::try_from(HOUR.as_secs()).unwrap();
    [hour, -hour]
}

/// Holds what reports say of the clocks against what was done to them.
fn assert_told(ground: &Ground, by_s: i64) {
    let (run, entries) = so_far(ground);
    let clocks = evidence::fold(&entries).clocks;
    let off = clocks.wall_stepped_us.abs_diff(by_s * 1_000_000);
    assert!(off < APART_US, "{by_s}: {clocks:?}");
    assert_eq!((clocks.slept_us, clocks.reboots), (0, 0), "nothing else is said of the clocks");
    let told = ground.run(&["report", &run, "--format", "markdown"]).out;
    let (way, size) = (if by_s > 0 { "forward" } else { "back" }, clocks.wall_stepped_us.abs());
    let said = format!(
        "The time of day was moved {way} by {} during the run; spans do not feel it.",
        say::length(size)
    );
    assert!(told.contains(&said), "{said}: {told}");
    let json = ground.run(&["report", &run, "--format", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let stepped = json.pointer("/clocks/wall_stepped_us").and_then(serde_json::Value::as_i64);
    assert_eq!(stepped, Some(clocks.wall_stepped_us), "{json}");
}

#[test]
fn a_clock_that_is_set_during_a_drill_is_told_and_neither_time_nor_loss_feels_it() {
    if !in_machine(WHY) {
        return;
    }
    for by_s in hours() {
        let ground = Ground::new(0);
        std::fs::create_dir(ground.path().join("ledger")).unwrap();
        let file = ground.file("t.yaml", DRILL).display().to_string();
        let begun = Instant::now();
        let mut runner = play(&ground, &[&file]);
        asked(&ground, "3.1");
        let failed = || rows(&so_far(&ground).1, |it| it != Outcome::Acked);
        assert!(within(PATIENCE, || failed() > 3), "writes fail");
        let _step = Step::by(by_s);
        let before = failed();
        assert!(within(PATIENCE, || failed() > before + 3), "and go on failing");
        let done = decide(&ground, &["go on", "go"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let code = wait(&mut runner, PATIENCE);
        let took = i64::try_from(begun.elapsed().as_micros()).unwrap();
        let seen = evidence::fold(&so_far(&ground).1);
        assert_eq!(code, Some(0), "{by_s}: {:?} {:?}", seen.verdict, seen.why);
        let drill = seen.drill.unwrap();
        let (lower, upper) = (drill.rto.lower_us.unwrap(), drill.rto.upper_us.unwrap());
        assert!(0 < lower && lower <= upper && upper < took, "{by_s}: {took} {:?}", drill.rto);
        assert_eq!(drill.rto.answer, Answer::Pass, "{}", drill.rto.why);
        assert_eq!((drill.rpo.classes.lost, drill.rpo.answer), (0, Answer::Pass));
        assert!(seen.timeline.moments.is_sorted_by_key(|it| it.at_us));
        assert_told(&ground, by_s);
        ground.assert_settled("a clock was set");
    }
}

#[test]
fn a_clock_that_is_set_during_a_scenario_is_told_and_its_spans_do_not_feel_it() {
    if !in_machine(WHY) {
        return;
    }
    for by_s in hours() {
        let ground = Ground::new(1);
        let text = "title: x\nhypothesis:\n  - process: { target: { cmdline: 'sleep TAG' } }\n    \
            name: it lives\n    expect: { count: 1 }\n    mode: continuous\nmethod:\n  \
            - process_pause: { target: { cmdline: 'sleep TAG' }, by: signal }\n    for: 3s\n";
        let file = ground.file("x.yaml", text);
        let begun = Instant::now();
        let mut runner = ground.play(&file);
        assert!(within(PATIENCE, || ground.has(|it| matches!(it, Fact::Effect { .. }))));
        let _step = Step::by(by_s);
        assert_eq!(wait(&mut runner, PATIENCE), Some(0), "{by_s}");
        let took = i64::try_from(begun.elapsed().as_micros()).unwrap();
        let seen = evidence::fold(&so_far(&ground).1);
        assert_eq!(seen.verdict, Verdict::Pass, "{:?}", seen.why);
        let act = &seen.timeline.acts[0];
        let stood = act.undone.unwrap().from_us - act.applied.unwrap().to_us;
        assert!((3_000_000..took).contains(&stood), "{by_s}: {stood} of {took}");
        assert_told(&ground, by_s);
        ground.assert_settled("a clock was set");
    }
}
