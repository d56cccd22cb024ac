//! The residue check: a clean run proves that nothing is left, and what is left is found.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Child};

use holdfast::{
    journal::{
        census::Residue,
        entry::{Entry, Fact, Successor},
    },
    world::{
        linux::net::nft::Owned,
        net::{Direction, Exit, Harm, Packets, Table},
    },
};
use rustix::process::Signal;

use crate::{
    beside::skipped,
    crash::PATIENCE,
    ground::{Done, Ground, quiet, send, wait, within},
};

/// All kinds of traces: a process that stands, a limit, a group, a file, and a folder.
const CLEAN: &str = "\
title: every kind of trace
method:
  - process_pause: { target: { cmdline: 'sleep TAG', max_targets: 2 }, by: signal }
    for: 100ms
  - fd_limit: { target: { cmdline: 'sleep TAG', max_targets: 2 }, limit: 16 }
    for: 100ms
  - file_fault: { path: GROUND/limits.conf, fault: content, content: nothing }
    for: 100ms
  - disk_fill: { path: GROUND, size: 1MiB }
    for: 100ms
  - cpu_throttle: { target: { cmdline: 'sleep TAG', max_targets: 2 }, percent: 50 }
    for: 100ms
";

const PAUSE: &str = "process_pause: { target: { cmdline: 'sleep TAG' }, by: signal }";
const LIMIT: &str = "fd_limit: { target: { cmdline: 'sleep TAG' }, limit: 16 }";

/// `undo` is run last of all, after the undos of the faults beside it.
fn last(undo: &str, beside: &[&str]) -> String {
    let fault = |it: &&str| format!("\n      - {it}\n        for: 100ms");
    let beside: String = beside.iter().map(fault).collect();
    format!(
        "title: something happens at the very end\nmethod:\n  - parallel:\n      \
         - exec: {{ run: ['true'], undo: [sh, GROUND/{undo}] }}\n        for: 1500ms{beside}\n"
    )
}

pub(super) fn residue(entries: &[Entry]) -> Residue {
    let found = entries.iter().rev().find_map(|it| match &it.fact {
        Fact::Residue(it) => Some((**it).clone()),
        _ => None,
    });
    found.expect("somebody looked")
}

/// The table of an act of this run that there never was, held by this test.
fn table(run: &str) -> Option<Owned> {
    let packets = Packets { port: Some(1), ..Packets::default() };
    let (direction, exit, harm) = (Direction::In, Exit::Socket, Harm::Lose(1));
    let name = Table::name_of(&format!("{run}/77"));
    match Owned::stand(&Table { name, packets, direction, exit, harm, inlet: None }) {
        Ok(it) => Some(it),
        Err(why) => {
            skipped(&format!("no table of packet rules can be made here: {why}"));
            None
        }
    }
}

/// Plays it, and tells its run as soon as its first act is written down.
fn begun(ground: &Ground, text: &str) -> (Child, String) {
    let file = ground.file("residue.yaml", text).display().to_string();
    let runner = quiet(&mut ground.holdfast(&["chaos", "run", &file])).spawn().expect("it starts");
    assert!(within(PATIENCE, || ground.has(|it| matches!(it, Fact::Intent(_)))), "it begins");
    let run = ground.journal().0;
    (runner, run)
}

fn report(ground: &Ground, run: &str, name: &str) -> String {
    let path = ground.state().join("runs").join(run).join(name);
    fs::read_to_string(path).expect("a report")
}

#[test]
fn a_clean_run_proves_that_nothing_is_left_and_says_where_it_looked() {
    let ground = Ground::new(2);
    ground.file("limits.conf", "limit = 7\n");
    let file = ground.file("clean.yaml", CLEAN).display().to_string();
    let done = ground.run(&["chaos", "run", &file]);
    assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
    let (run, lines) = ground.journal();
    let place = |is: fn(&Fact) -> bool| lines.entries.iter().position(|it| is(&it.fact));
    let before = place(|it| matches!(it, Fact::Census(_))).expect("somebody looked before");
    assert!(before < place(|it| matches!(it, Fact::Intent(_))).expect("an act"));
    let undone = lines.entries.iter().rposition(|it| matches!(it.fact, Fact::Undone { .. }));
    assert!(place(|it| matches!(it, Fact::Residue(_))) > undone, "after the last undo");
    let found = residue(&lines.entries);
    assert_eq!(found.left, [], "{found:?}");
    let checked = found.checked.join(", ");
    for part in [
        "queues of network devices",
        "mounts",
        "control groups",
        "children of ours",
        "2 targets for standing still",
        "2 limits of descriptors",
        "1 named file",
        "1 folder for",
    ] {
        assert!(checked.contains(part), "{part}: {checked}");
    }
    assert!(done.err.contains("residue: none (checked: "), "{done:?}");
    for name in ["report.txt", "report.html", "report.md"] {
        assert!(report(&ground, &run, name).contains("residue: none (checked: "), "{name}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&report(&ground, &run, "report.json")).expect("JSON");
    assert_eq!(json["residue"]["checked"].as_array().map(Vec::len), Some(found.checked.len()));
}

#[test]
fn what_is_left_is_found_exits_five_and_is_healed_or_told_by_hand() {
    let ground = Ground::new(1);
    let victim = ground.pids()[0];
    // When all else has been undone, the target stands still and is short of descriptors again,
    // and there is a file that bears the run's name.
    ground.file(
        "plant",
        &format!(
            "run=$(ls GROUND/state/open)\nkill -STOP {victim}\n\
             prlimit --pid {victim} --nofile=16:\ntouch GROUND/.holdfast-$run-77.kept\n"
        ),
    );
    let beside = [PAUSE, LIMIT, "disk_fill: { path: GROUND, size: 1MiB }"];
    let (mut runner, run) = begun(&ground, &last("plant", &beside));
    let held = table(&run);
    assert_eq!(wait(&mut runner, PATIENCE), Some(5));
    let found = residue(&ground.journal().1.entries);
    let left: Vec<&str> = found.left.iter().map(|it| it.what.as_str()).collect();
    let has = |part: &str| left.iter().any(|it| it.contains(part));
    assert!(has(&format!("process {victim} is stopped, and was running")), "{left:?}");
    assert!(has(&format!("of descriptors of process {victim} is 16")), "{left:?}");
    assert!(has(&format!(".holdfast-{run}-77.kept")), "{left:?}");
    assert_eq!(has(&format!("inet holdfast-{run}-77")), held.is_some(), "{left:?}");
    assert_eq!(ground.open(), 1, "the run has not ended");
    let shown = ground.run(&["chaos", "status", &run]);
    assert!(shown.out.contains("stands: process pause"), "{shown:?}");

    // What acts of the run made is undone again; what nobody knows of is told by hand.
    let done = ground.run(&["recover"]);
    assert_eq!(done.code, Some(5), "{done:?}");
    assert!(ground.is_healed(), "its target goes on: {done:?}");
    let line = format!("rm -f '{}/.holdfast-{run}-77.kept'", ground.path().display());
    assert!(done.err.contains(&line), "{done:?}");
    assert!(done.err.contains("nft delete table") == held.is_some(), "{done:?}");

    drop(held);
    fs::remove_file(ground.path().join(format!(".holdfast-{run}-77.kept"))).expect("it is there");
    let done = ground.run(&["recover"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    ground.assert_settled("after it was taken away by hand");
    assert_eq!(residue(&ground.journal().1.entries).left, []);
    assert!(report(&ground, &run, "report.txt").contains("residue: none"), "the last look counts");
}

#[test]
fn a_group_that_bears_the_run_s_name_is_left_until_somebody_removes_it() {
    let ground = Ground::new(0);
    let root = Path::new("/sys/fs/cgroup/cpu");
    let root = if root.exists() { root } else { Path::new("/sys/fs/cgroup") };
    let tried = root.join(format!("tried-{}", ground.tag()));
    if fs::create_dir(&tried).is_err() {
        return skipped("no control group can be made here");
    }
    fs::remove_dir(&tried).expect("it is empty");
    ground.file(
        "plant",
        &format!("mkdir {}/holdfast-$(ls GROUND/state/open)-77-0\n", root.display()),
    );
    let (mut runner, run) = begun(&ground, &last("plant", &[]));
    assert_eq!(wait(&mut runner, PATIENCE), Some(5));
    let done = ground.run(&["recover"]);
    assert_eq!(done.code, Some(5), "{done:?}");
    let group = root.join(format!("holdfast-{run}-77-0"));
    assert!(done.err.contains(&format!("rmdir '{}'", group.display())), "{done:?}");
    fs::remove_dir(&group).expect("it is there");
    assert_eq!(ground.run(&["recover"]).code, Some(0));
}

#[test]
fn what_others_changed_is_told_and_left_alone() {
    let ground = Ground::new(1);
    let victim = ground.pids()[0];
    let path = ground.file("limits.conf", "limit = 7\n");
    ground.file(
        "change",
        &format!("echo 'limit = 8' > GROUND/limits.conf\nprlimit --pid {victim} --nofile=99:\n"),
    );
    let file = "file_fault: { path: GROUND/limits.conf, fault: permission, mode: '0400' }";
    let beside = [file, LIMIT];
    let file = ground.file("others.yaml", &last("change", &beside)).display().to_string();
    let done: Done = ground.run(&["chaos", "run", &file]);
    assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
    let (run, lines) = ground.journal();
    let found = residue(&lines.entries);
    assert_eq!(found.left, [], "none of it is ours");
    let told = |part: &str| found.others.iter().any(|it| it.contains(part));
    assert!(told(&format!("file {} was 10 bytes", path.display())), "{found:?}");
    assert!(told(&format!("process {victim} was")) && told("is 99"), "{found:?}");
    assert_eq!(fs::read_to_string(&path).expect("a file"), "limit = 8\n", "and it stays so");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o644);
    let text = report(&ground, &run, "report.txt");
    assert!(text.contains("changed by others, and left alone: "), "{text}");
    assert!(text.contains("not looked at: what “exec”"), "only its undo knows: {text}");
}

#[test]
fn a_guardian_looks_too_and_leaves_open_what_is_not_clean() {
    for plants in [false, true] {
        let ground = Ground::new(1);
        let victim = ground.pids()[0];
        let stop = if plants { format!("kill -STOP {victim}\n") } else { String::new() };
        ground.file("plant", &stop);
        let text = last("plant", &[PAUSE]).replace("1500ms", "5m").replace("100ms", "5m");
        let file = ground.file("guarded.yaml", &text);
        let mut runner = ground.play(&file);
        let applied = |it: &Fact| matches!(it, Fact::Effect { act: 2, .. });
        assert!(within(PATIENCE, || ground.has(applied)), "it stands");
        send(runner.id(), Signal::KILL);
        runner.wait().expect("a child of ours");
        assert!(within(PATIENCE, || ground.helpers().is_empty()), "the guardian has ended");
        assert!(ground.has(|it| matches!(it, Fact::TakenOver { by: Successor::Guardian, .. })));
        let found = residue(&ground.journal().1.entries);
        // Undone is what is newest first: the exec was planned first, and is undone last.
        assert_eq!(found.left.len(), usize::from(plants), "{found:?}");
        assert_eq!(ground.open(), usize::from(plants));
        if plants {
            assert_eq!(ground.run(&["recover"]).code, Some(0), "its act is undone again");
        }
        ground.assert_settled("after recovery");
    }
}

#[test]
fn a_run_does_not_begin_beside_what_an_earlier_one_left() {
    let ground = Ground::new(1);
    let pause = format!("title: x\nmethod:\n  - {PAUSE}\n    for: 50ms\n");
    let file = ground.file("pause.yaml", &pause).display().to_string();
    let first = ground.run(&["chaos", "run", &file]);
    assert!(matches!(first.code, Some(0 | 4)), "{first:?}");
    let run = ground.journal().0;
    let Some(held) = table(&run) else { return };
    let done = ground.run(&["chaos", "run", &file]);
    assert_eq!(done.code, Some(5), "{done:?}");
    assert!(done.err.contains(&format!("holdfast-{run}-77")), "{done:?}");
    assert_eq!(ground.journals().len(), 1, "nothing was begun");
    drop(held);
    let done = ground.run(&["chaos", "run", &file]);
    assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
    // Another folder's run is none of ours: nobody here knows whether it is still played.
    let held = table("20200101T000000Z-0badcafe");
    let done = ground.run(&["chaos", "run", &file]);
    assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
    drop(held);
}
