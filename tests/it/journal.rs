//! The journal on real disks: torn, full, locked, unwritable, gone.
#![expect(clippy::print_stdout, reason = "what is skipped is said aloud")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use holdfast::{
    evidence::{fold as evidence, say::Answer},
    journal::{chain, entry::Fact},
    verdict::Verdict,
    world::{
        linux::store::FileStore,
        store::{Care, Store as _},
    },
};
use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    crash::{PATIENCE, abandoned, paused},
    ground::{Done, Ground, send, wait, within},
};

/// A small disk of its own.
struct Disk {
    folder: TempDir,
    mounted: bool,
}

impl Disk {
    /// Mounts one with `options`; none where that is not allowed, and then it says so.
    fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path());
        let mounted = command.stderr(Stdio::null()).status().is_ok_and(|it| it.success());
        let it = Self { folder, mounted };
        if !mounted {
            assert!(std::env::var_os("CI").is_none(), "no small disk can be mounted");
            println!("SKIPPED: no small disk can be mounted: it takes root");
        }
        mounted.then_some(it)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it until so many bytes are left.
    fn fill(&self, left: u64) {
        let mut file = fs::File::create(self.path().join("filler")).expect("a file");
        while file.write_all(&[0; 4096]).is_ok() {}
        let length = file.metadata().expect("a file").len();
        file.set_len(length.saturating_sub(left)).expect("it shrinks");
    }

    /// Makes room again.
    fn empty(&self) {
        fs::remove_file(self.path().join("filler")).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            let mut command = Command::new("umount");
            let done = command.arg("-l").arg(self.folder.path()).status();
            assert!(done.is_ok_and(|it| it.success()) || std::thread::panicking(), "unmounted");
        }
    }
}

/// A pause, watched by eight hypotheses: every millisecond is so often that the journal grows fast.
fn watched(length: &str, every: &str) -> String {
    let looks: Vec<String> = (0..8)
        .map(|n| {
            format!(
                "  - name: a hypothesis with a long name, number {n}\n    \
                 process: {{ target: {{ pid_file: GROUND/pid }} }}\n    \
                 expect: {{ count: {{ min: 0 }} }}\n    every: {every}\n"
            )
        })
        .collect();
    let looks = looks.concat();
    format!(
        "title: a disk that fills\nbaseline: 50ms\nsettle: 200ms\nmax: 5m\nhypothesis:\n{looks}\
         method:\n  - process_pause: {{ target: {{ cmdline: 'sleep TAG' }} }}\n    for: {length}\n"
    )
}

fn chaos(ground: &Ground, state: &Path, text: &str) -> Command {
    let file = ground.file("busy.yaml", text);
    let mut it = ground.holdfast(&["chaos", "run"]);
    it.arg(file).arg("--state").arg(state);
    it
}

/// A drill whose witness writes elsewhere, fast, while a victim stands still and people are asked.
const WITNESSED: &str = "\
title: a disk that fills under a drill
objectives: { rto: 1m, lost_writes: 0 }
witness: { directory: { path: GROUND/store }, every: 5ms, deadline: 500ms, good_in_a_row: 5 }
phases:
  - phase: fault
    steps:
      - witness: start
      - process_pause: { target: { cmdline: 'sleep TAG' } }
        for: 4m
  - phase: verify
    steps: [{ pause: 4m }, { witness: read_back }]
";

fn path_of_journal(ground: &Ground) -> PathBuf {
    let all = ground.journals();
    ground.state().join("runs").join(&all.first().expect("a run").0).join("journal.jsonl")
}

#[test]
fn a_torn_tail_is_cut_and_the_run_is_healed() {
    let ground = abandoned();
    let path = path_of_journal(&ground);
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("a journal");
    file.write_all(br#"{"v":1,"n":7,"epoch":1,"at_us":12,"pr"#).expect("room");
    let done = ground.run(&["recover"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(ground.journal().1.torn, 0);
    ground.assert_settled("torn at the end");
}

#[test]
fn a_broken_middle_is_refused_by_line_and_nothing_is_guessed() {
    let ground = abandoned();
    let path = path_of_journal(&ground);
    let good = fs::read(&path).expect("a journal");
    let lines: Vec<&[u8]> = good.split_inclusive(|it| *it == b'\n').collect();
    let half = &lines[2][..lines[2].len() / 2];
    let flipped = String::from_utf8_lossy(&good).replacen("a long pause", "a lung pause", 1);
    let broken: [(&str, Vec<u8>); 4] = [
        ("line 3", [lines[0], lines[1], half, &lines[3..].concat()].concat()),
        ("line 3", [lines[0], lines[1], &lines[3..].concat()].concat()),
        ("line 2", [lines[0], lines[2], lines[1], &lines[3..].concat()].concat()),
        ("line 3", flipped.into_bytes()),
    ];
    for (line, bytes) in broken {
        fs::write(&path, &bytes).expect("it is ours");
        let done = ground.run(&["recover"]);
        assert_eq!(done.code, Some(5), "{done:?}");
        assert!(done.err.contains(line) && done.err.contains("nothing was guessed"), "{done:?}");
        assert_eq!(fs::read(&path).expect("a journal"), bytes, "{line}: it was changed");
        assert!(ground.stopped().iter().all(|it| *it), "{line}: somebody guessed");
        assert_eq!(ground.open(), 1);
        let file = ground.file("x.yaml", &watched("1ms", "20ms"));
        let next = ground.run(&["chaos", "run", &file.display().to_string()]);
        assert_eq!(next.code, Some(5), "no run begins over what may still stand: {next:?}");
    }
    fs::write(&path, good).expect("it is ours");
    assert_eq!(ground.run(&["recover"]).code, Some(0));
    ground.assert_settled("mended");
}

#[test]
fn a_run_without_a_journal_had_touched_nothing() {
    let ground = Ground::new(0);
    let run = "20260101T000000Z-00000000";
    fs::create_dir_all(ground.state().join("runs").join(run)).expect("a folder");
    fs::create_dir_all(ground.state().join("open")).expect("a folder");
    fs::write(ground.state().join("open").join(run), "").expect("a file");
    let done = ground.run(&["recover"]);
    assert_eq!((done.code, done.out.trim()), (Some(0), &*format!("{run}: nothing stood")));
    assert_eq!(ground.open(), 0);
}

#[test]
fn of_two_runs_at_once_the_second_is_refused() {
    let (ground, mut runner) = paused(1);
    let file = ground.file("x.yaml", &watched("1ms", "20ms"));
    for args in [&["chaos", "run", &file.display().to_string()][..], &["recover"]] {
        let done = ground.run(args);
        assert_eq!(done.code, Some(3), "{done:?}");
        let holder = format!("(process {})", runner.id());
        assert!(done.err.contains(&holder) && done.err.contains("help: "), "{done:?}");
    }
    assert_eq!(ground.stopped(), [true], "the first is not disturbed");
    send(runner.id(), Signal::TERM);
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    ground.assert_settled("the first of two");
}

#[test]
fn a_state_folder_that_cannot_be_written_is_refused_with_a_way_out() {
    let Some(disk) = Disk::mount("size=600k,ro") else { return };
    let ground = Ground::new(1);
    let done: Done =
        chaos(&ground, &disk.path().join("state"), &watched("1s", "20ms")).output().into_done();
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("Read-only file system"), "{done:?}");
    assert!(done.err.contains("--state or HOLDFAST_STATE"), "{done:?}");
    assert!(ground.is_healed());
}

#[test]
fn on_a_full_disk_nothing_is_begun() {
    for left in [0, 8 * 1024, 128 * 1024] {
        let Some(disk) = Disk::mount("size=600k") else { return };
        disk.fill(left);
        let ground = Ground::new(1);
        let done: Done = chaos(&ground, disk.path(), &watched("1s", "20ms")).output().into_done();
        assert_eq!(done.code, Some(3), "{left} bytes left: {done:?}");
        assert!(done.err.contains(&disk.path().display().to_string()), "{done:?}");
        assert!(done.err.contains("No space left") && done.err.contains("help: "), "{done:?}");
        assert!(ground.is_healed());
        disk.empty();
        let done: Done =
            ground.holdfast(&["recover", "--state"]).arg(disk.path()).output().into_done();
        assert_eq!(done.code, Some(0), "{done:?}");
    }
}

#[test]
fn a_disk_that_fills_up_during_a_run_ends_it_and_the_world_is_healed() {
    // The first is over before the room that was reserved is used up, the second is not.
    for (length, every) in [("2s", "200ms"), ("4m", "1ms")] {
        let Some(disk) = Disk::mount("size=2m") else { return };
        let ground = Ground::new(1);
        let runner =
            chaos(&ground, disk.path(), &watched(length, every)).spawn().expect("it starts");
        assert!(within(PATIENCE, || ground.stopped() == [true]), "it is paused");
        disk.fill(0);
        assert!(within(PATIENCE * 3, || ground.is_healed()), "{length}: healed");
        let done: Done = runner.wait_with_output().into_done();
        assert_eq!(done.code, Some(4), "{length}: {done:?}");
        assert!(done.err.contains(&disk.path().display().to_string()), "{done:?}");
        assert!(done.err.contains("No space left"), "{done:?}");
        let run = fs::read_dir(disk.path().join("runs")).expect("runs").flatten().next();
        let path = run.expect("one run").path().join("journal.jsonl");
        let bytes = fs::read(path).expect("a journal");
        let lines = chain::read(&bytes).expect("it can be believed");
        let undone = |it: &Fact| matches!(it, Fact::Undone { .. });
        assert!(lines.entries.iter().any(|it| undone(&it.fact)), "going back is written down");
        disk.empty();
        let done: Done =
            ground.holdfast(&["recover", "--state"]).arg(disk.path()).output().into_done();
        assert_eq!(done.code, Some(0), "{length}: {done:?}");
        let open = fs::read_dir(disk.path().join("open")).expect("a folder").count();
        assert_eq!(open, 0, "{length}");
    }
}

#[test]
fn a_disk_that_fills_up_under_a_drill_heals_the_fault_and_proves_nothing() {
    let Some(disk) = Disk::mount("size=2m") else { return };
    let ground = Ground::new(1);
    fs::create_dir(ground.path().join("store")).expect("a folder");
    let file = ground.file("drill.yaml", WITNESSED);
    let mut command = ground.holdfast(&["drill", "run"]);
    let runner = command.arg(file).arg("--state").arg(disk.path()).spawn().expect("it starts");
    assert!(within(PATIENCE, || ground.stopped() == [true]), "it is paused");
    disk.fill(0);
    assert!(within(PATIENCE * 3, || ground.is_healed()), "healed");
    let done: Done = runner.wait_with_output().into_done();
    assert_eq!(done.code, Some(4), "neither passed nor failed: {done:?}");
    assert!(done.err.contains("No space left"), "{done:?}");
    disk.empty();
    let done: Done = ground.holdfast(&["recover", "--state"]).arg(disk.path()).output().into_done();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(fs::read_dir(disk.path().join("open")).expect("a folder").count(), 0);
    let run = fs::read_dir(disk.path().join("runs")).expect("runs").flatten().next();
    let bytes = fs::read(run.expect("one run").path().join("journal.jsonl")).expect("a journal");
    let seen = evidence::fold(&chain::read(&bytes).expect("it can be believed").entries);
    assert_eq!(seen.verdict, Verdict::Inconclusive);
    let drill = seen.drill.expect("a drill");
    let losses = drill.rpo.answer;
    assert!(losses != Answer::Pass, "a zero nobody counted: {losses:?}");
}

#[test]
fn what_is_reserved_is_for_going_back_and_its_successor_has_it_too() {
    let Some(disk) = Disk::mount("size=1m") else { return };
    let path = disk.path().join("journal");
    let mut store = FileStore::create(&path).expect("room");
    let line = [b'x'; 1024];
    store.append(&line, Care::Ahead).expect("room");
    disk.fill(0);
    let loose = (0..10_000).take_while(|_| store.append(&line, Care::Loose).is_ok()).count();
    assert!((64..256).contains(&loose), "measurements end first: {loose}");
    assert!(store.append(&line, Care::Ahead).is_err(), "no new act on a full disk");
    for _ in 0..32 {
        store.append(&line, Care::Sync).expect("going back is written down");
    }
    drop(store);
    let (mut next, bytes) = FileStore::open(&path).expect("it is free");
    assert_eq!(bytes.len(), (1 + loose + 32) * line.len());
    for _ in 0..32 {
        next.append(&line, Care::Sync).expect("its successor goes back, too");
    }
}

#[test]
fn a_journal_that_is_being_written_is_nobody_else_s() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let store = FileStore::create(&path).expect("room");
    assert!(FileStore::open(&path).is_err(), "its writer lives");
    assert!(FileStore::create(&path).is_err(), "it is there already");
    drop(store);
    assert!(FileStore::open(&path).is_ok());
}

trait IntoDone {
    fn into_done(self) -> Done;
}

impl IntoDone for std::io::Result<std::process::Output> {
    fn into_done(self) -> Done {
        self.expect("it starts").into()
    }
}

#[test]
fn a_disk_is_unmounted_by_the_time_its_test_ends() {
    let Some(disk) = Disk::mount("size=64k") else { return };
    let path = disk.path().to_owned();
    drop(disk);
    assert!(within(Duration::from_secs(5), || !path.exists()));
}

#[test]
fn a_lock_that_a_dead_runner_s_child_still_has_is_waited_for() {
    let ground = Ground::new(0);
    assert_eq!(ground.run(&["recover"]).code, Some(0));
    // As it is between a runner's fork and its child's exec: the child has all that was open.
    let script = "exec 9<>lock && flock 9 && printf %s $$ >lock && { sleep 0.3 & }";
    let holder = Command::new("sh").args(["-c", script]).current_dir(ground.state()).status();
    assert!(holder.expect("a shell").success(), "it held the lock, and ended");
    let done = ground.run(&["recover"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let named = fs::read_to_string(ground.state().join("lock")).expect("a lock");
    assert!(named.parse::<u32>().is_ok(), "it names one process: {named:?}");
}
