//! What a resumed drill must not do or count a second time.

use std::{fs, process::Child};

use holdfast::{
    evidence::{approval::NAMESPACE, fold as evidence},
    journal::{
        chain,
        course::Course,
        entry::{Entry, Fact},
    },
};
use rustix::process::Signal;

use super::{PATIENCE, answered, asked, courses, decide, play, so_far};
use crate::{
    beside::tool,
    consent::Person,
    ground::{Ground, quiet, send, state, wait, within},
};

fn resume(ground: &Ground) -> Child {
    quiet(&mut ground.holdfast(&["drill", "resume", &so_far(ground).0])).spawn().unwrap()
}

/// Waits until its question was asked so many times, by one runner after the other.
fn asked_times(ground: &Ground, times: usize) {
    let count = || courses(ground).iter().filter(|it| matches!(it, Course::Asked(_))).count();
    assert!(within(PATIENCE, || count() >= times), "asked {} times, not {times}", count());
}

#[test]
fn an_approval_that_a_drill_was_started_with_is_one_however_often_it_is_resumed() {
    let Some(keygen) = tool("ssh-keygen", "openssh-client") else { return };
    let ground = Ground::new(0);
    let [alice, bob] = ["alice", "bob"].map(|it| Person::new(&keygen, ground.path(), it));
    fs::create_dir_all(ground.state()).unwrap();
    let listed = [alice.rule(), bob.rule()].concat();
    let rules = format!("environment: sandbox\napprovers:\n{listed}");
    fs::write(ground.state().join("host.yml"), rules).unwrap();
    let text = "title: two must approve\nexercise: { type: walkthrough }\n\
        objectives: { rto: 1h, lost_writes: 0 }\nphases:\n  - phase: approve\n    steps:\n      \
        - approval: { persons: 2, timeout: 10m }\n        name: approval\n";
    let file = ground.file("approval.yaml", text).display().to_string();
    let dry = ground.run(&["drill", "run", "--dry-run", &file]);
    let line = dry.out.lines().find_map(|it| it.strip_prefix("plan: ")).unwrap();
    let line = format!("{line}\n");
    let sign = |who: &Person<'_>, name: &str| {
        who.sign(&keygen, (&line, NAMESPACE), &ground.path().join(name))
    };
    let mut runner = play(&ground, &["--approve", &sign(&alice, "alice.sig"), &file]);
    for times in 1..4 {
        asked_times(&ground, times);
        let decided = courses(&ground).iter().any(|it| matches!(it, Course::Decided { .. }));
        assert!(!decided, "one person is not two: {:?}", courses(&ground));
        send(runner.id(), Signal::KILL);
        wait(&mut runner, PATIENCE);
        assert!(within(PATIENCE, || ground.helpers().is_empty()), "the guardian went home");
        runner = resume(&ground);
    }
    asked_times(&ground, 4);
    let run = so_far(&ground).0;
    let done = ground.run(&["drill", "approve", &run, "--signature", &sign(&bob, "bob.sig")]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    wait(&mut runner, PATIENCE);
    let by: Vec<String> = answered(&ground).into_iter().map(|it| it.by).collect();
    assert_eq!(by, ["alice", "bob"]);
    ground.assert_settled("approved by two");
}

/// Ends a runner and its guardian, so that nobody writes anything more down.
fn both_killed(ground: &Ground, runner: &mut Child) {
    let guardian = ground.guardian().unwrap();
    send(guardian, Signal::STOP);
    assert!(within(PATIENCE, || state(guardian) == Some('T')));
    send(runner.id(), Signal::KILL);
    send(guardian, Signal::KILL);
    wait(runner, PATIENCE);
    assert!(within(PATIENCE, || ground.helpers().is_empty()));
}

fn writes(entry: &Entry) -> bool {
    matches!(entry.fact, Fact::Writes { .. })
}

#[test]
fn what_the_witness_wrote_before_anybody_wrote_that_down_is_not_written_again() {
    let ground = Ground::new(0);
    fs::create_dir(ground.path().join("kept")).unwrap();
    let text = "title: t\nobjectives: { rto: 1h, lost_writes: 0 }\n\
        witness: { directory: { path: GROUND/kept } }\nphases:\n  - phase: load\n    steps:\n      \
        - witness: start\n      \
        - gate: { question: on?, timeout: 10m, on_timeout: abort }\n        \
        name: go on\n      - witness: read_back\n";
    let file = ground.file("t.yaml", text).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.2");
    assert!(within(PATIENCE, || so_far(&ground).1.iter().any(writes)), "the witness writes");
    both_killed(&ground, &mut runner);
    // As if both had died in the moment before the first rows were written down.
    let (run, entries) = so_far(&ground);
    let journal = ground.state().join("runs").join(&run).join("journal.jsonl");
    let bytes = fs::read(&journal).unwrap();
    let lines = entries.iter().position(writes).unwrap();
    let whole = bytes.split_inclusive(|it| *it == b'\n').take(lines);
    let whole: usize = whole.map(<[u8]>::len).sum();
    assert_eq!(chain::read(&bytes[..whole]).unwrap().entries.len(), lines);
    fs::write(&journal, &bytes[..whole]).unwrap();
    let mut runner = resume(&ground);
    asked(&ground, "1.2");
    assert!(within(PATIENCE, || so_far(&ground).1.iter().any(writes)), "it goes on to write");
    assert_eq!(decide(&ground, &["go on", "go"]).code, Some(0));
    wait(&mut runner, PATIENCE);
    let (_, entries) = so_far(&ground);
    let skipped = courses(&ground).into_iter().find_map(|it| match it {
        Course::Resumed(it) => it.unwritten,
        _ => None,
    });
    let (from, to) = skipped.expect("numbers are left out");
    assert_eq!(from, 0);
    let seen = evidence::fold(&entries).drill.unwrap();
    let first = seen.attempts.iter().map(|it| it.seq).min().unwrap();
    assert!(to > 0 && first == to, "{first} follows {to}");
    let classes = seen.rpo.classes;
    assert_eq!((classes.unexpected, classes.duplicated, classes.lost), (0, 0, 0), "{classes:?}");
    ground.assert_settled("gone on");
}
