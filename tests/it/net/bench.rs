//! A network of a test's own, with nothing in it but what the test puts there.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and what it measured is said"
)]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use holdfast::journal::entry::Fact;
use rustix::process::Signal;

use crate::{
    beside::{skipped, tool},
    crash::PATIENCE,
    ground::{Ground, send, wait, within},
};

/// Set for the test that runs alone.
const ALONE: &str = "HOLDFAST_ALONE";
/// How many datagrams are on their way at a time: a socket's queue holds more.
const BATCH: u32 = 40;

/// Plays a test in a user, network and mount namespace of its own: this very test is started again
/// in there. Needs no root, where the machine lets its users have namespaces.
pub(crate) fn alone(test: &str, story: impl FnOnce()) {
    if std::env::var(ALONE).is_ok_and(|it| it == test) {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.is_ok_and(|it| it.success()), "the loopback device goes up");
        return story();
    }
    if !can_be_alone() {
        return;
    }
    let me = std::env::current_exe().expect("this test");
    let done = Command::new("unshare")
        .arg("-Urnm")
        .arg(me)
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, test)
        .output()
        .expect("it starts");
    let out = String::from_utf8_lossy(&done.stdout);
    let err = String::from_utf8_lossy(&done.stderr);
    print!("{out}");
    // Past this harness, too: what was passed over in there.
    for it in err.lines().filter(|it| it.starts_with("SKIPPED")) {
        drop(writeln!(std::io::stderr(), "{it}"));
    }
    assert!(done.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "no test is called {test}: {out}");
}

/// Whether this machine can give a test a network of its own; says so if not.
pub(crate) fn can_be_alone() -> bool {
    if tool("unshare", "util-linux").is_none() || tool("ip", "iproute2").is_none() {
        return false;
    }
    // Some machines give namespaces to their users, and no power in them.
    let tried = Command::new("unshare").args(["-Urnm", "ip", "link", "set", "lo", "up"]).output();
    let can = tried.is_ok_and(|it| it.status.success());
    if !can {
        skipped("needs namespaces: `unshare -Urnm ip link set lo up` fails here");
    }
    can
}

/// A scenario of one fault that lasts until somebody ends it.
pub(crate) fn lasting(fault: &str) -> String {
    format!("title: a fault of the network\nmax: 10m\nmethod:\n  - {fault}\n    for: 5m\n")
}

/// A run whose fault stands, and was looked at.
pub(crate) struct Standing {
    pub(crate) ground: Ground,
    runner: Child,
}

impl Standing {
    /// Begins it; `traffic` goes on until the fault was looked at.
    pub(crate) fn begin(fault: &str, mut traffic: impl FnMut()) -> Self {
        let ground = Ground::new(0);
        let file = ground.file("fault.yaml", &lasting(fault));
        let runner = ground.play(&file);
        let looked = || {
            traffic();
            ground.has(|it| matches!(it, Fact::Effect { .. } | Fact::Failed { .. }))
                || !ground.has(|_| true) && ground.open() > 1
        };
        assert!(within(PATIENCE, looked), "{}", ground.run(&["chaos", "run", "fault.yaml"]).err);
        Self { ground, runner }
    }

    /// What the look whether it acts came to.
    pub(crate) fn effect(&self) -> String {
        let (_, lines) = self.ground.journal();
        let found = lines.entries.into_iter().find_map(|it| match it.fact {
            Fact::Effect { seen, how, .. } => Some(format!("{}: {how}", seen.word())),
            Fact::Failed { why, .. } => Some(why),
            _ => None,
        });
        found.expect("it was looked at")
    }

    /// Kills the runner. What the kernel holds is gone at once; then everything is settled.
    pub(crate) fn kill(mut self, healed: impl FnMut() -> bool) {
        send(self.runner.id(), Signal::KILL);
        assert!(within(Duration::from_secs(1), healed), "healed within a second");
        self.runner.wait().expect("a child of ours");
        assert!(within(PATIENCE, || self.ground.helpers().is_empty()), "the guardian went home");
        self.ground.assert_settled("killed");
    }

    /// Asks the runner to stop, and waits until it has.
    pub(crate) fn end(mut self) {
        send(self.runner.id(), Signal::TERM);
        assert_eq!(wait(&mut self.runner, PATIENCE), Some(4));
        self.ground.assert_settled("ended");
    }
}

/// Two sockets, and what gets from one to the other.
pub(crate) struct Line {
    pub(crate) from: UdpSocket,
    pub(crate) to: UdpSocket,
    pub(crate) at: SocketAddr,
}

impl Line {
    pub(crate) fn new() -> Self {
        let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let (from, to) = (socket(), socket());
        from.set_nonblocking(true).expect("a socket");
        to.set_nonblocking(true).expect("a socket");
        let at = to.local_addr().expect("an address");
        Self { from, to, at }
    }

    /// Sends `count` datagrams, and tells how many arrive. Nobody who sends over a network that
    /// loses packets is told so.
    pub(crate) fn arrive(&self, count: u32) -> u32 {
        let mut arrived = 0;
        let mut sent = 0;
        while sent < count {
            for _ in 0..BATCH.min(count - sent) {
                self.from.send_to(b"datagram", self.at).expect("a loss is not told");
                sent += 1;
            }
            arrived += self.drain();
        }
        // The last ones may still be on their way.
        thread::sleep(Duration::from_millis(100));
        arrived + self.drain()
    }

    fn drain(&self) -> u32 {
        let mut all = 0;
        loop {
            match self.to.recv_from(&mut [0; 64]) {
                Ok(_) => all += 1,
                Err(why) if why.kind() == ErrorKind::WouldBlock => return all,
                Err(why) => panic!("{why}"),
            }
        }
    }
}

/// Answers everything with itself, over TCP.
pub(crate) fn echo(address: Ipv4Addr) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    let at = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for far in listener.incoming().flatten() {
            thread::spawn(move || {
                far.set_nodelay(true).expect("a socket");
                std::io::copy(&mut &far, &mut &far)
            });
        }
    });
    at
}

/// A connection that stands.
pub(crate) struct Talk(TcpStream);

impl Talk {
    pub(crate) fn to(at: SocketAddr) -> Self {
        let it = TcpStream::connect(at).expect("a connection");
        it.set_nodelay(true).expect("a socket");
        it.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self(it)
    }

    /// How long eight bytes take there and back again.
    pub(crate) fn round(&mut self) -> Duration {
        let begun = Instant::now();
        self.0.write_all(b"holdfast").expect("it stands");
        self.0.read_exact(&mut [0; 8]).expect("all comes back");
        begun.elapsed()
    }

    /// The quickest of a few.
    pub(crate) fn best(&mut self) -> Duration {
        (0..10).map(|_| self.round()).min().expect("some")
    }
}
