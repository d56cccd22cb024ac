//! Names that are answered wrongly, and names that are not.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use crate::net::bench::{Standing, alone};

/// A question for an IPv4 address.
fn query(name: &str) -> Vec<u8> {
    let mut all = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        all.push(u8::try_from(label.len()).expect("it is short"));
        all.extend(label.as_bytes());
    }
    all.extend([0, 0, 1, 0, 1]);
    all
}

/// A resolver that knows every name: it answers with the question and a word.
fn resolver() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("the port is ours here");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 53)).expect("the port is ours here");
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((n, from)) = socket.recv_from(&mut query) {
            let said = [query.get(..n).unwrap_or_default(), b"truth"].concat();
            // An answer may be lost as redirection begins or ends; whoever asks asks again.
            drop(socket.send_to(&said, from));
        }
    });
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut length = [0; 2];
            while client.read_exact(&mut length).is_ok() {
                let mut query = vec![0; u16::from_be_bytes(length).into()];
                client.read_exact(&mut query).expect("it comes whole");
                let said = [&query[..], b"truth"].concat();
                let length = u16::try_from(said.len()).expect("it is short").to_be_bytes();
                client.write_all(&[&length[..], &said].concat()).expect("it is taken");
            }
        }
    });
}

/// What is answered to a question over UDP, asked three times as resolvers do.
fn ask(name: &str) -> Option<Vec<u8>> {
    (0..3).find_map(|_| ask_for(name, Duration::from_secs(1)))
}

/// The same, for those who ask again soon.
fn ask_for(name: &str, length: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(length)).expect("a socket");
    socket.connect((Ipv4Addr::LOCALHOST, 53)).expect("an address");
    socket.send(&query(name)).expect("it is taken");
    let mut said = vec![0; 512];
    let n = socket.recv(&mut said).ok()?;
    said.truncate(n);
    Some(said)
}

/// The same over TCP.
fn ask_tcp(name: &str) -> Vec<u8> {
    let mut there = TcpStream::connect((Ipv4Addr::LOCALHOST, 53)).expect("a connection");
    there.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let query = query(name);
    let length = u16::try_from(query.len()).expect("it is short").to_be_bytes();
    there.write_all(&[&length[..], &query].concat()).expect("it is taken");
    let mut length = [0; 2];
    there.read_exact(&mut length).expect("an answer");
    let mut said = vec![0; u16::from_be_bytes(length).into()];
    there.read_exact(&mut said).expect("an answer");
    said
}

fn true_of(name: &str) -> Vec<u8> {
    [&query(name)[..], b"truth"].concat()
}

/// The code of an answer.
fn code(said: &[u8]) -> u8 {
    said.get(3).expect("a head") & 15
}

#[test]
fn only_the_names_that_are_named_are_answered_wrongly() {
    alone("net::names::only_the_names_that_are_named_are_answered_wrongly", || {
        resolver();
        assert_eq!(ask("kyc.bank"), Some(true_of("kyc.bank")));
        for (answer, wanted) in [("nxdomain", Some(3)), ("servfail", Some(2)), ("timeout", None)] {
            let fault = format!("dns_fault: {{ names: [KYC.bank, '*.lists'], answer: {answer} }}");
            let it = Standing::begin(&fault, || {
                ask("kyc.bank");
            });
            assert!(it.effect().starts_with("pass"), "{}", it.effect());
            for name in ["kyc.bank", "Kyc.Bank", "un.lists"] {
                assert_eq!(ask(name).map(|it| code(&it)), wanted, "{answer}: {name}");
            }
            for name in ["bank", "other.bank", "lists"] {
                assert_eq!(ask(name), Some(true_of(name)), "{answer}: {name}");
            }
            assert_eq!(ask_tcp("other.bank"), true_of("other.bank"), "{answer}");
            if let Some(wanted) = wanted {
                assert_eq!(code(&ask_tcp("un.lists")), wanted, "{answer}");
            }
            let soon = Duration::from_millis(50);
            it.kill(|| ask_for("kyc.bank", soon) == Some(true_of("kyc.bank")));
        }
        let fault = "dns_fault: { names: ['*'], answer: wrong, address: 192.0.2.7 }";
        let it = Standing::begin(fault, || {
            ask("any.name");
        });
        let said = ask("any.name").expect("an answer");
        assert!(said.ends_with(&[0, 4, 192, 0, 2, 7]), "{said:?}");
        it.end();
    });
}
