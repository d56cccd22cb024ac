//! Packets that the kernel keeps waiting: on the loopback device, and between two machines of a
//! test's own. Few kernels that tests run on have netem; `tests/machine.sh` boots one that has it.
#![expect(
    clippy::print_stdout,
    reason = "what was measured is said, and one machine tells another"
)]

use std::{
    cell::Cell,
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use holdfast::{
    journal::entry::Fact,
    world::{linux::net::LinuxNet, net::Net as _},
};
use rustix::process::Signal;

use crate::{
    beside::is_machine,
    crash::PATIENCE,
    ground::{Ground, send, wait, within},
    net::bench::{Standing, Talk, alone, echo, lasting},
};

/// Set for the process that is the other machine.
const FAR: &str = "HOLDFAST_FAR";
const NEAR_ADDRESS: &str = "10.93.0.1/24";
const FAR_ADDRESS: &str = "10.93.0.2/24";
const DELAY: Duration = Duration::from_millis(60);
/// Without a fault there is an answer in less, also on a slow machine.
const SOON: Duration = Duration::from_millis(30);

fn ip(args: &str) {
    let done = Command::new("ip").args(args.split(' ')).output().expect("iproute2");
    assert!(done.status.success(), "ip {args}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Whether the kernel takes a queue of this kind, as iproute2 is told.
fn takes(queue: &str) -> bool {
    let tc = |word: &str| {
        let mut tc = Command::new("tc");
        tc.args(["qdisc", word, "dev", "lo", "root"]).args(queue.split(' '));
        tc.output().expect("iproute2").status.success()
    };
    let takes = tc("add");
    if takes {
        assert!(tc("del"), "it goes again");
    }
    takes
}

/// In a network of its own, on a kernel that has netem.
fn with_netem(test: &str, story: impl FnOnce()) {
    alone(test, || {
        if takes("netem delay 1ms") {
            return story();
        }
        assert!(!is_machine(), "this machine was booted for its netem");
        let refused = Ground::new(0);
        let file = refused.file("netem.yaml", &lasting(&delay("by: netem", "port: 9")));
        let done = refused.run(&["chaos", "run", file.to_str().expect("text"), "--dry-run"]);
        let said = "could not keep packets waiting in the kernel: this kernel lacks \
                    CONFIG_NET_SCH_NETEM";
        assert!(done.out.contains(said), "{}{}", done.out, done.err);
    });
}

fn delay(more: &str, traffic: &str) -> String {
    let ms = DELAY.as_millis();
    format!("network_delay: {{ delay: {ms}ms, {more}, traffic: {{ {traffic} }} }}")
}

fn queues() -> Vec<String> {
    LinuxNet.queues().expect("they can be listed")
}

/// So late, and hardly more: a machine that is slow takes its time besides.
fn assert_late(took: Duration, times: u32) {
    let late = DELAY * times;
    println!("{took:?} of {late:?}");
    assert!(took >= late && took < late + DELAY / 2, "{took:?}, and {late:?} was wanted");
}

#[test]
fn every_packet_on_the_loopback_device_waits_as_long_as_was_asked_for() {
    with_netem(
        "net::waiting::every_packet_on_the_loopback_device_waits_as_long_as_was_asked_for",
        || {
            let before = queues();
            let (at, other) = (echo(Ipv4Addr::LOCALHOST), echo(Ipv4Addr::LOCALHOST));
            let (mut talk, mut innocent) = (Talk::to(at), Talk::to(other));
            let fault = delay("by: netem", &format!("address: '{at}', direction: both"));
            let it = Standing::begin(&fault, || _ = talk.round());
            assert!(it.effect().contains("packets have waited and gone on"), "{}", it.effect());
            assert_late(talk.best(), 2);
            // New ones, and their handshakes.
            let handshake = |_| {
                let begun = Instant::now();
                drop(Talk::to(at));
                begun.elapsed()
            };
            assert_late((0..10).map(handshake).min().expect("some"), 2);
            assert!(innocent.best() < SOON, "nobody else waits");
            it.kill(|| queues() == before);
            assert!(talk.best() < SOON, "what stood before the fault stands after it");
        },
    );
}

#[test]
fn datagrams_wait_and_two_acts_have_queues_of_their_own() {
    with_netem("net::waiting::datagrams_wait_and_two_acts_have_queues_of_their_own", || {
        let before = queues();
        let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let (from, one, two) = (socket(), socket(), socket());
        let port = |it: &UdpSocket| it.local_addr().expect("an address").port();
        // The quickest of a few, none of which is mistaken for another. One that leaves just as a
        // queue is put up, or taken away with what still waits in it, is lost.
        let sent = Cell::new(0_u64);
        let took = |to: &UdpSocket| {
            to.set_read_timeout(Some(SOON * 40)).expect("a socket");
            let one = |_| {
                let begun = Instant::now();
                let n = sent.get().wrapping_add(1);
                sent.set(n);
                from.send_to(&n.to_ne_bytes(), to.local_addr().expect("an address"))
                    .expect("it goes");
                let mut got = [0; 8];
                while to.recv(&mut got).is_ok() && u64::from_ne_bytes(got) != n {}
                (u64::from_ne_bytes(got) == n).then(|| begun.elapsed())
            };
            (0..5).filter_map(one).min().expect("one comes")
        };
        let ground = Ground::new(0);
        let acts = [(&one, "60ms", "8s"), (&two, "180ms", "12s")].map(|(socket, late, length)| {
            format!(
                "      - network_delay:\n          delay: {late}\n          by: netem\n          \
                 traffic: {{ address: '127.0.0.1:{}', protocol: udp, direction: out }}\n        \
                 for: {length}\n",
                port(socket)
            )
        });
        let text = format!("title: two\nmax: 1m\nmethod:\n  - parallel:\n{}", acts.concat());
        let file = ground.file("two.yaml", &text);
        let mut runner = ground.play(&file);
        let seen = || {
            _ = (took(&one), took(&two));
            let is_of = |n| ground.has(|it| matches!(it, Fact::Effect { act, .. } if *act == n));
            is_of(1) && is_of(2)
        };
        assert!(within(PATIENCE, seen), "both are seen to act");
        assert_late(took(&one), 1);
        assert_late(took(&two), 3);
        let undone = || ground.has(|it| matches!(it, Fact::Undone { .. }));
        assert!(within(PATIENCE, undone), "one ends");
        assert!(took(&one) < SOON, "it is over");
        assert_late(took(&two), 3);
        // Nothing was to be judged.
        assert_eq!(wait(&mut runner, PATIENCE), Some(4));
        assert_eq!(queues(), before);
    });
}

/// Another machine, by a cable to this one.
struct Far {
    child: Child,
    at: SocketAddr,
}

impl Far {
    fn connect(test: &str) -> Self {
        let me = std::env::current_exe().expect("this test");
        let mut child = Command::new("unshare")
            .args(["-n", me.to_str().expect("text"), "--exact", test, "--nocapture"])
            .env(FAR, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let own = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let elsewhere = || own(&child.id().to_string()).is_some_and(|it| Some(it) != own("self"));
        assert!(within(PATIENCE, elsewhere), "it has a network of its own");
        ip("link add hfnear type veth peer name hffar");
        ip(&format!("link set hffar netns {}", child.id()));
        ip(&format!("address add {NEAR_ADDRESS} dev hfnear"));
        ip("link set hfnear up");
        let mut said = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains("listens at ") {
            line.clear();
            let some = std::io::BufRead::read_line(&mut said, &mut line).expect("it speaks");
            assert!(some > 0, "it ended");
        }
        let at = line.trim().rsplit(' ').next().expect("an address").parse().expect("an address");
        // Neighbours must be known, so that the first packet does not wait for it.
        assert!(within(PATIENCE, || TcpStream::connect(at).is_ok()), "it answers");
        Self { child, at }
    }

    /// The other machine itself, until the end of its input.
    fn be() {
        let there = || Command::new("ip").args(["link", "show", "hffar"]).output();
        let found = || there().is_ok_and(|it| it.status.success());
        assert!(within(PATIENCE, found), "there is a cable");
        ip("link set lo up");
        ip(&format!("address add {FAR_ADDRESS} dev hffar"));
        ip("link set hffar up");
        let address = FAR_ADDRESS.split('/').next().expect("an address");
        println!("\nlistens at {}", echo(address.parse().expect("an address")));
        drop(std::io::stdin().read(&mut [0]));
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn what_comes_from_another_machine_waits_apart_from_what_goes_there() {
    const TEST: &str =
        "net::waiting::what_comes_from_another_machine_waits_apart_from_what_goes_there";
    if std::env::var_os(FAR).is_some() {
        return Far::be();
    }
    with_netem(TEST, || {
        let far = Far::connect(TEST);
        let (before, at) = (queues(), far.at);
        for (way, times) in [("out", 1), ("in", 1), ("both", 2)] {
            let mut talk = Talk::to(at);
            let of_it = format!("address: '{at}', direction: {way}");
            let fault = delay("by: netem", &of_it);
            let it = Standing::begin(&fault, || _ = talk.round());
            assert!(it.effect().starts_with("pass"), "{way}: {}", it.effect());
            assert_late(talk.best(), times);
            it.end();
            assert!(talk.best() < SOON, "{way}: it is over");
            assert_eq!(queues(), before, "{way}");
        }
    });
}

#[test]
fn after_the_runner_and_its_guardian_are_killed_recover_takes_the_queues_away() {
    const TEST: &str =
        "net::waiting::after_the_runner_and_its_guardian_are_killed_recover_takes_the_queues_away";
    if std::env::var_os(FAR).is_some() {
        return Far::be();
    }
    with_netem(TEST, || {
        let far = Far::connect(TEST);
        let before = queues();
        let mut talk = Talk::to(far.at);
        let ground = Ground::new(0);
        let of_it = format!("address: '{}', direction: both", far.at);
        let file = ground.file("fault.yaml", &lasting(&delay("by: netem", &of_it)));
        let mut runner = ground.play(&file);
        let seen = || {
            talk.round();
            ground.has(|it| matches!(it, Fact::Effect { .. }))
        };
        assert!(within(PATIENCE, seen), "it acts");
        assert_late(talk.best(), 2);
        let guardian = ground.guardian().expect("one watches");
        send(guardian, Signal::STOP);
        send(runner.id(), Signal::KILL);
        send(guardian, Signal::KILL);
        runner.wait().expect("a child of ours");
        // What the kernel holds is gone; what stays behind touches nothing.
        assert!(within(Duration::from_secs(1), || talk.round() < SOON), "nothing is late any more");
        assert_ne!(queues(), before, "the queues stay behind");
        let done = ground.run(&["recover"]);
        assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
        assert_eq!(queues(), before);
        ground.assert_settled("recovered");
    });
}

#[test]
fn a_queue_that_somebody_chose_stays_and_a_relay_takes_over() {
    with_netem("net::waiting::a_queue_that_somebody_chose_stays_and_a_relay_takes_over", || {
        let chosen = "qdisc add dev lo root handle 7: tbf rate 1gbit burst 1mb latency 50ms";
        let done = Command::new("tc").args(chosen.split(' ')).status().expect("iproute2");
        assert!(done.success(), "tc {chosen}");
        let before = queues();
        let at = echo(Ipv4Addr::LOCALHOST);
        let ground = Ground::new(0);
        let why = "lo has a queue that somebody chose (tbf 7:), and that must stay";
        for by in ["netem", "either"] {
            let fault = delay(&format!("by: {by}"), &format!("address: '{at}'"));
            let file = ground.file("fault.yaml", &lasting(&fault));
            let done = ground.run(&["chaos", "run", file.to_str().expect("text"), "--dry-run"]);
            let said = format!("{}{}", done.out, done.err);
            assert!(said.contains(why), "{by}: {said}");
            assert_eq!(said.contains("through a relay of ours"), by == "either", "{said}");
        }
        assert_eq!(queues(), before);
    });
}
