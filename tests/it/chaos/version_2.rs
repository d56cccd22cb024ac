//! Control groups of version 2, where a group has a controller only if all above it pass it on.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use holdfast::journal::entry::Fact;
use rustix::process::Signal;

use super::{
    groups::victim,
    measured::{Standing, share},
    residue::residue,
};
use crate::{
    beside::in_machine,
    crash::PATIENCE,
    ground::{Ground, quiet, send, wait, within},
};

const ROOT: &str = "/sys/fs/cgroup";
const SPIN: &str = "while :; do :; done";
const WHY: &str = "control groups of version 2, with every controller";

/// Groups of ours: `outer`, which passes nothing on, and `inner` in it, and there `leaf` and
/// `beside`.
struct Tree {
    outer: PathBuf,
}

impl Tree {
    fn new(ground: &Ground) -> Self {
        let outer = Path::new(ROOT).join(format!("outer-{}", ground.tag()));
        for it in ["inner/leaf", "inner/beside"] {
            fs::create_dir_all(outer.join(it)).expect("a group");
        }
        Self { outer }
    }

    fn group(&self, name: &str) -> PathBuf {
        if name == "outer" { self.outer.clone() } else { self.outer.join(name) }
    }

    fn enlist(&self, pid: u32, name: &str) {
        let file = self.group(name).join("cgroup.procs");
        fs::write(file, pid.to_string()).expect("it is moved");
    }

    fn say(&self, name: &str, file: &str, text: &str) {
        fs::write(self.group(name).join(file), text).expect("the kernel takes it");
    }

    fn read(&self, name: &str, file: &str) -> String {
        fs::read_to_string(self.group(name).join(file)).expect("it is there").trim().to_owned()
    }

    /// What `outer` and `inner` pass on.
    fn passed(&self) -> [String; 2] {
        ["outer", "inner"].map(|it| self.read(it, "cgroup.subtree_control"))
    }

    /// What `file` of each group of Holdfast's in `inner` says.
    fn of_holdfast(&self, file: &str) -> Vec<String> {
        let all = fs::read_dir(self.group("inner")).expect("a group").flatten();
        let ours = all.filter(|it| it.file_name().to_string_lossy().starts_with("holdfast-"));
        ours.filter_map(|it| fs::read_to_string(it.path().join(file)).ok()).collect()
    }
}

/// It goes after its ground, whose processes live in it.
impl Drop for Tree {
    fn drop(&mut self) {
        for it in ["inner/leaf", "inner/beside", "inner", "outer"] {
            let gone = within(PATIENCE, || fs::remove_dir(self.group(it)).is_ok());
            assert!(gone || std::thread::panicking(), "{it} goes");
        }
    }
}

/// A tree with a spinning process in its leaf. What is bound last goes first.
fn spinning() -> (Tree, Ground, u32) {
    let mut ground = Ground::new(0);
    let tree = Tree::new(&ground);
    let pid = victim(&mut ground, SPIN);
    tree.enlist(pid, "inner/leaf");
    (tree, ground, pid)
}

#[test]
fn a_controller_that_nobody_passes_on_is_passed_on_while_the_fault_stands() {
    if !in_machine(WHY) {
        return;
    }
    let (tree, ground, pid) = spinning();
    let before = tree.passed();
    assert_eq!(before, ["", ""]);
    let fault = "cpu_throttle: { target: { pid_file: GROUND/pid }, percent: 20 }";
    let standing = Standing::new(ground, fault).expect("it is allowed");
    assert_eq!(tree.passed(), ["cpu", "cpu"]);
    assert_eq!(tree.of_holdfast("cpu.max"), ["20000 100000\n"]);
    let got = share(pid);
    println!("a process throttled to 20 % got {:.1} % of a processor", got * 100.0);
    assert!((0.05..0.27).contains(&got), "{got}");
    let ground = standing.end("passed on");
    assert_eq!(tree.passed(), before, "as it was");
    let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it lives");
    assert!(group.trim().ends_with("/inner/leaf"), "{group}");
    let found = residue(&ground.journal().1.entries);
    let told = "2 controllers of groups above ours";
    assert!(found.checked.iter().any(|it| it == told), "{found:?}");
    assert_eq!(found.others, Vec::<String>::new());
}

#[test]
fn a_controller_is_off_again_after_the_runner_was_killed_and_after_both_were() {
    if !in_machine(WHY) {
        return;
    }
    for fault in [
        "cpu_throttle: { target: { pid_file: GROUND/pid }, percent: 50 }",
        "memory_limit: { target: { pid_file: GROUND/pid }, more: 64MiB }",
        "io_throttle: { target: { pid_file: GROUND/pid }, path: GROUND, each_second: 4MB }",
    ] {
        for both in [false, true] {
            let (tree, ground, _) = spinning();
            let mut standing = Standing::new(ground, fault).expect("it is allowed");
            assert_ne!(tree.passed(), ["", ""], "{fault}");
            let guardian = standing.ground.guardian().expect("it has one");
            if both {
                send(guardian, Signal::KILL);
            }
            send(standing.runner.id(), Signal::KILL);
            standing.runner.wait().expect("a child of ours");
            assert!(within(PATIENCE, || standing.ground.helpers().is_empty()), "{fault}");
            if both {
                assert_ne!(tree.passed(), ["", ""], "{fault}: nobody is there to go back");
                let done = standing.ground.run(&["recover"]);
                assert_eq!(done.code, Some(0), "{fault}: {done:?}");
            }
            assert_eq!(tree.passed(), ["", ""], "{fault}, both: {both}");
            assert_eq!(tree.of_holdfast("cgroup.procs"), Vec::<String>::new(), "{fault}");
            standing.ground.assert_settled(fault);
        }
    }
}

#[test]
fn what_two_acts_need_stays_until_the_last_of_them_is_undone() {
    if !in_machine(WHY) {
        return;
    }
    let (tree, mut ground, _) = spinning();
    let other = ground.victim("bash", &["-c", SPIN]);
    tree.enlist(other, "inner/beside");
    ground.file("other", &other.to_string());
    let one = |file: &str, percent: u32, length: &str| {
        format!(
            "      - cpu_throttle: {{ target: {{ pid_file: GROUND/{file} }}, percent: {percent} }}\n\
             \x20       for: {length}\n"
        )
    };
    let both = one("pid", 30, "2s") + &one("other", 60, "5m");
    let file = ground.file("x.yaml", &format!("title: x\nmethod:\n  - parallel:\n{both}"));
    let mut runner = ground.play(&file);
    let undone = |it: &Fact| matches!(it, Fact::Undone { .. });
    assert!(within(PATIENCE, || ground.has(undone)), "the first ends");
    assert_eq!(tree.of_holdfast("cpu.max"), ["60000 100000\n"], "the other stands");
    assert_eq!(tree.passed(), ["cpu", "cpu"]);
    send(runner.id(), Signal::TERM);
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    ground.assert_settled("two acts");
    assert_eq!(tree.passed(), ["", ""], "the last has turned it off");
}

#[test]
fn what_somebody_else_came_to_use_meanwhile_stays() {
    if !in_machine(WHY) {
        return;
    }
    let (tree, ground, _) = spinning();
    let fault = "cpu_throttle: { target: { pid_file: GROUND/pid }, percent: 50 }";
    let standing = Standing::new(ground, fault).expect("it is allowed");
    tree.say("inner/beside", "cpu.max", "70000 100000");
    let ground = standing.end("used by others");
    assert_eq!(tree.passed(), ["cpu", "cpu"]);
    assert_eq!(tree.read("inner/beside", "cpu.max"), "70000 100000");
    assert_eq!(residue(&ground.journal().1.entries).left, [], "it is theirs now");
}

#[test]
fn a_group_that_has_processes_of_its_own_is_never_made_to_pass_anything_on() {
    if !in_machine(WHY) {
        return;
    }
    let (tree, mut ground, _) = spinning();
    let above = ground.victim("sleep", &["7198"]);
    tree.enlist(above, "inner");
    for fault in [
        "memory_limit: { target: { pid_file: GROUND/pid }, more: 64MiB }",
        "cpu_throttle: { target: { pid_file: GROUND/pid }, percent: 50 }",
    ] {
        let text = format!("title: x\nmethod:\n  - {fault}\n    for: 100ms\n");
        let path = ground.file("x.yaml", &text).display().to_string();
        let done = ground.run(&["chaos", "run", "--dry-run", &path]);
        let said = format!("{}{}", done.out, done.err);
        assert!(said.contains("no internal processes"), "{said}");
        // Time can still be taken away by turns.
        let by_turns = said.contains("by holding them still for 50% of the time");
        assert_eq!(by_turns, fault.starts_with("cpu"), "{said}");
        assert_eq!(done.code, Some(if by_turns { 0 } else { 3 }), "{said}");
    }
    assert_eq!(tree.passed(), ["", ""]);
}

#[test]
fn somebody_to_whom_a_group_was_delegated_needs_no_root() {
    const THEM: u32 = 65_534;
    if !in_machine(WHY) {
        return;
    }
    let (tree, ground, _) = spinning();
    tree.say("outer", "cgroup.subtree_control", "+memory");
    for it in ["inner", "inner/leaf", "inner/beside"] {
        for file in ["", "cgroup.procs", "cgroup.subtree_control"] {
            let path = tree.group(it).join(file);
            std::os::unix::fs::chown(path, Some(THEM), Some(THEM)).expect("it is delegated");
        }
    }
    std::os::unix::fs::chown(ground.path(), Some(THEM), Some(THEM)).expect("a folder of ours");
    // They live in the same delegated part, or they might not move anybody about in it.
    let as_them = |words: &[&str], group: PathBuf| -> Child {
        let script = format!(
            "echo $$ > {}/cgroup.procs; exec setpriv --reuid={THEM} \
            --regid={THEM} --clear-groups -- \"$@\"",
            group.display()
        );
        let mut it = Command::new("sh");
        it.args(["-c", &script, "sh"]).args(words).current_dir(ground.path());
        quiet(&mut it).spawn().expect("it starts")
    };
    let mut theirs = as_them(&["sleep", "7197"], tree.group("inner/beside"));
    ground.file("theirs", &theirs.id().to_string());
    let text = "title: x\nmethod:\n  - memory_limit: { target: { pid_file: GROUND/theirs }, \
        more: 64MiB }\n    for: 5m\n";
    let file = ground.file("x.yaml", text).display().to_string();
    let command = ground.holdfast(&["chaos", "run", &file]);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|it| it.to_string_lossy().into_owned()).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mut runner = as_them(&words, tree.group("inner/leaf"));
    let limits = || tree.of_holdfast("memory.max") == ["67108864\n"];
    let stands = within(PATIENCE, limits);
    send(runner.id(), Signal::TERM);
    wait(&mut runner, PATIENCE);
    send(theirs.id(), Signal::KILL);
    theirs.wait().expect("a child of ours");
    assert!(stands, "{:?}", ground.journals());
    assert_eq!(tree.passed(), ["memory", ""], "what was delegated is as it was");
}

#[test]
fn packets_of_a_group_are_met_and_nobody_else_s() {
    if !in_machine(WHY) {
        return;
    }
    let (tree, mut ground, _) = spinning();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    let said = ground.path().join("said");
    let script = format!(
        "while :; do if (exec 3<>/dev/tcp/127.0.0.1/{}) 2>/dev/null; then echo yes; else echo no; \
         fi > {}; sleep 0.1; done",
        at.port(),
        said.display()
    );
    let pid = ground.victim("bash", &["-c", &script]);
    tree.enlist(pid, "inner/leaf");
    // What they said before is not what they say now.
    let says = |word: &str| {
        drop(fs::remove_file(&said));
        within(PATIENCE, || fs::read_to_string(&said).is_ok_and(|it| it.trim() == word))
    };
    listener.set_nonblocking(true).expect("a socket");
    assert!(says("yes"));
    let group = tree.group("inner");
    let group = group.strip_prefix(ROOT).expect("it is below").display();
    let fault = format!("network_partition: {{ traffic: {{ cgroup: /{group} }}, how: reject }}");
    let standing = Standing::new(ground, &fault).expect("it is allowed");
    assert!(says("no"), "who is below the group is cut off");
    while listener.accept().is_ok() {}
    TcpStream::connect(at).expect("nobody else is");
    let ground = standing.end("cut off");
    while listener.accept().is_ok() {}
    assert!(says("yes"), "and it is over");
    assert_eq!(residue(&ground.journal().1.entries).left, []);
}
