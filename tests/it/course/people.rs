//! Real people: other users of the machine, whom the kernel names, and one at the terminal.

use std::{
    fs::{self, Permissions},
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Stdio},
};

use holdfast::{
    journal::{
        course::{Course, Outcome, Voice},
        entry::Fact,
    },
    world::linux::facts,
};

use super::{PATIENCE, answered, asked, courses, play, so_far};
use crate::{
    beside::skipped,
    ground::{self, Done, Ground, args, processes, ticks_of, within},
};

/// Users that every Linux machine has (LSB core, 21.2), and that nobody logs in as.
const DAEMON: u32 = 1;
const BIN: u32 = 2;
const NOBODY: u32 = 65_534;

/// A real exercise with a gate: who types for others is one person here.
fn gate(settings: &str) -> String {
    format!(
        "title: one question\nexercise: {{ type: partial_switch }}\n\
         objectives: {{ rto: 1h, lost_writes: 0 }}\nwitness: {{ directory: {{ path: GROUND }} }}\n\
         phases:\n  - phase: declare\n    steps:\n      \
         - gate: {{ question: on?, {settings} }}\n        name: go on\n  \
         - phase: load\n    steps: [{{ witness: start }}, {{ witness: read_back }}]\n"
    )
}

/// `drill decide`, typed by another user.
fn decide_as(ground: &Ground, user: u32, words: &[&str]) -> Done {
    let (run, _) = so_far(ground);
    let mut command = ground.holdfast(&[&["drill", "decide", &run], words].concat());
    command.uid(user).gid(user).current_dir("/").output().unwrap().into()
}

#[test]
fn two_users_of_the_machine_decide_and_whoever_else_tries_is_turned_away() {
    if !rustix::process::geteuid().is_root() {
        return skipped("other users are tried as root");
    }
    let ground = Ground::new(0);
    fs::set_permissions(ground.path(), Permissions::from_mode(0o755)).unwrap();
    let (first, second) = (facts::user(DAEMON), facts::user(BIN));
    let who = format!("who: [{first}, {second}], persons: 2, timeout: 2m, on_timeout: fail");
    let file = ground.file("gate.yaml", &gate(&who)).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.1");

    let stranger = decide_as(&ground, NOBODY, &["1.1", "go"]);
    let why = format!("{}{}", stranger.out, stranger.err);
    assert_ne!(stranger.code, Some(0), "{why}");
    assert!(why.contains("may not answer"), "{why}");
    // Root plays the run, and is not on the list either.
    let own = ground.run(&["drill", "decide", "latest", "1.1", "go"]);
    assert_ne!(own.code, Some(0), "{}{}", own.out, own.err);

    let one = decide_as(&ground, DAEMON, &["1.1", "go", "--note", "the link is down"]);
    assert_eq!(one.code, Some(0), "{}{}", one.out, one.err);
    assert!(one.out.contains("1 more must answer"), "{}", one.out);
    let twice = decide_as(&ground, DAEMON, &["1.1", "go", "--for", &second]);
    assert_ne!(twice.code, Some(0), "nobody is two: {}{}", twice.out, twice.err);
    assert_eq!(answered(&ground).len(), 1);

    let other = decide_as(&ground, BIN, &["go on", "go"]);
    assert_eq!(other.code, Some(0), "{}{}", other.out, other.err);
    assert!(within(PATIENCE, || runner.try_wait().unwrap().is_some()), "the run goes on and ends");
    let by: Vec<(String, Voice)> =
        answered(&ground).into_iter().map(|it| (it.by, it.voice)).collect();
    assert_eq!(by, [(first, Voice::Command), (second, Voice::Command)]);
    let turned =
        courses(&ground).into_iter().filter(|it| matches!(it, Course::TurnedAway { .. })).count();
    assert_eq!(turned, 3, "the journal keeps who was turned away");
    let went = |it: &Course| matches!(it, Course::Decided { outcome: Outcome::Go, .. });
    assert!(courses(&ground).iter().any(went));
    ground.assert_settled("two users");
}

/// The command that plays a drill, as a shell takes it.
fn line(ground: &Ground, file: &Path) -> String {
    let run = ground.holdfast(&["drill", "run", &file.display().to_string()]);
    let words = std::iter::once(run.get_program()).chain(run.get_args());
    let words: Vec<String> = words.map(|it| format!("'{}'", it.to_string_lossy())).collect();
    words.join(" ")
}

/// A terminal at which a command runs. script(1) gives it a controlling terminal, which one without
/// a session of its own is not: a run in the background must not read what is typed.
fn seat(ground: &Ground, command: &str) -> Command {
    let mut seat = Command::new("script");
    seat.args(["-qec", command, "/dev/null"]).current_dir(ground.path());
    seat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    seat
}

fn has_script() -> bool {
    let at = Command::new("script").arg("--version").output();
    if at.is_err() {
        skipped("there is no script(1) to give a run a terminal");
    }
    at.is_ok_and(|it| it.status.success())
}

#[test]
fn a_gate_is_answered_by_who_sits_at_the_terminal() {
    if !has_script() {
        return;
    }
    let ground = Ground::new(0);
    let me = facts::operator();
    let settings = format!("who: [{me}], timeout: 2m, on_timeout: fail");
    let file = ground.file("gate.yaml", &gate(&settings));
    let mut seat = seat(&ground, &line(&ground, &file)).spawn().unwrap();
    asked(&ground, "1.1");
    let keys = seat.stdin.as_mut().unwrap();
    keys.write_all(b"perhaps\n").unwrap();
    keys.write_all(b"go the provider gives no time\n").unwrap();
    let done: Done = seat.wait_with_output().unwrap().into();
    assert!(done.out.contains("type go, no-go"), "what is no answer is told so: {}", done.out);
    let all = answered(&ground);
    let all: Vec<(&str, &str, Voice)> =
        all.iter().map(|it| (it.by.as_str(), it.note.as_str(), it.voice)).collect();
    assert_eq!(all, [(me.as_str(), "the provider gives no time", Voice::Terminal)]);
    let ended = so_far(&ground).1.into_iter().any(|it| matches!(it.fact, Fact::Ended { .. }));
    assert!(ended, "{}", done.out);
    ground.assert_settled("at the terminal");
}

/// Processor time, in clock ticks, of the thread of a process that listens to its terminal.
fn listening(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let named = |it: &fs::DirEntry| {
        fs::read_to_string(it.path().join("comm")).is_ok_and(|it| it.trim() == "terminal")
    };
    tasks.filter(named).map(|it| ticks_of(&it.path())).sum()
}

#[test]
fn a_run_in_a_shell_s_background_leaves_what_is_typed_alone_and_does_not_spin_over_it() {
    if !has_script() {
        return;
    }
    let ground = Ground::new(0);
    let file = ground.file("gate.yaml", &gate("timeout: 3s, on_timeout: fail"));
    let command = format!("exec bash -c \"set -m; {} & wait\"", line(&ground, &file));
    let mut seat = seat(&ground, &command).spawn().unwrap();
    asked(&ground, "1.1");
    let state = ground.state().display().to_string();
    let plays = |it: &u32| {
        let args = args(*it);
        args.first().is_some_and(|it| it.ends_with("/holdfast")) && args.contains(&state)
    };
    let runner = processes().into_iter().find(plays).expect("it is being played");
    seat.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let (mut used, mut stops) = (0, false);
    let decided = || courses(&ground).iter().any(|it| matches!(it, Course::Decided { .. }));
    assert!(within(PATIENCE, || {
        used = used.max(listening(runner));
        stops |= ground::state(runner) == Some('T');
        decided()
    }));
    assert!(!stops, "whoever reads in the background is stopped");
    // In three seconds it looks fifteen times, and a look is nothing; who spins takes what he can
    // get.
    assert!(used <= 20, "the thread that listens used {used} ticks in three seconds");
    assert_eq!(answered(&ground), [], "it was typed for somebody else");
    seat.wait_with_output().unwrap();
    ground.assert_settled("in the background");
}
