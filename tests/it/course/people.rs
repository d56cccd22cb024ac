//! Real people: other users of the machine, whom the kernel names, and one at the terminal.

use std::{
    fs::Permissions,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
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
    ground::{Done, Ground, within},
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
    std::fs::set_permissions(ground.path(), Permissions::from_mode(0o755)).unwrap();
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

#[test]
fn a_gate_is_answered_by_who_sits_at_the_terminal() {
    let Ok(at) = Command::new("script").arg("--version").output() else {
        return skipped("there is no script(1) to give a run a terminal");
    };
    assert!(at.status.success());
    let ground = Ground::new(0);
    let me = facts::operator();
    let settings = format!("who: [{me}], timeout: 2m, on_timeout: fail");
    let file = ground.file("gate.yaml", &gate(&settings));
    let run = ground.holdfast(&["drill", "run", &file.display().to_string()]);
    let line: Vec<String> = std::iter::once(run.get_program())
        .chain(run.get_args())
        .map(|it| format!("'{}'", it.to_string_lossy()))
        .collect();
    // script(1) gives its command a controlling terminal, which one without a session of its own is
    // not: a run in the background must not read what is typed.
    let mut seat = Command::new("script");
    seat.args(["-qec", &line.join(" "), "/dev/null"]).current_dir(ground.path());
    seat.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut seat = seat.spawn().unwrap();
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
