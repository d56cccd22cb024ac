//! TCP, DNS, TLS and Prometheus, each a real server on loopback.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

use super::Eye;
use crate::beside::{self, tool};

/// Answers each connection by what `say` makes of what it hears first, and ends with the test.
fn server(say: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut heard = [0; 4096];
            let size = stream.read(&mut heard).unwrap_or(0);
            drop(stream.write_all(&say(&heard[..size])));
            // Kept until the other side has gone.
            drop(stream.read(&mut heard));
        }
    });
    address
}

#[tokio::test]
async fn tcp_sees_who_takes_the_call_and_what_they_say() {
    let address = server(|heard| [b"+PONG ".as_slice(), heard].concat());
    let eye = |more: &str| Eye::new("tcp", &format!("{{address: '{address}', {more}}}"));
    let seen = eye(r#"send: "PING\r\n", hear: "+PONG PING""#).see().await;
    assert!(seen.is("open", 1.0) && seen.is("heard", 1.0), "{seen:?}");
    assert!(seen.text("text").starts_with("+PONG PING"), "{seen:?}");
    assert!(seen.number("connect_ms") <= seen.number("latency_ms"), "{seen:?}");
    let seen = eye("timeout: 10s").see().await;
    assert!(seen.is("open", 1.0) && !seen.has("error"), "{seen:?}");
    let other = eye("send: PING, hear: never, timeout: 100ms").see().await;
    assert!(other.is("open", 1.0) && other.is("heard", 0.0), "{other:?}");
    assert!(other.text("error").contains("nothing within 100 ms"), "{other:?}");
    assert_eq!(other.text("text"), "+PONG PING", "what came all the same is told");
    let seen = Eye::new("tcp", "address: 127.0.0.1:1").see().await;
    assert!(seen.is("open", 0.0) && seen.text("error").contains("refused"), "{seen:?}");
    let why = Eye::new("tcp", "address: no-port-at-all").blind().await;
    assert!(why.contains("socket address"), "{why}");
}

/// A name server that knows one name; over UDP it cuts short what has `many` in its name.
fn name_server() -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).unwrap();
    thread::spawn(move || {
        let mut heard = [0; 512];
        loop {
            let (size, from) = udp.recv_from(&mut heard).unwrap();
            let mut answer = answer(&heard[..size]);
            if heard[..size].windows(4).any(|it| it == b"many") {
                answer.truncate(size);
                answer[2] |= 0x02;
                answer[7] = 1;
            }
            if !heard[..size].windows(5).any(|it| it == b"quiet") {
                // First an answer to some other question: it is not ours.
                let mut other = answer.clone();
                other[0] ^= 0xff;
                udp.send_to(&other, from).unwrap();
                udp.send_to(&answer, from).unwrap();
            }
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let (mut length, mut heard) = ([0; 2], [0; 512]);
            stream.read_exact(&mut length).unwrap();
            let size = usize::from(u16::from_be_bytes(length));
            stream.read_exact(&mut heard[..size]).unwrap();
            let answer = answer(&heard[..size]);
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length, answer.as_slice()].concat()).unwrap();
        }
    });
    address
}

fn answer(question: &[u8]) -> Vec<u8> {
    let mut out = question.to_vec();
    out[2] |= 0x80;
    if question.windows(7).any(|it| it == b"missing") {
        out[3] = 3;
        return out;
    }
    out[7] = 2;
    for last in [1, 2] {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, last]);
    }
    out
}

#[tokio::test]
async fn dns_sees_codes_and_records_over_udp_and_tcp() {
    let server = name_server();
    let eye = |name: &str, more: &str| {
        Eye::new("dns", &format!("{{name: {name}, server: '{server}', {more}}}"))
    };
    for name in ["ledger.bank.example", "many.bank.example"] {
        let seen = eye(name, "timeout: 10s").see().await;
        assert!(seen.is("answered", 1.0) && seen.is("answers", 2.0), "{name}: {seen:?}");
        assert_eq!((seen.text("rcode"), seen.text("records")), ("NOERROR", "127.0.0.1 127.0.0.2"));
    }
    let seen = eye("missing.bank.example", "record: AAAA, timeout: 10s").see().await;
    assert!(seen.is("answered", 1.0) && seen.is("answers", 0.0), "{seen:?}");
    assert_eq!(seen.text("rcode"), "NXDOMAIN");
    let quiet = eye("quiet.bank.example", "timeout: 50ms").see().await;
    assert!(quiet.is("answered", 0.0) && quiet.text("rcode") == "none", "{quiet:?}");
    assert!(quiet.text("error").contains("nothing within 50 ms"), "{quiet:?}");
    let why = eye("a..b", "timeout: 1s").blind().await;
    assert!(why.contains("is no name"), "{why}");
}

/// Makes an authority and a certificate that it has signed, for `bank.example` and 127.0.0.1.
pub(super) fn certificates(openssl: &Path, folder: &Path, days: &str) {
    let run = |words: &str| {
        let done = Command::new(openssl)
            .args(words.split(' '))
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
         -subj /CN=House-CA -keyout ca.key -out ca.pem");
    run("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=bank.example \
         -addext subjectAltName=DNS:bank.example,IP:127.0.0.1 -keyout own.key -out own.csr");
    run(&format!(
        "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -copy_extensions copyall -days {days} \
         -out own.pem"
    ));
}

/// Shakes hands with whoever comes, as long as the test runs.
async fn https(folder: &Path) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(folder.join("own.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("own.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            drop(acceptor.accept(stream).await);
        }
    });
    address
}

#[tokio::test]
async fn tls_sees_days_names_and_whether_the_chain_is_to_be_trusted() {
    let Some(openssl) = tool("openssl", "openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    certificates(&openssl, folder.path(), "10");
    let address = https(folder.path()).await;
    let ca = folder.path().join("ca.pem").display().to_string();
    let eye =
        |more: &str| Eye::new("tls", &format!("{{address: '{address}', timeout: 20s, {more}}}"));
    let seen = eye(&format!("name: bank.example, ca: {ca}")).see().await;
    assert!(seen.is("open", 1.0) && seen.is("trusted", 1.0), "{seen:?}");
    assert!((9.9..=10.0).contains(&seen.number("days")), "{seen:?}");
    assert_eq!(seen.text("names"), "bank.example 127.0.0.1");
    assert_eq!((seen.text("subject"), seen.text("issuer")), ("CN=bank.example", "CN=House-CA"));
    assert_eq!(seen.text("protocol"), "TLSv1.3");
    let by_address = eye(&format!("ca: {ca}")).see().await;
    assert!(by_address.is("trusted", 1.0), "{by_address:?}");
    let other = eye(&format!("name: other.example, ca: {ca}")).see().await;
    assert!(other.is("open", 1.0) && other.is("trusted", 0.0), "{other:?}");
    assert!(other.text("error").contains("other.example"), "{other:?}");
    std::fs::write(folder.path().join("none.pem"), "").unwrap();
    let why = eye(&format!("ca: {}", folder.path().join("none.pem").display())).blind().await;
    assert!(why.contains("no authority"), "{why}");
    // Signed by somebody else.
    let elsewhere = tempfile::tempdir().unwrap();
    certificates(&openssl, elsewhere.path(), "10");
    let ca = elsewhere.path().join("ca.pem").display().to_string();
    let strange = eye(&format!("ca: {ca}")).see().await;
    assert!(strange.is("trusted", 0.0) && strange.number("days") > 9.0, "{strange:?}");
}

#[tokio::test]
async fn tls_sees_that_nobody_speaks_it() {
    let address = server(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let seen = Eye::new("tls", &format!("{{address: '{address}', timeout: 10s}}")).look().await;
    // Where a machine has no store of certificates, there is nothing to hold one against.
    if let Ok(seen) = seen {
        let seen = super::Seen(seen);
        assert!(seen.is("open", 0.0) && seen.has("error"), "{seen:?}");
    }
}

#[tokio::test]
async fn prometheus_is_asked_for_values_and_for_alerts() {
    let Some(tool) = tool("prometheus", "prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    write(
        "rules.yml",
        "groups:\n  - name: all\n    interval: 1s\n    rules:\n      - alert: Always\n        \
         expr: vector(1)\n        labels: { severity: critical }\n",
    );
    let config = write("prometheus.yml", "rule_files: [rules.yml]\n");
    let server = beside::prometheus(&tool, &config, &folder.path().join("log"));
    let address = server.address;
    let eye = |query: &str| {
        Eye::new("prometheus", &format!("{{url: 'http://{address}', query: '{query}'}}"))
    };
    let seen = eye("vector(1) + 1.5").see().await;
    assert!(seen.is("value", 2.5) && seen.is("series", 1.0), "{seen:?}");
    assert!(eye("absent(nothing)").see().await.is("value", 1.0));
    let none = eye("nothing").see().await;
    assert!(none.is("series", 0.0) && !none.has("value"), "{none:?}");
    let firing = eye(r#"ALERTS{alertstate="firing",severity="critical"}"#);
    let deadline = std::time::Instant::now() + crate::beside::PATIENCE;
    while !firing.see().await.is("series", 1.0) {
        assert!(std::time::Instant::now() < deadline, "the alert never fires");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let wrong = eye("up{").blind().await;
    assert!(wrong.contains("bad_data"), "{wrong}");
    drop(server);
    let gone = eye("up").blind().await;
    assert!(gone.contains("no connection"), "who cannot ask does not know: {gone}");
}
