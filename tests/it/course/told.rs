//! What people tell a drill: when it was, and that it begins; files that nobody could play; and a
//! disk that is full while people decide.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use holdfast::{
    evidence::{fold as evidence, origin::Since, say::Answer},
    journal::{
        course::{Course, Outcome},
        entry::{Entry, Fact, Outcome as Written},
        fold,
    },
};

use super::{PATIENCE, asked, decide, play, so_far};
use crate::{
    beside::skipped,
    ground::{Done, Ground, quiet, wait, within},
};

/// A drill with a witness in the folder `GROUND/ledger`, and these phases before it reads back.
fn witnessed(phases: &str) -> String {
    format!(
        "title: t\nobjectives: {{ rto: 1m, lost_writes: 0 }}\n\
         witness: {{ directory: {{ path: GROUND/ledger }}, every: 20ms }}\nphases:\n  \
         - phase: load\n    steps:\n      - witness: start\n      - pause: 200ms\n{phases}  \
         - phase: verify\n    steps:\n      - pause: 300ms\n      - witness: read_back\n"
    )
}

/// Writes of the witness so far, by what became of them.
fn written(entries: &[Entry], outcome: Written) -> usize {
    let rows = entries.iter().filter_map(|it| match &it.fact {
        Fact::Writes { rows } => Some(rows),
        _ => None,
    });
    rows.flatten().filter(|it| (it.3 == Written::Acked) == (outcome == Written::Acked)).count()
}

#[test]
fn a_fault_that_only_people_saw_is_counted_from_when_they_say_it_was() {
    let ground = Ground::new(0);
    let ledger = ground.path().join("ledger");
    fs::create_dir(&ledger).unwrap();
    let text = witnessed(
        "  - phase: fault\n    steps:\n      - manual: { instruction: take the folder away, \
         timeout: 10m, attests: fault }\n        name: take it away\n",
    );
    let file = ground.file("t.yaml", &text).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "2.1");
    let seen = |outcome| written(&so_far(&ground).1, outcome);
    assert!(within(PATIENCE, || seen(Written::Acked) > 10));
    let away = ground.path().join("away");
    let before = Instant::now();
    fs::rename(&ledger, &away).unwrap();
    let after = Instant::now();
    assert!(within(PATIENCE, || seen(Written::Unknown) > 10), "writes fail");
    let (down, moved) = (after.elapsed(), Instant::now());
    fs::rename(&away, &ledger).unwrap();
    let (back, up) = (before.elapsed(), moved.elapsed());
    // Who says nothing of when it was is asked again, and who says it backwards.
    let silent = decide(&ground, &["take it away", "done"]);
    assert!(silent.code == Some(3) && silent.err.contains("asks when it was"), "{}", silent.err);
    let turned = decide(&ground, &["take it away", "done", "--from", "1s", "--to", "1m"]);
    assert!(turned.code == Some(2) && turned.err.contains("earliest"), "{}", turned.err);
    // People round: a second more, and a little less.
    let ms = |it: Duration| u64::try_from(it.as_millis()).unwrap();
    let from = format!("{}ms", ms(before.elapsed()) + 1_000);
    let to = format!("{}ms", ms(after.elapsed()).saturating_sub(1).max(1));
    let said = decide(&ground, &["take it away", "done", "--from", &from, "--to", &to]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    wait(&mut runner, PATIENCE);
    let seen = evidence::fold(&so_far(&ground).1);
    let rto = seen.drill.unwrap().rto;
    assert_eq!((rto.since, rto.answer), (Since::Attested, Answer::Pass), "{}", rto.why);
    let us = |it: Duration| i64::try_from(it.as_micros()).unwrap();
    let (lower, upper) = (rto.lower_us.unwrap(), rto.upper_us.unwrap());
    assert!(lower <= us(down), "{lower} is at most {down:?}");
    assert!(us(back) <= upper + us(up) && us(down) <= upper, "{upper} is at least {back:?}");
    assert!(upper - lower >= 1_000_000, "as wide as they say: {lower} to {upper}");
    ground.assert_settled("attested");
}

#[test]
fn a_switch_over_that_was_planned_is_counted_from_the_word_that_starts_it() {
    let ground = Ground::new(0);
    fs::create_dir(ground.path().join("ledger")).unwrap();
    let text = witnessed(
        "  - phase: cut over\n    steps:\n      - gate: { question: now?, timeout: 10m, \
         on_timeout: abort, mark: started }\n        name: cut over\n      \
         - command: { run: [mv, GROUND/ledger, GROUND/away] }\n      - pause: 300ms\n      \
         - command: { run: [mv, GROUND/away, GROUND/ledger] }\n",
    );
    let file = ground.file("t.yaml", &text).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "2.1");
    assert_eq!(decide(&ground, &["cut over", "go"]).code, Some(0));
    assert_eq!(wait(&mut runner, PATIENCE), Some(0));
    let seen = evidence::fold(&so_far(&ground).1);
    let drill = seen.drill.unwrap();
    assert_eq!(drill.rto.since, Since::Declared);
    assert!(drill.rto.lower_us.unwrap() >= 250_000, "{:?}", drill.rto);
    assert!(drill.rto.why.contains("declared start"), "{}", drill.rto.why);
    assert_eq!(drill.rpo.classes.lost, 0);
    ground.assert_settled("cut over");
}

#[test]
fn files_that_nobody_could_play_are_refused_with_a_place_and_a_way_out() {
    let ground = Ground::new(0);
    let talk = |kind: &str, step: &str| {
        format!(
            "title: t\nexercise: {{ type: {kind} }}\nobjectives: {{ rto: 1h, lost_writes: 0 }}\n\
             phases:\n  - phase: declare\n    steps:\n      - {step}\n"
        )
    };
    let gate = "  - phase: declare\n    steps:\n      - gate: { question: on?, persons: 2, \
                timeout: 1m, on_timeout: go }\n";
    let twice = "  - phase: declare\n    steps:\n      \
                 - declare: { note: now, mark: started }\n      \
                 - manual: { instruction: pull, timeout: 1m, attests: fault }\n";
    let manual = |more: &str| {
        talk("tabletop", &format!("manual: {{ instruction: pull, timeout: 1m, {more} }}"))
    };
    let untold = "attests: fault, rehearsal: [{ by: a, answer: done }]";
    let unasked = "rehearsal: [{ by: a, answer: done, from_ago: 2s, to_ago: 1s }]";
    for (text, place, why) in [
        (talk("tabletop", "command: { run: ['true'] }"), ":7:9", "a tabletop is talked through"),
        (talk("tabletop", "process_kill: { target: { name: x } }"), ":7:9", "talked through"),
        (witnessed(gate), ":11:41", "2 people must answer, and without `who` only one can"),
        (witnessed(twice), ":4:1", "the recovery time would count from each of"),
        (manual(untold), ":7:79", "when it was, is not told"),
        (manual(unasked), ":7:63", "does not ask when it was"),
    ] {
        let file = ground.file("x.yaml", &text).display().to_string();
        let done = ground.run(&["check", &file]);
        assert_eq!(done.code, Some(2), "{text}");
        let there = format!("x.yaml{place}");
        assert!(done.err.contains(why) && done.err.contains(&there), "{why}: {}", done.err);
        assert!(done.err.contains("help: "), "{}", done.err);
    }
    for text in [
        talk("walkthrough", "command: { run: ['true'] }"),
        talk("tabletop", "gate: { question: on?, persons: 2, timeout: 1m, on_timeout: go }"),
    ] {
        let file = ground.file("x.yaml", &text).display().to_string();
        let done = ground.run(&["check", &file]);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
}

#[test]
fn a_drill_whose_disk_is_full_goes_back_writes_that_down_and_is_sealed() {
    let ground = Ground::new(1);
    let may = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|it| it.success()) {
        skipped("this machine allows no mount namespaces");
        return;
    }
    let text = "title: the disk is full\nexercise: { type: walkthrough }\n\
        objectives: { rto: 1h, lost_writes: 0 }\nphases:\n  - phase: fault\n    steps:\n      \
        - process_pause: { target: { cmdline: 'sleep TAG' }, by: signal }\n        for: 10m\n        \
        name: pause it\n  - phase: fill\n    steps:\n      \
        - command: { run: [sh, -c, 'cat /dev/zero > GROUND/state/filler; true'] }\n        \
        name: fill the disk\n  - phase: declare\n    steps:\n      \
        - gate: { question: on?, timeout: 10m, on_timeout: abort }\n        name: go on\n  \
        - phase: after\n    steps:\n      - command: { run: [touch, GROUND/after] }\n";
    let file = ground.file("t.yaml", text).display().to_string();
    fs::create_dir(ground.state()).unwrap();
    // A seal takes room: with room again, `recover` seals what has ended. What is on the small disk
    // goes with it, and is looked at afterwards.
    let script = "mount -t tmpfs -o size=4m small \"$0/state\" && { \"$@\"; code=$?; \
                  rm -f \"$0/state/filler\"; \
                  \"$1\" --state \"$0/state\" recover; cp -r \"$0/state\" \"$0/kept\"; exit $code; }";
    let run = ground.holdfast(&["drill", "run", &file]);
    let mut it = Command::new("unshare");
    it.args(["-rm", "sh", "-c", script]).arg(ground.path());
    it.arg(run.get_program()).args(run.get_args());
    let mut runner = quiet(it.current_dir(ground.path())).spawn().unwrap();
    let shown = format!("/proc/{}/root{}", runner.id(), ground.state().display());
    let entries = || {
        let run = fs::read_dir(format!("{shown}/runs")).ok()?.flatten().next()?;
        let bytes = fs::read(run.path().join("journal.jsonl")).ok()?;
        holdfast::journal::chain::read(&bytes).ok().map(|it| it.entries)
    };
    let asks = |it: &Entry| matches!(it.fact, Fact::Course(Course::Asked(_)));
    assert!(within(PATIENCE, || entries().is_some_and(|it| it.iter().any(asks))));
    assert_eq!(ground.stopped(), [true]);
    // The gate is answered over a socket on the same full disk.
    let run = fs::read_dir(format!("{shown}/runs")).unwrap().flatten().next().unwrap();
    let run = run.file_name().to_string_lossy().into_owned();
    let mut say = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    say.arg("--state").arg(&shown).args(["drill", "decide", &run, "go on", "no-go"]);
    let said: Done = say.output().unwrap().into();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    assert!(ground.is_healed(), "the fault was put back");
    assert!(!ground.path().join("after").exists(), "nothing follows");
    let kept = ground.path().join("kept/runs").join(&run);
    let bytes = fs::read(kept.join("journal.jsonl")).unwrap();
    let all = holdfast::journal::chain::read(&bytes).unwrap().entries;
    assert!(fold::ended(&all) && fold::outstanding(&all).is_empty());
    let decided = |it: &Entry| {
        matches!(&it.fact, Fact::Course(Course::Decided { outcome: Outcome::Abort, .. }))
    };
    assert!(all.iter().any(decided), "the answer is written down");
    assert!(all.iter().any(|it| matches!(it.fact, Fact::Undone { .. })), "and going back");
    let folder = kept.display().to_string();
    let verified = ground.run(&["verify", &folder]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
}
