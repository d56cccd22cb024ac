//! What a fault declares is what others measure.
#![expect(clippy::print_stdout, reason = "what was measured, and what is passed over, is said")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use holdfast::journal::entry::Fact;
use rustix::{fs::statvfs, process::Signal};

use crate::{
    beside::passed_over,
    crash::PATIENCE,
    ground::{Done, Ground, args, send, state, ticks, wait, within},
};

/// A fault that stands; ended well by [`Standing::end`].
pub(super) struct Standing {
    pub(super) ground: Ground,
    pub(super) runner: Child,
}

impl Standing {
    /// Plays one fault until it is seen to act. A machine that does not allow it says so.
    pub(super) fn new(ground: Ground, fault: &str) -> Option<Self> {
        let file = ground.file("x.yaml", &format!("title: x\nmethod:\n  - {fault}\n    for: 5m\n"));
        let words = ["chaos", "run", "--dry-run", &file.display().to_string()];
        let dry = ground.run(&words);
        if dry.code != Some(0) {
            passed_over(&format!("not allowed here: {}{}", dry.out, dry.err));
            return None;
        }
        let runner = ground.play(&file);
        let mut it = Self { ground, runner };
        it.acts(fault).then_some(it)
    }

    fn acts(&mut self, fault: &str) -> bool {
        let ready = || self.ground.has(|it| matches!(it, Fact::Effect { .. }));
        let failed = || self.ground.has(|it| matches!(it, Fact::Failed { .. }));
        assert!(within(PATIENCE, || ready() || failed()), "{fault}");
        if failed() {
            let last = self.ground.journal().1.entries.pop();
            passed_over(&format!("it fails here: {last:?}"));
            wait(&mut self.runner, PATIENCE);
        }
        ready()
    }

    /// The children that hold it.
    fn children(&self) -> Vec<u32> {
        let guardian = self.ground.guardian();
        self.ground.helpers().into_iter().filter(|it| Some(*it) != guardian).collect()
    }

    pub(super) fn end(mut self, story: &str) -> Ground {
        send(self.runner.id(), Signal::TERM);
        assert_eq!(wait(&mut self.runner, PATIENCE), Some(4), "{story}");
        self.ground.assert_settled(story);
        self.ground
    }
}

/// Processor ticks that `pid` uses in about two seconds, as a share of one processor.
pub(super) fn share(pid: u32) -> f64 {
    let (from, begun) = (ticks(pid), Instant::now());
    // What is measured is a rate, so the stretch must have a length.
    within(Duration::from_secs(2), || false);
    let used = u32::try_from(ticks(pid) - from).map_or(f64::MAX, f64::from);
    used / super::rustix_ticks() / begun.elapsed().as_secs_f64()
}

/// How long `pid` has waited for a processor so far; none where the kernel does not count it.
fn waited(pid: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// The share of one processor that `pid` gets, and whether it hardly waited for others meanwhile.
/// It is measured again, a few times, while it did.
fn undisturbed(pid: u32) -> (f64, bool) {
    let (mut got, mut free) = (0.0, false);
    for _ in 0..5 {
        let (from, begun) = (waited(pid), Instant::now());
        got = share(pid);
        let lost = waited(pid).zip(from).map(|(to, from)| to.saturating_sub(from));
        free = lost.is_some_and(|it| it <= begun.elapsed() / 50);
        if free {
            break;
        }
    }
    (got, free)
}

#[test]
fn processors_are_kept_busy_as_declared() {
    for (percent, cores) in [(35_u32, 1), (70, 2)] {
        let fault = format!("cpu_burn: {{ percent: {percent}, cores: {cores} }}");
        let Some(standing) = Standing::new(Ground::new(0), &fault) else { return };
        let children = standing.children();
        assert_eq!(children.len(), cores, "{children:?}");
        for pid in children {
            let (got, free) = undisturbed(pid);
            let off = got - f64::from(percent) / 100.0;
            println!("{percent} % of a processor: {:.1} % are used", got * 100.0);
            // What was missed is made up for within reason; more than that it never takes.
            assert!(off <= if free { 0.05 } else { 0.10 }, "{fault}: {got}");
            assert!(!free || off >= -0.05, "{fault}: {got}");
            if !free {
                let said = format!("passed over, no processor is free enough: {fault}");
                // Past the harness, which keeps to itself what a passing test prints.
                drop(writeln!(std::io::stderr(), "{said}"));
            }
        }
        standing.end(&fault);
    }
}

/// A victim that never rests.
fn spinner(ground: &mut Ground) -> u32 {
    let script = format!("while :; do :; done # {}", ground.tag());
    let pid = ground.victim("bash", &["-c", &script]);
    assert!(within(PATIENCE, || args(pid).first().is_some_and(|it| it == "bash")));
    pid
}

#[test]
fn a_throttled_process_gets_its_share_and_no_more() {
    let mut ground = Ground::new(0);
    let pid = spinner(&mut ground);
    let group = || fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it lives");
    let before = group();
    let fault = "cpu_throttle: { target: { cmdline: 'done # TAG' }, percent: 20 }";
    let Some(standing) = Standing::new(ground, fault) else { return };
    let got = share(pid);
    println!("a process throttled to 20 % got {:.1} % of a processor", got * 100.0);
    assert!(got < 0.27, "{got}");
    let _ground = standing.end("throttled");
    assert_eq!(group(), before, "it is back where it was");
}

#[test]
fn a_process_that_is_held_by_tracing_stands_still_and_goes_on() {
    let mut ground = Ground::new(0);
    let pid = spinner(&mut ground);
    let fault = "process_pause: { target: { cmdline: 'done # TAG' }, by: trace }";
    let Some(standing) = Standing::new(ground, fault) else { return };
    assert_eq!(state(pid), Some('t'));
    let stood = ticks(pid);
    let before = Instant::now();
    within(Duration::from_millis(300), || false);
    assert_eq!(ticks(pid), stood, "not a tick in {:?}", before.elapsed());
    let _ground = standing.end("held by tracing");
    assert!(within(PATIENCE, || ticks(pid) > stood), "it goes on");
}

#[test]
fn a_process_that_is_killed_while_it_is_held_is_gone_for_its_parent_too() {
    let mut ground = Ground::new(0);
    let pid = spinner(&mut ground);
    let fault = "process_pause: { target: { cmdline: 'done # TAG' }, by: trace }";
    let Some(mut standing) = Standing::new(ground, fault) else { return };
    send(pid, Signal::KILL);
    let ended = standing.ground.end_of_victim();
    assert!(!ended.success());
    standing.end("killed while held");
}

#[test]
fn memory_is_taken_as_declared() {
    let fault = "memory_hog: { size: 96MiB }";
    let Some(standing) = Standing::new(Ground::new(0), fault) else { return };
    let children = standing.children();
    let [child] = children[..] else { panic!("{children:?}") };
    let status = fs::read_to_string(format!("/proc/{child}/status")).expect("it lives");
    let kib = |key: &str| -> u64 {
        let line = status.lines().find_map(|it| it.strip_prefix(key)).expect("a line");
        line.split_ascii_whitespace().next().and_then(|it| it.parse().ok()).expect("a number")
    };
    let anon = kib("RssAnon:");
    println!("a hog of 98304 KiB has {anon} KiB");
    assert!((98_304..98_304 + 8_192).contains(&anon), "{anon}");
    let score = fs::read_to_string(format!("/proc/{child}/oom_score_adj")).expect("it lives");
    assert_eq!(score.trim(), "1000", "it is the first to go");
    standing.end("hogged");
}

#[test]
fn a_reserve_of_memory_is_never_asked_for() {
    let ground = Ground::new(0);
    let text = "title: x\nmethod:\n  - memory_hog: { size: 1TiB }\n    for: 1s\n";
    let path = ground.file("x.yaml", text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("would leave less than the reserve"), "{done:?}");
}

/// Runs the program on a file system of its own, of 64 MiB and 1,000 inodes, at `GROUND/small`.
fn on_a_small_disk(ground: &Ground, fault: &str) -> Option<Child> {
    fs::create_dir_all(ground.path().join("small")).expect("a folder");
    let file = ground.file("x.yaml", &format!("title: x\nmethod:\n  - {fault}\n    for: 5m\n"));
    let script = "mount -t tmpfs -o size=64m,nr_inodes=1000 none small && exec \"$@\"";
    let program = ground.holdfast(&["chaos", "run", &file.display().to_string()]);
    let may = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|it| it.success()) {
        println!("passed over: this machine allows no mount namespaces");
        return None;
    }
    let mut it = Command::new("unshare");
    it.args(["-rm", "sh", "-c", script, "sh"]).arg(program.get_program()).args(program.get_args());
    it.current_dir(ground.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(it.spawn().expect("it starts"))
}

#[test]
fn a_disk_is_filled_as_declared_and_empty_again_after_a_kill() {
    for (size, share) in [("90%", 0.9), ("16MiB", 0.25)] {
        let ground = Ground::new(0);
        let fault = format!("disk_fill: {{ path: GROUND/small, size: '{size}' }}");
        let Some(mut runner) = on_a_small_disk(&ground, &fault) else { return };
        assert!(within(PATIENCE, || ground.has(|it| matches!(it, Fact::Effect { .. }))), "{size}");
        // The guardian has the same view of the disk, and lives longer.
        let guardian = ground.guardian().expect("a guardian");
        let small = format!("/proc/{guardian}/root{}/small", ground.path().display());
        let used = || statvfs(Path::new(&small)).map(|it| (it.f_blocks, it.f_blocks - it.f_bfree));
        let (all, taken) = used().expect("it is mounted");
        let got = f64::from(u32::try_from(taken).expect("small"))
            / f64::from(u32::try_from(all).expect("small"));
        println!("{size} of a disk: {:.2} % are taken", got * 100.0);
        assert!((got - share).abs() <= 0.01, "{size}: {got}");
        let folder = fs::File::open(&small).expect("it can be looked at");
        send(runner.id(), Signal::KILL);
        let empty = || rustix::fs::fstatvfs(&folder).is_ok_and(|it| it.f_blocks == it.f_bfree);
        assert!(within(PATIENCE, empty), "{size}: it is empty again");
        wait(&mut runner, PATIENCE);
        assert!(within(PATIENCE, || ground.helpers().is_empty()));
        drop(folder);
        ground.assert_settled(size);
    }
}

#[test]
fn inodes_are_taken_as_declared() {
    let ground = Ground::new(0);
    let fault = "inode_fill: { path: GROUND/small, percent: 100, reserve: 10 }";
    let Some(mut runner) = on_a_small_disk(&ground, fault) else { return };
    assert!(within(PATIENCE, || ground.has(|it| matches!(it, Fact::Effect { .. }))));
    let guardian = ground.guardian().expect("a guardian");
    let small = format!("/proc/{guardian}/root{}/small", ground.path().display());
    let it = statvfs(Path::new(&small)).expect("it is mounted");
    println!("{} of {} inodes are left", it.f_ffree, it.f_files);
    assert_eq!(it.f_ffree, 10);
    send(runner.id(), Signal::TERM);
    wait(&mut runner, PATIENCE);
    ground.assert_settled("no inodes");
}

#[test]
fn nobody_else_can_have_a_port_that_is_taken() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = free.local_addr().expect("an address");
    drop(free);
    let fault = format!("port_occupy: {{ address: '{at}' }}");
    let Some(standing) = Standing::new(Ground::new(0), &fault) else { return };
    assert!(TcpListener::bind(at).is_err_and(|it| it.kind() == std::io::ErrorKind::AddrInUse));
    assert!(TcpStream::connect(at).is_err(), "and nobody answers");
    standing.end("a port");
}

#[test]
fn a_process_at_its_limit_can_open_nothing_more() {
    let mut ground = Ground::new(0);
    // It opens a file over and over, and says so where it can be read.
    let script = "while :; do if : < /dev/null; then echo yes > said; else echo no > said; fi; \
        sleep 0.01; done 2>/dev/null # ";
    let script = format!("cd {}; ulimit -Sn 64; {script}{}", ground.path().display(), ground.tag());
    let pid = ground.victim("bash", &["-c", &script]);
    let limit = || {
        let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it lives");
        text.lines().find(|it| it.starts_with("Max open files")).map(str::to_owned)
    };
    assert!(within(PATIENCE, || limit().is_some_and(|it| it.contains(" 64 "))));
    let before = limit();
    let fault = "fd_limit: { target: { cmdline: '# TAG' }, limit: 3 }";
    let Some(standing) = Standing::new(ground, fault) else { return };
    assert!(limit().is_some_and(|it| it.contains(" 3 ")), "{:?}", limit());
    let ground = standing.end("limited");
    assert_eq!(limit(), before);
    drop(ground);
}

#[test]
fn a_file_comes_back_as_the_very_file_that_it_was() {
    for (fault, content) in [
        ("fault: remove", None),
        ("fault: truncate", Some("")),
        ("fault: content, content: other", Some("other")),
        ("fault: permission, mode: '0200'", Some("limit = 7\n")),
    ] {
        let ground = Ground::new(0);
        let path = ground.file("limits.conf", "limit = 7\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("it is ours");
        let facts = || {
            let it = fs::metadata(&path).expect("it is there");
            (it.ino(), it.mode(), it.uid(), it.gid(), it.mtime(), it.mtime_nsec())
        };
        let before = facts();
        let settings = format!("file_fault: {{ path: GROUND/limits.conf, {fault} }}");
        let Some(standing) = Standing::new(ground, &settings) else { return };
        let mut text = String::new();
        let read = fs::File::open(&path).and_then(|mut it| it.read_to_string(&mut text));
        let may_not = rustix::process::geteuid().is_root() || !fault.contains("permission");
        assert!(read.is_ok() == content.is_some() || !may_not, "{fault}: {read:?}");
        assert!(content.is_none_or(|it| it == text || !may_not), "{fault}: {text}");
        let ground = standing.end(fault);
        assert_eq!(facts(), before, "{fault}");
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("limit = 7\n"));
        let left = fs::read_dir(ground.path()).expect("a folder").flatten();
        let left = left.filter(|it| it.file_name().to_string_lossy().starts_with(".holdfast"));
        assert_eq!(left.count(), 0, "{fault}");
    }
}

#[test]
fn without_root_what_cannot_be_done_is_refused_by_name() {
    if !rustix::process::geteuid().is_root() {
        println!("passed over: only root can become nobody");
        return;
    }
    let mut ground = Ground::new(1);
    let victim = ground.victim("sleep", &["7199"]);
    for path in [ground.path().to_owned(), ground.path().join("theirs")] {
        fs::create_dir_all(&path).expect("a folder");
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("it is ours");
    }
    let own = ground.path().join("holdfast");
    fs::copy(env!("CARGO_BIN_EXE_holdfast"), &own).expect("a program that nobody may run");
    ground.file("root.pid", &victim.to_string());
    let faults = [
        ("process_pause: { target: { pid_file: GROUND/root.pid }, by: trace }", "CAP_SYS_PTRACE"),
        ("fd_limit: { target: { pid_file: GROUND/root.pid }, limit: 4 }", "CAP_SYS_RESOURCE"),
        ("memory_limit: { target: { pid_file: GROUND/root.pid }, more: 64MiB }", "run as root"),
        (
            "io_throttle: { target: { pid_file: GROUND/root.pid }, path: GROUND, each_second: 1MB }",
            "run as root",
        ),
        ("cpu_throttle: { target: { pid_file: GROUND/root.pid }, percent: 5 }", "CAP_SYS_PTRACE"),
        ("disk_fill: { path: /etc, size: 1MiB }", "run as root"),
        ("file_fault: { path: /etc/passwd, fault: remove }", "as root"),
    ];
    let nobody = |words: &[&str]| -> Done {
        let mut it = Command::new("setpriv");
        it.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&own);
        it.arg("--state").arg(ground.path().join("theirs/state")).args(words).arg("--yes");
        it.current_dir(ground.path()).output().expect("setpriv starts").into()
    };
    for (fault, remedy) in faults {
        let text = format!("title: x\nmethod:\n  - {fault}\n    for: 100ms\n");
        let path = ground.file("x.yaml", &text).display().to_string();
        let done = nobody(&["chaos", "run", &path]);
        assert_eq!(done.code, Some(3), "{fault}: {done:?}");
        assert!(done.err.contains(remedy) || done.err.contains("control group"), "{done:?}");
    }
    for fault in [
        "memory_hog: { size: 16MiB }",
        "disk_fill: { path: GROUND/theirs, size: 1MiB }",
        "io_stress: { path: GROUND/theirs, size: 1MiB }",
        "cpu_burn: { percent: 5, cores: 1 }",
    ] {
        let text = format!("title: x\nmethod:\n  - {fault}\n    for: 50ms\n");
        let path = ground.file("x.yaml", &text).display().to_string();
        let done = nobody(&["chaos", "run", &path]);
        assert_eq!(done.code, Some(4), "nothing was judged, but it was played: {done:?}");
        assert!(done.err.contains(" acts: "), "{fault}: {done:?}");
    }
    assert_eq!(state(victim), Some('S'));
}
