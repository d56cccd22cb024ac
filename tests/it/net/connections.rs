//! Connections that are reset.

use std::{
    io::{ErrorKind, Read as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

use crate::{
    ground::Ground,
    net::bench::{alone, can_be_alone},
};

/// Two ends of a connection.
fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let at = listener.local_addr().expect("an address");
    let near = TcpStream::connect(at).expect("a connection");
    let (far, _) = listener.accept().expect("a connection");
    for it in [&near, &far] {
        it.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    }
    (near, far)
}

fn scenario(traffic: &str, max: u32) -> String {
    format!(
        "title: reset\nmethod:\n  \
         - connection_reset: {{ traffic: {traffic}, max_targets: {max} }}\n    for: 50ms\n"
    )
}

#[test]
fn connections_that_stand_are_reset_and_others_are_not() {
    alone("net::connections::connections_that_stand_are_reset_and_others_are_not", || {
        let ground = Ground::new(0);
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let (hit, spared) = (listen(), listen());
        let port = |it: &TcpListener| it.local_addr().expect("an address").port();
        let (mut near, mut far) = pair(&hit);
        let (mut other, _kept) = pair(&spared);
        let file = |name: &str, text: String| ground.file(name, &text).display().to_string();
        let both = file("two.yaml", scenario("{ address: 127.0.0.0/8 }", 3));
        let many = ground.run(&["chaos", "run", &both]);
        assert_eq!(many.code, Some(3), "{many:?}");
        assert!(many.err.contains("4 connections match"), "{many:?}");
        let address = format!("{{ address: '127.0.0.1:{}' }}", port(&hit));
        let one = file("one.yaml", scenario(&address, 1));
        let done = ground.run(&["chaos", "run", &one]);
        assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
        let broken = |it: &mut TcpStream| it.read(&mut [0; 8]).err().map(|it| it.kind());
        let (near, far) = (broken(&mut near), broken(&mut far));
        assert_eq!(near, Some(ErrorKind::ConnectionAborted), "our side");
        assert_eq!(far, Some(ErrorKind::ConnectionReset), "the other side");
        other.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
        assert_eq!(broken(&mut other), Some(ErrorKind::WouldBlock), "it stands");
        ground.assert_settled("reset");
        let again = ground.run(&["chaos", "run", &one]);
        assert_eq!(again.code, Some(3), "{again:?}");
        assert!(again.err.contains("nothing matches connections"), "{again:?}");
    });
}

#[test]
fn whoever_may_not_reset_connections_is_told_what_is_needed() {
    if !can_be_alone() {
        return;
    }
    let ground = Ground::new(0);
    let file = ground.file("no.yaml", &scenario("{ port: 9 }", 1)).display().to_string();
    let me = ground.holdfast(&["chaos", "run", &file]);
    let powers = ["-Ur", "setpriv", "--bounding-set=-net_admin"];
    let mut powerless = Command::new("unshare");
    powerless.args(powers).arg(me.get_program()).args(me.get_args());
    let done = powerless.output().expect("it starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
}
