//! System calls that fail or wait: a victim of bash's opens a file again and again, and says how it
//! went.

use std::{fs, path::PathBuf, time::Duration};

use holdfast::journal::entry::Fact;
use rustix::process::Signal;

use crate::{
    crash::PATIENCE,
    ground::{Ground, send, wait, within},
};

/// Lines of what the victim says.
struct Victim {
    ground: Ground,
    log: PathBuf,
    pid: u32,
}

impl Victim {
    fn new() -> Self {
        let mut ground = Ground::new(0);
        let log = ground.path().join("log");
        let probe = ground.path().join("probe");
        fs::write(&probe, "x\n").expect("a file");
        let script = format!(
            "while :; do if read -r x < {}; then echo good; else echo bad; fi; sleep 0.02; \
             done > {} 2>&1",
            probe.display(),
            log.display()
        );
        let pid = ground.victim("bash", &["-c", &script]);
        fs::write(ground.path().join("victim.pid"), pid.to_string()).expect("a file");
        let it = Self { ground, log, pid };
        assert!(within(PATIENCE, || it.said("good") > 2), "it runs");
        it
    }

    fn allow(&self) {
        fs::create_dir_all(self.ground.state()).expect("a folder");
        fs::write(self.ground.state().join("host.yml"), "allow: [syscall_fault]\n")
            .expect("a file");
    }

    fn said(&self, word: &str) -> usize {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|it| *it == word).count()
    }

    /// Whether it says this word, again and soon.
    fn says(&self, word: &str) -> bool {
        let before = self.said(word);
        within(PATIENCE, || self.said(word) > before + 2)
    }

    fn scenario(&self, what: &str) -> PathBuf {
        let text = format!(
            "title: calls\nmax: 10m\nmethod:\n  - syscall_fault:\n      \
             target: {{ pid_file: GROUND/victim.pid }}\n      calls: [openat]\n      {what}\n    \
             for: 5m\n"
        );
        self.ground.file("calls.yaml", &text)
    }
}

#[test]
fn calls_fail_as_they_were_told_and_are_right_again_when_the_runner_dies() {
    let it = Victim::new();
    it.allow();
    let file = it.scenario("error: EIO");
    let mut runner = it.ground.play(&file);
    let looked = |it: &Victim| {
        within(PATIENCE, || {
            it.ground.has(|it| matches!(it, Fact::Effect { .. } | Fact::Failed { .. }))
        })
    };
    assert!(looked(&it), "{:?}", it.ground.journals().len());
    let (_, lines) = it.ground.journal();
    let facts: Vec<_> = lines.entries.iter().map(|it| format!("{:?}", it.fact)).collect();
    let seen = facts.iter().any(|it| it.starts_with("Effect") && it.contains("Pass"));
    assert!(seen, "{facts:#?}");
    assert!(it.says("bad"), "it fails");
    let log = fs::read_to_string(&it.log).expect("a log");
    assert!(log.contains("Input/output error"), "{log}");
    send(runner.id(), Signal::KILL);
    runner.wait().expect("a child of ours");
    assert!(it.says("good"), "it is right again");
    assert!(within(PATIENCE, || it.ground.helpers().is_empty()), "the guardian went home");
    it.ground.assert_settled("killed");
    let status = fs::read_to_string(format!("/proc/{}/status", it.pid)).expect("it lives");
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
}

#[test]
fn calls_wait_and_then_do_what_they_do() {
    let it = Victim::new();
    it.allow();
    let file = it.scenario("delay: 300ms");
    let mut runner = it.ground.play(&file);
    assert!(within(PATIENCE, || it.ground.has(|it| matches!(it, Fact::Effect { .. }))));
    // Each round opens its file once, and programs that it starts open theirs in peace.
    let (before, begun) = (it.said("good"), std::time::Instant::now());
    assert!(within(PATIENCE, || it.said("good") >= before + 4), "it goes on");
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(it.said("bad"), 0);
    send(runner.id(), Signal::TERM);
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    it.ground.assert_settled("ended");
}

#[test]
fn what_is_not_allowed_on_a_machine_is_refused() {
    let it = Victim::new();
    let file = it.scenario("error: EIO").display().to_string();
    let done = it.ground.run(&["chaos", "run", &file]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("allow: [syscall_fault]"), "{done:?}");
}
