//! Loss and partition.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

use crate::{
    ground::Ground,
    net::bench::{Line, Standing, alone, can_be_alone},
};

/// How many datagrams are counted.
const MANY: u32 = 20_000;

/// Five standard deviations of the share of `MANY` that are lost with chance `percent`.
fn bounds(percent: f64) -> (f64, f64) {
    let share = percent / 100.0;
    let wide = 500.0 * (share * (1.0 - share) / f64::from(MANY)).sqrt();
    (percent - wide, percent + wide)
}

#[test]
fn the_share_of_packets_that_was_asked_for_is_lost() {
    alone("net::packets::the_share_of_packets_that_was_asked_for_is_lost", || {
        for (percent, direction) in [(30.0, "out"), (2.5, "in")] {
            let line = Line::new();
            let (side, other) = match direction {
                "out" => ("address: 127.0.0.1, port", line.at.port()),
                _ => ("local_port", line.at.port()),
            };
            let fault = format!(
                "network_loss: {{ percent: {percent}, \
                 traffic: {{ {side}: {other}, direction: {direction} }} }}"
            );
            let it = Standing::begin(&fault, || {
                line.arrive(40);
            });
            assert!(it.effect().starts_with("pass"), "{}", it.effect());
            let lost = 100.0 * f64::from(MANY - line.arrive(MANY)) / f64::from(MANY);
            let (least, most) = bounds(percent);
            println!("{direction}: {percent}% wanted, {lost:.2}% lost: {}", it.effect());
            assert!((least..=most).contains(&lost), "{lost}% of {least}% to {most}%");
            // Others' packets are left alone.
            let other = Line::new();
            assert_eq!(other.arrive(500), 500);
            it.kill(|| line.arrive(100) == 100);
        }
    });
}

/// Connects within two seconds.
fn connect(at: (Ipv4Addr, u16)) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&at.into(), Duration::from_secs(2))
}

/// A connection over which a word goes and comes back.
struct Echo {
    listener: TcpListener,
    near: TcpStream,
    far: TcpStream,
}

impl Echo {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let at = listener.local_addr().expect("an address");
        let near = TcpStream::connect(at).expect("a connection");
        let (far, _) = listener.accept().expect("a connection");
        far.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
        Self { listener, near, far }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("an address").port()
    }

    /// Takes what got over before.
    fn drain(&mut self) {
        while self.far.read(&mut [0; 4096]).is_ok_and(|it| it > 0) {}
    }

    /// Whether a word gets over within a third of a second.
    fn gets_over(&mut self) -> bool {
        self.near.write_all(b"x").expect("it is taken");
        let mut word = [0; 64];
        match self.far.read(&mut word) {
            Ok(n) => n > 0,
            Err(why) if why.kind() == ErrorKind::WouldBlock => false,
            Err(why) => panic!("{why}"),
        }
    }
}

#[test]
fn what_is_dropped_is_silent_and_comes_through_afterwards() {
    alone("net::packets::what_is_dropped_is_silent_and_comes_through_afterwards", || {
        let mut echo = Echo::new();
        assert!(echo.gets_over());
        let fault =
            format!("network_partition: {{ traffic: {{ address: '127.0.0.1:{}' }} }}", echo.port());
        let mut near = echo.near.try_clone().expect("a socket");
        let it = Standing::begin(&fault, || near.write_all(b"y").expect("it is taken"));
        assert!(it.effect().starts_with("pass"), "{}", it.effect());
        echo.drain();
        assert!(!echo.gets_over(), "it is cut");
        it.end();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !echo.gets_over() {
            assert!(std::time::Instant::now() < deadline, "what was sent is sent again");
        }
    });
}

#[test]
fn what_is_rejected_is_told_so_at_once() {
    alone("net::packets::what_is_rejected_is_told_so_at_once", || {
        for side in ["address: 127.0.0.1, port", "direction: in, local_port"] {
            let echo = Echo::new();
            let at = (Ipv4Addr::LOCALHOST, echo.port());
            let fault = format!(
                "network_partition: {{ how: reject, traffic: {{ {side}: {} }} }}",
                echo.port()
            );
            let mut outcome = Vec::new();
            let it = Standing::begin(&fault, || {
                outcome.push(connect(at).err().map(|it| it.kind()));
            });
            assert!(it.effect().starts_with("pass"), "{side}: {}", it.effect());
            let refused = Some(ErrorKind::ConnectionRefused);
            assert_eq!(connect(at).err().map(|it| it.kind()), refused, "{side}");
            it.kill(|| connect(at).is_ok());
        }
    });
}

#[test]
fn a_user_s_own_packets_can_be_meant() {
    alone("net::packets::a_user_s_own_packets_can_be_meant", || {
        let line = Line::new();
        let fault = |user: &str| {
            format!(
                "network_loss: {{ percent: 100, traffic: {{ user: '{user}', protocol: udp }} }}"
            )
        };
        let it = Standing::begin(&fault("0"), || {
            line.arrive(10);
        });
        assert!(it.effect().starts_with("pass"), "{}", it.effect());
        assert_eq!(line.arrive(50), 0);
        it.kill(|| line.arrive(50) == 50);
        let it = Standing::begin(&fault("12345"), || {
            assert_eq!(line.arrive(10), 10);
        });
        assert!(it.effect().contains("0 of 0 packets"), "{}", it.effect());
        it.end();
    });
}

#[test]
fn what_people_log_in_by_is_left_alone_unless_it_is_meant() {
    alone("net::packets::what_people_log_in_by_is_left_alone_unless_it_is_meant", || {
        let ground = Ground::new(0);
        let file = |name: &str, traffic: &str| {
            let text = format!(
                "title: ssh\nmethod:\n  - network_partition: {{ traffic: {traffic} }}\n    for: 1s\n"
            );
            ground.file(name, &text).display().to_string()
        };
        let refused = file("port.yaml", "{ local_port: 22 }");
        let done = ground.run(&["chaos", "run", &refused]);
        assert_eq!(done.code, Some(3), "{done:?}");
        assert!(done.err.contains("even_ssh: true"), "{done:?}");
        let meant = file("meant.yaml", "{ local_port: 22, even_ssh: true }");
        let done = ground.run(&["chaos", "run", "--dry-run", &meant]);
        assert_eq!(done.code, Some(0), "{done:?}");
        // A network that holds a login cuts everything else.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 22)).expect("the port is ours here");
        let mut near = connect((Ipv4Addr::LOCALHOST, 22)).expect("a connection");
        let (mut far, _) = port.accept().expect("a connection");
        let line = Line::new();
        let it =
            Standing::begin("network_partition: { traffic: { address: 127.0.0.0/8 } }", || {
                line.arrive(10);
            });
        near.write_all(b"x").expect("it is taken");
        far.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        assert_eq!(far.read(&mut [0; 8]).expect("it gets over"), 1);
        assert_eq!(line.arrive(20), 0);
        it.end();
    });
}

#[test]
fn whoever_may_not_change_the_network_is_told_what_is_needed() {
    if !can_be_alone() {
        return;
    }
    let ground = Ground::new(0);
    let text = "title: no\nmethod:\n  - network_loss: { percent: 1, traffic: { port: 9 } }\n    \
                for: 1s\n";
    let file = ground.file("no.yaml", text).display().to_string();
    let me = ground.holdfast(&["chaos", "run", &file]);
    // A user namespace without a network of its own: no power over the machine's.
    let done =
        Command::new("unshare").arg("-Ur").arg(me.get_program()).args(me.get_args()).output();
    let done = done.expect("it starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("CAP_NET_ADMIN") && said.contains("unshare -Urn"), "{said}");
    assert!(ground.journals().is_empty(), "nothing was begun");
}
