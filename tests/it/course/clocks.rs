//! A drill that is resumed on clocks that went on without it: a machine that slept, one that was
//! restarted, and a service that is down when its witness comes back.
use std::{
    fs,
    process::{Child, Command, Stdio},
};

use holdfast::{
    evidence::{fold as evidence, fold::Evidence, say::Answer},
    journal::{
        course::Course,
        entry::{Entry, Fact, Outcome},
        fold,
    },
};
use rustix::process::Signal;

use super::{PATIENCE, asked, decide, play, so_far};
use crate::{
    beside::skipped,
    ground::{Ground, quiet, send, wait, within},
};

/// A witness in a folder, a disaster of which somebody is to tell, and a question after it.
pub(super) const DRILL: &str = "title: t\nobjectives: { rto: 1m, lost_writes: 0 }\n\
    witness: { directory: { path: GROUND/ledger }, every: 20ms }\nphases:\n  \
    - phase: load\n    steps:\n      - witness: start\n      - pause: 200ms\n  \
    - phase: fault\n    steps:\n      \
    - exec: { run: [mv, GROUND/ledger, GROUND/away], undo: ['true'] }\n        for: 10m\n        \
    name: take the folder away\n  - phase: declare\n    steps:\n      \
    - gate: { question: on?, timeout: 10m, on_timeout: abort }\n        name: go on\n  \
    - phase: switch\n    steps:\n      - command: { run: [mv, GROUND/away, GROUND/ledger] }\n  \
    - phase: verify\n    steps:\n      - pause: 300ms\n      - witness: read_back\n";

pub(super) fn rows(entries: &[Entry], is: impl Fn(Outcome) -> bool) -> usize {
    let rows = entries.iter().filter_map(|it| match &it.fact {
        Fact::Writes { rows } => Some(rows),
        _ => None,
    });
    rows.flatten().filter(|it| is(it.3)).count()
}

/// Plays it until people are asked and writes fail, and kills the runner.
fn cut_off(ground: &Ground) -> String {
    fs::create_dir(ground.path().join("ledger")).unwrap();
    let file = ground.file("t.yaml", DRILL).display().to_string();
    let mut runner = play(ground, &[&file]);
    asked(ground, "3.1");
    let failed = || rows(&so_far(ground).1, |it| it != Outcome::Acked) > 3;
    assert!(within(PATIENCE, failed), "writes fail");
    send(runner.id(), Signal::KILL);
    wait(&mut runner, PATIENCE);
    assert!(within(PATIENCE, || fold::suspended(&so_far(ground).1)), "it waits");
    so_far(ground).0
}

/// Goes on within `around`, decides, and tells what came of it.
fn go_on(ground: &Ground, run: &str, around: Option<&[&str]>) -> Evidence {
    let resume = ground.holdfast(&["drill", "resume", run]);
    let mut command = match around {
        None => resume,
        Some(words) => {
            let mut it = Command::new("unshare");
            it.args(words).arg(resume.get_program()).args(resume.get_args());
            it.current_dir(ground.path());
            it
        }
    };
    let mut runner: Child = quiet(&mut command).spawn().unwrap();
    let resumed = |it: &Entry| matches!(it.fact, Fact::Course(Course::Resumed(_)));
    assert!(within(PATIENCE, || so_far(ground).1.iter().any(resumed)), "it goes on");
    // What the witness meets while the service is still down is seen to fail.
    let since = |all: &[Entry]| all.iter().position(resumed).unwrap_or(all.len());
    let fails = || {
        let all = so_far(ground).1;
        rows(all.get(since(&all)..).unwrap_or_default(), |it| it != Outcome::Acked) > 3
    };
    assert!(within(PATIENCE, fails), "the witness is back before its service");
    assert!(within(PATIENCE, || decide(ground, &["go on", "go"]).code == Some(0)));
    wait(&mut runner, PATIENCE);
    ground.assert_settled("resumed");
    evidence::fold(&so_far(ground).1)
}

/// Whether such namespaces are allowed here.
fn allowed(words: &[&str]) -> bool {
    let tried = Command::new("unshare").args(words).arg("true").stderr(Stdio::null()).status();
    let is = tried.is_ok_and(|it| it.success());
    if !is {
        skipped("this machine allows no namespaces of clocks");
    }
    is
}

#[test]
fn a_witness_that_comes_back_while_its_service_is_down_sees_it_return() {
    let ground = Ground::new(0);
    let run = cut_off(&ground);
    let seen = go_on(&ground, &run, None);
    let drill = seen.drill.unwrap();
    let gap = i64::try_from(seen.course.unwrap().resumed[0].gap_us).unwrap();
    let (lower, upper) = (drill.rto.lower_us.unwrap(), drill.rto.upper_us.unwrap());
    assert!(gap < lower && lower < upper, "{gap} {:?}", drill.rto);
    assert_eq!(drill.rto.answer, Answer::Pass, "{}", drill.rto.why);
    assert_eq!(drill.rpo.classes.lost, 0);
}

#[test]
fn a_machine_that_slept_before_the_run_was_resumed_is_noticed() {
    let around = ["--time", "--boottime", "90", "--fork", "--"];
    if !allowed(&around) {
        return;
    }
    let ground = Ground::new(0);
    let run = cut_off(&ground);
    let seen = go_on(&ground, &run, Some(&around));
    // The clocks are read one after the other.
    assert!((89_500_000..90_500_000).contains(&seen.clocks.slept_us), "{:?}", seen.clocks);
    assert!(seen.why.iter().any(|it| it.starts_with("the machine slept for 90")), "{:?}", seen.why);
    assert!(seen.verdict >= holdfast::verdict::Verdict::Inconclusive);
    let gap = seen.course.unwrap().resumed[0].gap_us;
    assert!(gap >= 90_000_000, "sleep is a part of the time in which nobody played: {gap}");
    let told = ground.run(&["report", &run, "--format", "markdown"]);
    assert!(told.out.contains("The machine slept for 90"), "{}", told.out);
}

#[test]
fn a_machine_that_was_restarted_before_the_run_was_resumed_leaves_wider_bounds() {
    // Another boot by its name, whose steady clocks began anew an hour ago or so.
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let back = format!("-{:.0}", uptime / 2.0);
    let ground = Ground::new(0);
    let boot = ground.file("boot", "00000000-1111-2222-3333-444444444444\n");
    let mount = format!(
        "mount --bind {} /proc/sys/kernel/random/boot_id && exec \"$0\" \"$@\"",
        boot.display()
    );
    let around = [
        "--mount",
        "--time",
        "--boottime",
        &back,
        "--monotonic",
        &back,
        "--fork",
        "--",
        "sh",
        "-c",
        &mount,
    ];
    if !allowed(&around) {
        return;
    }
    let run = cut_off(&ground);
    let seen = go_on(&ground, &run, Some(&around));
    assert_eq!(seen.clocks.reboots, 1);
    let road = seen.course.as_ref().unwrap();
    assert!(road.resumed[0].restarted, "{:?}", road.resumed);
    let [restart] = &seen.timeline.restarts[..] else { panic!("{:?}", seen.timeline.restarts) };
    let rto = &seen.drill.as_ref().unwrap().rto;
    let lower = rto.lower_us.unwrap();
    let told = ground.run(&["report", &run, "--format", "markdown"]).out;
    if let Some(doubt) = restart.doubt_us {
        // This machine's clock follows a reference.
        let upper = rto.upper_us.unwrap();
        assert!(upper - lower > i64::try_from(doubt * 2).unwrap(), "{rto:?}");
        assert!(told.contains("wider, by as much as it may be wrong"), "{told}");
    } else {
        assert_eq!((rto.upper_us, rto.answer), (None, Answer::Inconclusive), "{}", rto.why);
        assert!(told.contains("followed no reference"), "{told}");
    }
    assert!(seen.timeline.moments.is_sorted_by_key(|it| it.at_us), "{:?}", seen.timeline.moments);
}
