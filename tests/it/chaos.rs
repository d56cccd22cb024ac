//! What the command line does with scenarios, good and bad, and whether faults do what they say.

mod conditions;
mod files;
mod groups;
mod late;
mod load;
mod measured;
mod order;
mod released;
mod residue;
mod secrets;
mod tolerances;
mod unprivileged;
mod version_2;
pub(crate) mod web;

use std::{fmt::Write as _, fs, os::unix::process::ExitStatusExt as _};

use holdfast::{journal::entry::Fact, registry, verdict::Verdict};
use rustix::process::Signal;

use files::{BAD, REFUSED};

use super::{
    crash::PATIENCE,
    golden,
    ground::{Ground, args, processes, send, state, told, wait, within},
};

const PAUSE: &str = "title: a pause\nbaseline: 50ms\nsettle: 1s\nmethod:\n  \
    - process_pause: { target: { cmdline: 'sleep TAG', max_targets: 2 }, by: signal }\n    \
    for: 200ms\n";

/// A hypothesis about the victims, and a fault beside it.
fn scenario(expect: &str, fault: &str) -> String {
    format!(
        "title: a scenario\nbaseline: 50ms\nsettle: 1s\nhypothesis:\n  - name: the victims run\n    \
         process: {{ target: {{ cmdline: 'sleep TAG' }} }}\n    expect: {expect}\n    every: 10ms\n\
         method:\n  - {fault}\n    for: 200ms\n"
    )
}

#[test]
fn every_bad_file_is_told_at_its_place_with_a_way_out() {
    let ground = Ground::new(2);
    let mut text = String::new();
    for (name, bad) in BAD {
        let path = ground.file(name, bad).display().to_string();
        for words in [&["chaos", "run", &path][..], &["check", &path]] {
            let done = ground.run(words);
            assert_eq!(done.code, Some(2), "{name}: {done:?}");
            let place = done.err.split(name).nth(1).unwrap_or_default();
            let mut numbers = place.split(':').skip(1);
            let number = |it: Option<&str>| {
                it.is_some_and(|it| it.trim().chars().next().is_some_and(|c| c.is_ascii_digit()))
            };
            assert!(number(numbers.next()) && number(numbers.next()), "{name}: {done:?}");
            let way_out = ["help", "write ", "use `"].iter().any(|it| done.err.contains(it));
            assert!(way_out, "{name}: a way out: {done:?}");
            if words[0] == "chaos" {
                text += &told(&ground, &words.join(" "), &done);
            }
        }
    }
    let missing = ground.run(&["chaos", "run", "missing.yaml"]);
    text += &told(&ground, "chaos run missing.yaml", &missing);
    assert_eq!(missing.code, Some(2));
    golden::same_as("chaos/bad_files.txt", &text);
    assert!(!ground.state().exists(), "nothing was begun");
}

#[test]
fn what_the_world_is_not_ready_for_is_refused_and_nothing_is_touched() {
    let ground = Ground::new(2);
    ground.file("init.pid", "1\n");
    ground.file("words.pid", "one\n");
    let mut text = String::new();
    for (name, refused) in REFUSED {
        let path = ground.file(name, refused).display().to_string();
        let done = ground.run(&["chaos", "run", &path]);
        assert_eq!(done.code, Some(3), "{name}: {done:?}");
        assert!(ground.journals().is_empty() && ground.is_healed(), "{name}: {done:?}");
        let dry = ground.run(&["chaos", "run", "--dry-run", &path]);
        assert_eq!(dry.code, Some(3), "{name}: {dry:?}");
        text += &told(&ground, &format!("chaos run {path}"), &done);
    }
    let init = fs::read_to_string("/proc/1/comm").expect("process 1");
    let text = text.replace(&format!("({})", init.trim()), "(INIT)");
    golden::same_as("chaos/refused.txt", &text);
}

#[test]
fn this_program_and_its_parents_are_nobody_s_targets() {
    let ground = Ground::new(0);
    // A pid file may name any process: here it is this test, which is the runner's parent.
    ground.file("own.pid", &std::process::id().to_string());
    let text = "title: x\nmethod:\n  - process_kill: { target: { pid_file: GROUND/own.pid } }\n    for: 1s\n";
    let path = ground.file("own.yaml", text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("is protected"), "{done:?}");
}

#[test]
fn a_run_s_own_helpers_are_nobody_s_targets() {
    let mut ground = Ground::new(0);
    // The state folder's path stands on the guardian's command line, too, once there is one.
    let script = format!("exec -a 'victim of {}' sleep {}", ground.path().display(), ground.tag());
    let victim = ground.victim("bash", &["-c", &script]);
    assert!(within(PATIENCE, || args(victim).first().is_some_and(|it| it.starts_with("victim"))));
    let text =
        "title: x\nmethod:\n  - process_pause: { target: { cmdline: GROUND } }\n    for: 200ms\n";
    let path = ground.file("x.yaml", text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
    assert!(done.err.contains("1 of 1 stopped"), "{done:?}");
}

#[test]
fn a_drill_is_not_played_as_a_scenario() {
    let ground = Ground::new(0);
    let text = "title: x\nobjectives: { rto: 1s, lost_writes: 0 }\nwitness:\n  \
        write: { url: 'http://127.0.0.1:1/', body: '{id}' }\n  \
        read: { url: 'http://127.0.0.1:1/{id}', contains: x }\n\
        phases:\n  - phase: all\n    steps:\n      - witness: start\n      - witness: read_back\n";
    let path = ground.file("drill.yaml", text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.err.contains("holdfast drill run"), "{done:?}");
    let path = ground.file("scenario.yaml", PAUSE).display().to_string();
    let done = ground.run(&["drill", "run", &path]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.err.contains("holdfast chaos run"), "{done:?}");
    assert!(!ground.state().exists());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_touches_nothing() {
    let ground = Ground::new(2);
    let path = ground.file("pause.yaml", PAUSE).display().to_string();
    let before: Vec<_> =
        ground.pids().into_iter().map(|it| (args(it), state(it) == Some('T'))).collect();
    let done = ground.run(&["chaos", "run", "--dry-run", &path]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for pid in ground.pids() {
        assert!(done.out.contains(&format!("by hand: kill -CONT {pid}")), "{done:?}");
    }
    let after: Vec<_> =
        ground.pids().into_iter().map(|it| (args(it), state(it) == Some('T'))).collect();
    assert_eq!(before, after);
    assert!(!ground.state().exists(), "no state folder is made");
}

#[test]
fn the_same_seed_gives_the_same_order_of_facts() {
    let order = |seed: &str| {
        let ground = Ground::new(2);
        let path = ground.file("pause.yaml", PAUSE).display().to_string();
        let done = ground.run(&["chaos", "run", "--seed", seed, &path]);
        assert!(done.err.contains(&format!("seed {seed}")), "{done:?}");
        let lines = ground.journal().1;
        let name = |it: &Fact| format!("{it:?}").split([' ', '(']).next().map(str::to_owned);
        let lasting = |it: &&Fact| !matches!(it, Fact::Looks { .. } | Fact::Sampled(_));
        lines.entries.iter().map(|it| &it.fact).filter(lasting).map(name).collect::<Vec<_>>()
    };
    assert_eq!(order("7"), order("7"));
}

#[test]
fn what_does_not_hold_before_is_not_disturbed() {
    let ground = Ground::new(1);
    let fault = "process_pause: { target: { cmdline: 'sleep TAG' } }";
    let path = ground.file("x.yaml", &scenario("{ count: 2 }", fault)).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("count is 1, not 2"), "{done:?}");
    assert!(!ground.has(|it| matches!(it, Fact::Intent(_))), "nothing was begun");
    ground.assert_settled("a baseline that does not hold");
}

#[test]
fn what_breaks_during_the_fault_is_a_failure_and_what_holds_a_pass() {
    let fault = "process_pause: { target: { cmdline: 'sleep TAG' } }";
    for (expect, code) in [("{ stopped: 0 }", 1), ("{ count: 1 }", 0)] {
        let ground = Ground::new(1);
        let path = ground.file("x.yaml", &scenario(expect, fault)).display().to_string();
        let done = ground.run(&["chaos", "run", &path]);
        assert_eq!(done.code, Some(code), "{expect}: {done:?}");
        ground.assert_settled(expect);
    }
}

#[test]
fn a_fault_that_is_not_seen_to_act_proves_nothing() {
    let mut ground = Ground::new(0);
    // A process that takes no notice of TERM, and starts none that would look like it: what is
    // ignored stays so when it becomes another program.
    let deaf = format!("trap '' TERM; exec sleep {}", ground.tag());
    let deaf = ground.victim("bash", &["-c", &deaf]);
    let ignores = || {
        let status = fs::read_to_string(format!("/proc/{deaf}/status")).unwrap_or_default();
        let ignored = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
        ignored.is_some_and(|it| it & (1 << 14) != 0)
    };
    let sleeps = || args(deaf).first().is_some_and(|it| it == "sleep");
    assert!(within(PATIENCE, || sleeps() && ignores()), "it does not hear TERM");
    let fault = "process_kill: { target: { cmdline: 'sleep TAG' }, signal: TERM }";
    let text = scenario("{ count: 0 }", fault).replacen("sleep TAG", "no such TAG", 1);
    let path = ground.file("x.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(ground.has(|it| matches!(it, Fact::Effect { seen: Verdict::Fail, .. })));
    ground.assert_settled("not seen to act");
}

#[test]
fn a_kill_is_sent_with_the_signal_that_is_named() {
    for (name, signal) in [("KILL", 9), ("TERM", 15), ("INT", 2)] {
        let mut ground = Ground::new(0);
        let tag = ground.tag().to_owned();
        let victim = ground.victim("sleep", &[&tag]);
        assert!(within(PATIENCE, || args(victim).first().is_some_and(|it| it == "sleep")));
        let text = format!(
            "title: x\nmethod:\n  - process_kill: {{ target: {{ cmdline: 'sleep TAG' }}, signal: {name} }}\n    for: 50ms\n"
        );
        let path = ground.file("x.yaml", &text).display().to_string();
        let done = ground.run(&["chaos", "run", &path]);
        let ended = ground.end_of_victim();
        assert_eq!(ended.signal(), Some(signal), "{done:?}");
        assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
        ground.assert_settled(name);
    }
}

fn rustix_ticks() -> f64 {
    u32::try_from(rustix::param::clock_ticks_per_second()).map_or(100.0, f64::from)
}

#[test]
fn a_pause_stops_its_targets_and_nobody_else() {
    let (ground, other) = (Ground::new(2), Ground::new(1));
    let file = ground.file("pause.yaml", &PAUSE.replace("200ms", "1m"));
    let mut runner = ground.play(&file);
    assert!(within(PATIENCE, || ground.stopped() == [true, true]));
    let mine = ground.pids();
    let stopped: Vec<u32> =
        processes().into_iter().filter(|it| mine.contains(it) && state(*it) == Some('T')).collect();
    assert_eq!(stopped.len(), 2);
    assert_eq!(other.stopped(), [false]);
    send(runner.id(), Signal::INT);
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    ground.assert_settled("paused");
}

#[test]
fn a_run_ends_by_its_max() {
    let ground = Ground::new(1);
    let text = PAUSE.replace("200ms", "5m").replace("baseline", "max: 300ms\nbaseline");
    let path = ground.file("x.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(done.err.contains("`max` of 300ms"), "{done:?}");
    ground.assert_settled("out of time");
}

#[test]
fn of_several_files_all_are_read_before_the_first_is_played() {
    let ground = Ground::new(2);
    let good = ground.file("good.yaml", PAUSE).display().to_string();
    let bad = ground.file("bad.yaml", "title: x\n").display().to_string();
    let done = ground.run(&["chaos", "run", &good, &bad]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(!ground.state().exists(), "nothing was played");
}

#[test]
fn a_recovery_with_nothing_to_do_says_so() {
    let ground = Ground::new(0);
    let done = ground.run(&["recover"]);
    assert_eq!((done.code, done.out.trim()), (Some(0), "nothing was left to take down"));
}

#[test]
fn every_kind_explains_itself() {
    let ground = Ground::new(0);
    let all = ground.run(&["explain"]);
    assert_eq!(all.code, Some(0));
    let abouts = registry::actions().into_iter().map(|it| it.about);
    for about in abouts.chain(registry::probes().into_iter().map(|it| it.about)) {
        let done = ground.run(&["explain", about.name]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.out.contains(about.summary) && done.out.contains("example:"), "{done:?}");
        assert!(all.out.contains(about.summary), "{}", about.name);
    }
    let done = ground.run(&["explain", "process_pauze"]);
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("help: "), "{done:?}");
}

#[test]
fn no_escape_codes_without_a_terminal_and_every_help_renders() {
    let ground = Ground::new(2);
    let path = ground.file("pause.yaml", PAUSE).display().to_string();
    let bad = ground.file("bad.yaml", "titel: x\n").display().to_string();
    let top = ground.run(&["--help"]);
    let mut all = vec![
        vec!["chaos", "run", &path],
        vec!["check", &bad],
        vec!["--help"],
        vec!["--version"],
        vec!["no_such_command"],
    ];
    let lines = top.out.lines().skip_while(|it| !it.starts_with("Commands:")).skip(1);
    let names: Vec<&str> = lines
        .take_while(|it| it.starts_with("  "))
        .filter_map(|it| {
            it.strip_prefix("  ")?.split(' ').next().filter(|it| !it.is_empty() && *it != "help")
        })
        .collect();
    assert!(names.len() >= 7, "{}", top.out);
    all.extend(names.iter().map(|it| vec![*it, "--help"]));
    let mut text = String::new();
    for words in all {
        let done = ground.run(&words);
        let help = words.contains(&"--help");
        assert!(!help || done.code == Some(0) && done.out.contains("Usage:"), "{done:?}");
        write!(text, "{}{}", done.out, done.err).expect("a String takes it");
    }
    assert!(!text.contains('\u{1b}'), "escape codes");
}

#[test]
fn a_step_with_a_length_is_put_back_when_it_is_over_and_one_without_stays() {
    let ground = Ground::new(0);
    let text = "title: x\nobjectives: { rto: 1s, lost_writes: 0 }\nwitness:\n  \
        write: { url: 'http://127.0.0.1:1/', body: '{id}' }\n  \
        read: { url: 'http://127.0.0.1:1/{id}', contains: x }\n\
        phases:\n  - phase: all\n    steps:\n      - witness: start\n      \
        - fence: { token: GROUND/short, epoch: 2 }\n        for: 50ms\n      \
        - fence: { token: GROUND/long, epoch: 2 }\n      \
        - pause: 300ms\n      - witness: read_back\n";
    let path = ground.file("drill.yaml", text).display().to_string();
    let done = ground.run(&["drill", "run", &path]);
    assert!(!ground.path().join("short").exists(), "its length was over: {done:?}");
    assert!(ground.has(|it| matches!(it, Fact::Undone { act: 1, .. })), "{done:?}");
    assert_eq!(fs::read_to_string(ground.path().join("long")).ok().as_deref(), Some("2"));
    assert!(ground.has(|it| matches!(it, Fact::Kept { act: 2 })), "{done:?}");
    ground.assert_settled("a step with a length");
}
