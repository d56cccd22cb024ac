//! Runners that are killed in the middle of a drill, and others that go on.

use std::{collections::BTreeMap, fs, process::Child, time::Duration};

use holdfast::{
    evidence::fold as evidence,
    journal::{
        course::{Course, How},
        entry::{Entry, Fact, Family},
        fold,
    },
    verdict::Verdict,
};
use rustix::process::Signal;

use super::{PATIENCE, asked, courses, decide, play, so_far};
use crate::{
    ground::{Done, Ground, quiet, send, wait, within},
    stage::{self, Stage, text},
};

/// A drill in which a victim is paused while people are asked.
const PAUSED: &str = "title: paused while people think\nexercise: { type: walkthrough }\n\
    objectives: { rto: 1h, lost_writes: 0 }\nphases:\n  - phase: fault\n    steps:\n      \
    - process_pause: { target: { cmdline: 'sleep TAG' }, by: signal }\n        for: 10m\n        \
    name: pause it\n  - phase: declare\n    steps:\n      \
    - gate: { question: on?, timeout: 10m, on_timeout: abort }\n        name: go on\n  \
    - phase: clean up\n    steps:\n      \
    - command: { run: [sh, -c, 'echo x >> GROUND/done'] }\n        name: once\n";

fn resume(ground: &Ground, words: &[&str]) -> Child {
    let run = so_far(ground).0;
    quiet(&mut ground.holdfast(&[&["drill", "resume", &run], words].concat())).spawn().unwrap()
}

fn waits(ground: &Ground) {
    let waits = || fold::suspended(&so_far(ground).1);
    assert!(within(PATIENCE, waits), "it waits to be resumed");
    assert!(within(PATIENCE, || ground.helpers().is_empty()), "the guardian went home");
}

fn killed(ground: &Ground, runner: &mut Child) {
    send(runner.id(), Signal::KILL);
    wait(runner, PATIENCE);
    waits(ground);
}

#[test]
fn what_a_fault_did_is_healed_at_once_and_the_drill_goes_on_where_it_was() {
    let ground = Ground::new(1);
    let file = ground.file("paused.yaml", PAUSED).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "2.1");
    assert_eq!(ground.stopped(), [true]);
    killed(&ground, &mut runner);
    assert!(ground.is_healed(), "the guardian healed it");
    assert_eq!(ground.open(), 1, "and left the drill to be resumed");
    // Nobody else plays here until that is settled.
    let other = ground.run(&["drill", "run", &file]);
    assert_eq!(other.code, Some(3), "{}", other.err);
    assert!(other.err.contains("drill resume"), "{}", other.err);
    let recovered = ground.run(&["recover"]);
    assert_eq!(recovered.code, Some(0), "{}", recovered.err);
    let mut runner = resume(&ground, &[]);
    let resumed = || courses(&ground).iter().any(|it| matches!(it, Course::Resumed(_)));
    assert!(within(PATIENCE, resumed));
    assert!(within(PATIENCE, || decide(&ground, &["go on", "go"]).code == Some(0)));
    assert_eq!(wait(&mut runner, PATIENCE), Some(4), "the fault stood for less than was planned");
    let (_, entries) = so_far(&ground);
    let seen = evidence::fold(&entries);
    assert!(seen.why.iter().any(|it| it.contains("put back before its time")), "{:?}", seen.why);
    let faults = entries
        .iter()
        .filter(|it| matches!(&it.fact, Fact::Intent(it) if it.family == Family::Fault));
    assert_eq!(faults.count(), 1, "it is not done again");
    assert_eq!(fs::read_to_string(ground.path().join("done")).unwrap(), "x\n");
    assert!(entries.iter().zip(entries.iter().skip(1)).all(|(a, b)| a.at_us <= b.at_us));
    ground.assert_settled("resumed");
}

#[test]
fn a_drill_that_waits_can_be_ended_instead() {
    let ground = Ground::new(1);
    let file = ground.file("paused.yaml", PAUSED).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "2.1");
    killed(&ground, &mut runner);
    let run = so_far(&ground).0;
    let told = ground.run(&["drill", "status", &run]);
    assert!(told.out.contains("waits"), "{}", told.out);
    let ended = ground.run(&["drill", "abort", &run]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ground.assert_settled("ended instead");
    let late = ground.run(&["drill", "resume", &run]);
    assert_eq!(late.code, Some(3), "{}", late.err);
    assert!(late.err.contains("it has ended"), "{}", late.err);
}

#[test]
fn what_cannot_go_on_says_why() {
    let ground = Ground::new(1);
    let file = ground.file("paused.yaml", PAUSED);
    let none = ground.run(&["drill", "resume", "20200101T000000Z-00000000"]);
    assert_eq!(none.code, Some(2), "{}", none.err);
    let mut runner = play(&ground, &[&file.display().to_string()]);
    asked(&ground, "2.1");
    let run = so_far(&ground).0;
    let lives = ground.run(&["drill", "resume", &run]);
    assert_eq!(lives.code, Some(3), "{}", lives.err);
    assert!(lives.err.contains("another run is using"), "{}", lives.err);
    killed(&ground, &mut runner);
    fs::write(&file, "title: another\n").unwrap();
    let changed = ground.run(&["drill", "resume", &run]);
    assert_eq!(changed.code, Some(3), "{}", changed.err);
    assert!(changed.err.contains("has changed since"), "{}", changed.err);
    let unknown = ground.run(&["drill", "resume", &run, "--as-begun", "--done", "9.9"]);
    assert_eq!(unknown.code, Some(3), "{}", unknown.err);
    assert!(unknown.err.contains("9.9"), "{}", unknown.err);
    let journal = ground.state().join("runs").join(&run).join("journal.jsonl");
    let before = fs::read(&journal).unwrap();
    assert!(fold::suspended(&so_far(&ground).1), "nothing of that was written down");
    let mut runner = resume(&ground, &["--as-begun"]);
    assert!(within(PATIENCE, || decide(&ground, &["go on", "no-go"]).code == Some(0)));
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    assert!(fs::read(&journal).unwrap().starts_with(&before), "the same file, and the same chain");
    ground.assert_settled("refused, then resumed");
}

#[test]
fn a_step_of_which_nobody_knows_whether_it_was_done_is_asked_about_by_name() {
    for (word, times, how) in [("--done", 1, How::Done), ("--again", 2, How::Again)] {
        let ground = Ground::new(0);
        let drill = "title: t\nexercise: { type: walkthrough }\n\
            objectives: { rto: 1h, lost_writes: 0 }\nphases:\n  - phase: switch\n    steps:\n      \
            - command: { run: [sh, GROUND/tell] }\n        \
            name: tell the other site\n";
        ground.file("tell", "echo x >> GROUND/told\n[ -e GROUND/let ] || exec sleep 60\n");
        let file = ground.file("t.yaml", drill).display().to_string();
        let mut runner = play(&ground, &[&file]);
        let told = || fs::read_to_string(ground.path().join("told")).unwrap_or_default();
        assert!(within(PATIENCE, || told() == "x\n"));
        killed(&ground, &mut runner);
        let run = so_far(&ground).0;
        let asked = ground.run(&["drill", "resume", &run]);
        assert_eq!(asked.code, Some(3), "{}", asked.err);
        assert!(asked.err.contains("1.1 “tell the other site”"), "{}", asked.err);
        assert!(asked.err.contains("--again STEP"), "{}", asked.err);
        ground.file("let", "");
        let mut runner = resume(&ground, &[word, "1.1"]);
        let code = wait(&mut runner, PATIENCE);
        assert_eq!(told(), "x\n".repeat(times), "{word}");
        let settled = courses(&ground).into_iter().find_map(|it| match it {
            Course::Resumed(it) => it.settled.into_iter().next(),
            _ => None,
        });
        assert_eq!(settled.map(|it| (it.step, it.how)), Some(("1.1".to_owned(), how)));
        // What the operator says was seen by nobody.
        assert_eq!(code, Some(if how == How::Done { 4 } else { 0 }), "{word}");
        ground.assert_settled(word);
    }
}

#[test]
fn answers_that_were_given_before_the_runner_died_count() {
    let ground = Ground::new(0);
    let drill = "title: t\nexercise: { type: tabletop }\nobjectives: { rto: 1h, lost_writes: 0 }\n\
        phases:\n  - phase: declare\n    steps:\n      \
        - gate: { question: on?, persons: 2, timeout: 10m, on_timeout: abort }\n        name: go on\n";
    let file = ground.file("t.yaml", drill).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.1");
    assert_eq!(decide(&ground, &["go on", "go", "--for", "alice"]).code, Some(0));
    killed(&ground, &mut runner);
    let dead = decide(&ground, &["go on", "go", "--for", "bob"]);
    assert_eq!(dead.code, Some(2), "nobody hears it: {}", dead.err);
    let mut runner = resume(&ground, &[]);
    assert!(within(PATIENCE, || decide(&ground, &["go on", "go", "--for", "bob"]).code == Some(0)));
    assert_eq!(wait(&mut runner, PATIENCE), Some(0));
    ground.assert_settled("answered across a death");
}

const DRILL: &str = "chaos-scenarios/drills/ledger-primary-lost.yaml";
/// Where the runner dies: at the beginning of each phase, as soon as this step begins.
const DEATHS: &[&str] = &["1.1", "2.1", "3.1", "4.1", "5.1", "6.1", "7.1", "8.1", "9.1", "10.3"];

/// The shipped drill, with short pauses and an objective that leaves room for ten deaths.
fn short(stage: &Stage) -> String {
    let shipped = fs::read_to_string(DRILL).unwrap();
    let text = shipped
        .replace("pause: 5s", "pause: 500ms")
        .replace("pause: 3s", "pause: 500ms")
        .replace("pause: 2s", "pause: 500ms")
        .replace("rto: 10s", "rto: 10m");
    let file = stage.state().join("short.yaml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn entries(stage: &Stage) -> Vec<Entry> {
    let all = fs::read(stage.newest().join("journal.jsonl"));
    let lines = all.ok().and_then(|it| holdfast::journal::chain::read(&it).ok());
    lines.map(|it| it.entries).unwrap_or_default()
}

fn begun(entries: &[Entry], wanted: &str) -> bool {
    entries
        .iter()
        .any(|it| matches!(&it.fact, Fact::Course(Course::Began { step, .. }) if step == wanted))
}

/// Whether whoever plays has come so far that the guardian watches.
fn is_watched(entries: &[Entry]) -> bool {
    let resumed = |it: &Entry| matches!(it.fact, Fact::Course(Course::Resumed(_)));
    let since = entries.iter().rposition(resumed).unwrap_or(0);
    let plays =
        |it: &Entry| matches!(it.fact, Fact::Course(Course::Began { .. }) | Fact::Sampled(_));
    entries.iter().skip(since).any(plays)
}

/// Goes on; what the drill cannot know itself is done again, because it was not done.
fn go_on(stage: &Stage, run: &str) -> Child {
    let mut words = vec!["drill".to_owned(), "resume".to_owned(), run.to_owned()];
    let times = |all: &[Entry]| {
        all.iter().filter(|it| matches!(it.fact, Fact::Course(Course::Resumed(_)))).count()
    };
    let before = times(&entries(stage));
    let started = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = stage.command(&words);
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let mut runner = started(&words);
    let resumed = || times(&entries(stage)) > before;
    loop {
        let said = || resumed() || runner.try_wait().unwrap().is_some();
        assert!(within(PATIENCE, said), "it goes on, or says why not");
        if resumed() {
            break;
        }
        let done: Done = runner.wait_with_output().unwrap().into();
        assert_eq!(done.code, Some(3), "{}", done.err);
        let lines = done.err.lines().filter(|it| it.contains("it had been begun"));
        let steps: Vec<_> = lines.filter_map(|it| it.split_whitespace().next()).collect();
        assert!(!steps.is_empty() && words.len() == 3, "{}", done.err);
        words.extend(steps.iter().flat_map(|it| ["--again".to_owned(), (*it).to_owned()]));
        runner = started(&words);
    }
    // Nobody reads on.
    drop(runner.stderr.take());
    runner
}

#[test]
fn a_runner_that_dies_in_every_phase_leaves_a_drill_that_is_played_to_its_end() {
    let stage = Stage::with_bank(&["--replication", "sync", "--link-delay", "5ms"]);
    let file = short(&stage);
    let mut start = stage.command(&["drill", "run", "--yes", &file]);
    let mut runner = quiet(&mut start).spawn().unwrap();
    assert!(within(PATIENCE, || stage.state().join("runs").exists()));
    assert!(within(PATIENCE, || stage.runs() == 1));
    for step in DEATHS {
        let there = || {
            let all = entries(&stage);
            begun(&all, step) && is_watched(&all)
        };
        assert!(within(PATIENCE, there), "{step} begins: {:?}", entries(&stage).last());
        send(runner.id(), Signal::KILL);
        runner.wait().unwrap();
        let waits = || fold::suspended(&entries(&stage));
        assert!(within(PATIENCE, waits), "{step}: {:?}", entries(&stage).last());
        let run = stage.newest().file_name().unwrap().to_string_lossy().into_owned();
        runner = go_on(&stage, &run);
    }
    let code = wait(&mut runner, Duration::from_mins(2));
    let all = entries(&stage);
    assert!(matches!(code, Some(0 | 4)), "{code:?}: {:?}", why(&stage));
    let resumed = all.iter().filter(|it| matches!(it.fact, Fact::Course(Course::Resumed(_))));
    assert_eq!(resumed.count(), DEATHS.len());
    let seen = evidence::fold(&all);
    // Nobody may have written in the moment before the fault, and then no loss can be ruled out.
    let fits = |it: &&String| it.contains(": pass, ") || it.starts_with("data loss: inconclusive");
    assert!(seen.why.iter().all(|it| fits(&it)), "{:?}", seen.why);
    assert!(seen.verdict < Verdict::Fail, "{:?}", seen.why);
    let road = seen.course.unwrap();
    assert!(road.steps.iter().all(|it| it.state.word() == "done"), "{:?}", road.steps);
    let mut applied: BTreeMap<&str, u32> = BTreeMap::new();
    for it in seen.timeline.acts.iter().filter(|it| it.applied.is_some()) {
        *applied.entry(&it.name).or_default() += 1;
    }
    assert!(applied.len() >= 9 && applied.values().all(|it| *it == 1), "{applied:?}");
    // The gaps are part of the outage; the last may come when the service is back already.
    let gaps: u64 = road.resumed.iter().skip(3).take(5).map(|it| it.gap_us).sum();
    let drill = seen.drill.unwrap();
    let mut numbers: Vec<u64> = drill.attempts.iter().map(|it| it.seq).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), drill.attempts.len(), "no record is written twice");
    assert!(drill.rto.upper_us.unwrap() > i64::try_from(gaps).unwrap(), "{:?}", drill.rto);
    assert_eq!(drill.rpo.classes.lost, 0);
    assert_eq!(drill.rpo.classes.unexpected, 0, "what nobody wrote down is no stranger");
    let id = stage.newest().file_name().unwrap().to_string_lossy().into_owned();
    let verified = stage.run(&["verify", &id]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
}

fn why(stage: &Stage) -> Vec<String> {
    evidence::fold(&stage::entries(&stage.newest())).why
}
