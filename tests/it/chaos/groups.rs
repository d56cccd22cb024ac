//! Limits by control groups: measured from outside, and seen to act only when they do.

use std::{
    fs,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    time::{Duration, Instant},
};

use holdfast::{journal::entry::Fact, verdict::Verdict};

use super::measured::Standing;
use crate::{
    crash::PATIENCE,
    ground::{Ground, wait, within},
};

/// A victim that runs a script. It is known by its number: its children are for a moment called as
/// it is.
pub(super) fn victim(ground: &mut Ground, script: &str) -> u32 {
    let pid = ground.victim("bash", &["-c", script]);
    ground.file("pid", &pid.to_string());
    pid
}

/// What the look whether the only fault acts came to.
fn effect(ground: &Ground) -> (Verdict, String) {
    let (_, lines) = ground.journal();
    let found = lines.entries.into_iter().find_map(|it| match it.fact {
        Fact::Effect { seen, how, .. } => Some((seen, how)),
        _ => None,
    });
    found.expect("it was looked at")
}

/// Bytes that a process, the children that it has waited for and those that live have read from
/// disks.
fn read_bytes(pid: u32) -> u64 {
    let children = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let of = |pid: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        text.lines().find_map(|it| it.strip_prefix("read_bytes: "))?.parse::<u64>().ok()
    };
    loop {
        let before = children().expect("it lives");
        let theirs: Vec<_> = before.split_ascii_whitespace().map(of).collect();
        let own = of(&pid.to_string()).expect("it lives");
        // A child that has gone meanwhile would be counted twice, or never.
        if children().expect("it lives") == before && theirs.iter().all(Option::is_some) {
            return theirs.into_iter().flatten().sum::<u64>() + own;
        }
    }
}

/// Bytes a second that a process reads, over `length`.
fn rate(pid: u32, length: Duration) -> f64 {
    let (from, begun) = (read_bytes(pid), Instant::now());
    // What is measured is a rate, so the stretch must have a length.
    within(length, || false);
    let read = u32::try_from(read_bytes(pid).saturating_sub(from)).map_or(f64::MAX, f64::from);
    read / begun.elapsed().as_secs_f64()
}

#[test]
fn a_process_reads_as_much_of_a_disk_as_declared_and_no_more() {
    const LIMIT: f64 = 4e6;
    let mut ground = Ground::new(0);
    let mut big = fs::File::create(ground.path().join("big")).expect("a file");
    big.write_all(&vec![7; 32 << 20]).and_then(|()| big.sync_all()).expect("it is on the disk");
    let folder = ground.path().display();
    let script = format!(
        "while :; do dd if={folder}/big of=/dev/null bs=128k iflag=direct || sleep 1; \
         done 2>/dev/null"
    );
    let pid = victim(&mut ground, &script);
    assert!(within(PATIENCE, || rate(pid, Duration::from_millis(500)) > 2.0 * LIMIT));
    let fault = "io_throttle: { target: { pid_file: GROUND/pid }, path: GROUND, each_second: 4MB }";
    let Some(standing) = Standing::new(ground, fault) else { return };
    // A machine that is busy with other things may give it less for a while, and never more.
    let met = (0..8).any(|_| {
        let got = rate(pid, Duration::from_secs(3));
        println!("a process throttled to {LIMIT} bytes a second read {got:.0}");
        assert!(got <= 1.10 * LIMIT, "{got}");
        got >= 0.85 * LIMIT
    });
    assert!(met, "it reads what it may");
    let (seen, how) = effect(&standing.ground);
    assert_eq!(seen, Verdict::Pass, "{how}");
    assert!(how.contains("of 4000000 allowed"), "{how}");
    let _ground = standing.end("throttled");
    assert!(within(PATIENCE, || rate(pid, Duration::from_millis(500)) > 2.0 * LIMIT), "as before");
}

#[test]
fn a_process_that_takes_more_memory_than_declared_is_ended_at_its_limit() {
    let mut ground = Ground::new(0);
    // It begins when it is in a group of ours. Were there no limit, it would fail at its own, and
    // not be killed.
    let script = "ulimit -v 1000000; until grep -q holdfast /proc/$$/cgroup; do sleep 0.02; done; \
        exec tail /dev/zero";
    let pid = victim(&mut ground, script);
    let fault = "memory_limit: { target: { pid_file: GROUND/pid }, more: 64MiB }";
    let Some(mut standing) = Standing::new(ground, fault) else { return };
    let ended = standing.ground.end_of_victim();
    assert_eq!(ended.signal(), Some(9), "process {pid}: {ended}");
    let (seen, how) = effect(&standing.ground);
    assert_eq!(seen, Verdict::Pass, "{how}");
    assert!(how.contains("1 of 1 reached the limit"), "{how}");
    standing.end("out of memory");
}

#[test]
fn a_limit_that_nobody_comes_near_is_not_seen_to_act() {
    for (fault, why) in [
        ("memory_limit: { target: { cmdline: TAG }, more: 64MiB }", "no target reached its limit"),
        (
            "io_throttle: { target: { cmdline: TAG }, path: GROUND, each_second: 4MB }",
            "no target is held back: [0] bytes a second moved",
        ),
    ] {
        let ground = Ground::new(1);
        let Some(mut standing) = Standing::new(ground, fault) else { continue };
        let (seen, how) = effect(&standing.ground);
        assert_eq!(seen, Verdict::Fail, "{how}");
        assert!(how.contains(why), "{how}");
        crate::ground::send(standing.runner.id(), rustix::process::Signal::TERM);
        assert_eq!(wait(&mut standing.runner, PATIENCE), Some(4), "inconclusive");
        standing.ground.assert_settled(fault);
    }
}
