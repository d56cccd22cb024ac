//! Without root: what can run does, and what cannot is refused by the power that it needs.

use std::{
    os::unix::{fs::chown, process::CommandExt as _},
    process::{Child, Command},
};

use crate::{
    beside::skipped,
    ground::{Done, Ground, args, quiet, within},
};

/// Who has no power on any machine.
const NOBODY: u32 = 65_534;

/// A ground that belongs to nobody, and a process of theirs.
struct Theirs {
    ground: Ground,
    victim: Child,
}

impl Drop for Theirs {
    fn drop(&mut self) {
        drop(self.victim.kill());
        drop(self.victim.wait());
    }
}

/// As nobody, if we are root; else as we are.
fn nobody(command: &mut Command) -> &mut Command {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

impl Theirs {
    /// None where nobody may not even start the program.
    fn new() -> Option<Self> {
        let ground = Ground::new(1);
        if rustix::process::geteuid().is_root() {
            chown(ground.path(), Some(NOBODY), Some(NOBODY)).expect("a folder of ours");
        }
        let starts = nobody(&mut ground.holdfast(&["--version"])).output();
        if !starts.is_ok_and(|it| it.status.success()) {
            skipped("nobody may not start the program where it lies");
            return None;
        }
        let sleep = format!("8{}", ground.tag());
        let victim = quiet(nobody(Command::new("sleep").arg(&sleep))).spawn().expect("it starts");
        let asleep = || args(victim.id()).first().is_some_and(|it| it == "sleep");
        assert!(within(crate::crash::PATIENCE, asleep), "their process sleeps");
        Some(Self { ground, victim })
    }

    fn play(&self, fault: &str, more: &[&str]) -> Done {
        let text = format!("title: x\nmethod:\n  - {fault}\n    for: 200ms\n");
        let file = self.ground.file("x.yaml", &text.replace("OWN", "sleep 8TAG"));
        let words = ["chaos", "run", &file.display().to_string()];
        let mut command = self.ground.holdfast(&words);
        nobody(command.args(more)).output().expect("it starts").into()
    }
}

#[test]
fn without_root_what_can_run_does() {
    let Some(theirs) = Theirs::new() else { return };
    for fault in [
        "cpu_burn: { percent: 5, cores: 1 }",
        "memory_hog: { size: 8MiB }",
        "disk_fill: { path: GROUND, size: 1MiB }",
        "inode_fill: { path: GROUND, count: 20 }",
        "process_pause: { target: { cmdline: 'OWN' }, by: signal }",
        "fd_limit: { target: { cmdline: 'OWN' }, limit: 16 }",
        "exec: { run: [touch, GROUND/flag], undo: [rm, -f, GROUND/flag] }",
    ] {
        let done = theirs.play(fault, &[]);
        // A busy machine may keep an effect from being seen; that nothing is refused is the point.
        assert!(matches!(done.code, Some(0 | 4)), "{fault}: {done:?}");
        assert!(done.err.contains("put back"), "{fault}: {done:?}");
    }
    assert!(!theirs.ground.path().join("flag").exists());
}

#[test]
fn without_root_what_cannot_run_is_refused_by_the_power_that_it_needs() {
    if !rustix::process::geteuid().is_root() {
        return; // There is nobody else's process to be refused.
    }
    let Some(theirs) = Theirs::new() else { return };
    for (fault, word, power) in [
        (
            "network_loss: { traffic: { port: 9 }, percent: 50 }",
            "needs power over the network: no, this process has no CAP_NET_ADMIN",
            "CAP_NET_ADMIN",
        ),
        (
            "process_pause: { target: { cmdline: 'sleep TAG' }, by: signal }",
            "needs power over the targets' processes: yes, for processes of user 65534 alone",
            "CAP_KILL",
        ),
        (
            "fd_limit: { target: { cmdline: 'sleep TAG' }, limit: 16 }",
            "needs power over the targets' limits: yes, for processes of user 65534 alone",
            "CAP_SYS_RESOURCE",
        ),
    ] {
        let dry = theirs.play(fault, &["--dry-run"]);
        assert!(dry.out.contains(word), "{fault}: {dry:?}");
        let done = theirs.play(fault, &[]);
        assert_eq!(done.code, Some(3), "{fault}: {done:?}");
        assert!(done.err.contains(power), "{fault}: {done:?}");
        assert!(theirs.ground.is_healed() && theirs.ground.journals().is_empty(), "{fault}");
    }
}

#[test]
fn without_root_what_cannot_be_looked_at_afterwards_is_named_and_not_counted() {
    if !rustix::process::geteuid().is_root() {
        return; // It depends on the machine what this user may look at.
    }
    let Some(theirs) = Theirs::new() else { return };
    let done = theirs.play("process_pause: { target: { cmdline: 'OWN' }, by: signal }", &[]);
    assert!(done.err.contains("residue: none (checked: "), "{done:?}");
    assert!(done.err.contains("1 target for standing still"), "{done:?}");
    assert!(done.err.contains("not looked at: packet tables: "), "{done:?}");
    assert!(!done.err.contains(" packet tables,"), "it is not counted: {done:?}");
}
