//! Addresses, TLS, passwords, systemd, and clients that mean no good.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::beside::{
    Beside, agent, agent_by, ask, ask_bytes, exchange, free_port, get, head, tool, tree, until,
};

/// An authority, a server and a client, and the documented web configuration beside them.
fn papers(openssl: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let mut done = Command::new(openssl);
        done.args(line.split(' ')).current_dir(folder.path());
        let said = done.stdin(Stdio::null()).output().unwrap();
        assert!(said.status.success(), "{line}: {}", String::from_utf8_lossy(&said.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!("req -x509 {key} -keyout ca.key -out clients.crt -subj /CN=ca -days 2"));
    let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
    for who in ["server", "client"] {
        run(&format!("req {key} -keyout {who}.key -out {who}.csr -subj /CN={who}"));
        fs::write(folder.path().join("ext"), format!("basicConstraints=CA:FALSE\n{names}\n"))
            .unwrap();
        run(&format!(
            "x509 -req -in {who}.csr -CA clients.crt -CAkey ca.key -CAcreateserial \
             -out {who}.crt -days 2 -extfile ext"
        ));
    }
    fs::copy(tree("docs/web-config.yml"), folder.path().join("web.yml")).unwrap();
    folder
}

/// The agent with a web configuration, which decides the scheme that it tells.
fn guarded(state: &Path, config: &Path, scheme: &str) -> Beside {
    use std::io::BufRead as _;
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("--state").arg(state).args(["agent", "--web.listen-address", "127.0.0.1:0"]);
    command.arg("--web.config.file").arg(config);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let prefix = format!("listening on {scheme}://");
    let address = line.strip_prefix(&prefix).unwrap().trim_end().parse().unwrap();
    Beside { child, address }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn status(address: SocketAddr, user: &str, password: &str) -> u16 {
    ask(address, "GET", "/-/ready", &[("Authorization", &basic(user, password))], "").status
}

#[test]
fn prometheus_scrapes_over_tls_with_a_certificate_and_a_password() {
    let Some(openssl) = tool("openssl", "openssl") else { return };
    let Some(prometheus) = tool("prometheus", "prometheus") else { return };
    let Some(promtool) = tool("promtool", "prometheus") else { return };
    let (papers, state) = (papers(&openssl), tempfile::tempdir().unwrap());
    let config = papers.path().join("web.yml");
    let said = Command::new(promtool).args(["check", "web-config"]).arg(&config).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let agent = guarded(state.path(), &config, "https");
    let port = free_port();
    let target = agent.address.to_string();
    let job = |name: &str, extra: &str| {
        format!(
            "- job_name: {name}\n  scheme: https\n  static_configs: [targets: ['{target}']]\n  \
             tls_config: {{ca_file: clients.crt{extra}\n"
        )
    };
    let papers_of_client = ", cert_file: client.crt, key_file: client.key}";
    let password = |it: &str| format!("  basic_auth: {{username: prometheus, password: {it}}}\n");
    let jobs = [
        job("good", papers_of_client) + &password("test"),
        job("wrong", papers_of_client) + &password("guess"),
        job("bare", "}") + &password("test"),
    ];
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}",
        jobs.concat()
    );
    fs::write(papers.path().join("prometheus.yml"), text).unwrap();
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let mut command = Command::new(prometheus);
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", &listen]);
    let log = fs::File::create(papers.path().join("log")).unwrap();
    let child = command.current_dir(papers.path()).stderr(log).spawn().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let _server = Beside { child, address };
    let targets = until("all three jobs are scraped", || {
        TcpStream::connect(address).ok()?;
        let body = get(address, "/api/v1/targets").body;
        let said: serde_json::Value = serde_json::from_str(&body).ok()?;
        let all = said["data"]["activeTargets"].as_array()?.clone();
        // A machine that is busy with other tests may be too slow for one scrape.
        let is_known = |it: &serde_json::Value| {
            let is_late = it["lastError"].as_str().is_some_and(|it| it.contains("deadline"));
            it["health"] != "unknown" && !is_late
        };
        (all.len() == 3 && all.iter().all(is_known)).then_some(all)
    });
    for target in targets {
        let (job, error) = (target["labels"]["job"].as_str().unwrap(), &target["lastError"]);
        let expected = if job == "good" { "up" } else { "down" };
        assert_eq!(target["health"], expected, "{job}: {error}");
        let why = match job {
            "wrong" => "401",
            "bare" => "certificate required",
            _ => "",
        };
        assert!(error.as_str().unwrap().contains(why), "{job}: {error}");
    }
    let log = fs::read_to_string(papers.path().join("log")).unwrap();
    assert!(!log.contains("level=warn component=\"scrape"), "{log}");
}

#[test]
fn passwords_are_asked_for_and_a_changed_file_counts_soon_unless_it_is_bad() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("web.yml");
    let documented = fs::read_to_string(tree("docs/web-config.yml")).unwrap();
    let hash = documented.lines().find_map(|it| it.trim().strip_prefix("prometheus: ")).unwrap();
    let write = |text: &str| {
        let next = state.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(&next, &file).unwrap();
    };
    let frame = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    write(&format!("{frame}basic_auth_users: {{alice: {hash}}}\n"));
    let agent = guarded(state.path(), &file, "http");
    let bare = get(agent.address, "/metrics");
    assert_eq!(bare.status, 401);
    let headers = bare.headers.to_lowercase();
    assert!(
        headers.contains("www-authenticate: basic") && headers.contains("x-frame-options: deny")
    );
    assert_eq!(status(agent.address, "alice", "test"), 200);
    assert_eq!(status(agent.address, "alice", "test"), 200, "and from memory");
    assert_eq!(status(agent.address, "alice", "wrong"), 401);
    assert_eq!(status(agent.address, "bob", "test"), 401);
    write("basic_auth_users: {alice: nonsense}\n");
    assert_eq!(status(agent.address, "alice", "test"), 200, "a bad file keeps the old one");
    write(&format!("basic_auth_users: {{bob: {hash}}}\n"));
    until("bob is let in", || (status(agent.address, "bob", "test") == 200).then_some(()));
    assert_eq!(status(agent.address, "alice", "test"), 401);
    write("");
    until("an empty file asks for nothing", || {
        (get(agent.address, "/-/ready").status == 200).then_some(())
    });
}

#[test]
fn every_mistake_of_a_web_configuration_is_told_at_its_place() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("web.yml");
    fs::write(
        &file,
        "tls_server_config:\n  cert_fil: a\n  client_auth_type: Sometimes\n\
         basic_auth_users:\n  alice: secret\nhttp_server_config:\n  headers: {X-Odd: y}\n",
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("--state")
        .arg(state.path())
        .args(["agent", "--web.listen-address=127.0.0.1:0", "--web.config.file"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for place in [":2:3", ":3:21", ":5:10", ":7:13"] {
        assert!(said.contains(&format!("web.yml{place}")), "{place} in {said}");
    }
    assert!(said.contains("did you mean `cert_file`"), "{said}");
}

#[test]
fn the_agent_listens_on_several_addresses_and_on_a_unix_socket() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("agent.sock");
    // One that died left its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let port = free_port();
    let (more, unix) = (format!("127.0.0.1:{port}"), format!("unix:{}", path.display()));
    let args = ["--web.listen-address", &more, "--web.listen-address", &unix];
    let mut agent = agent(state.path(), &args);
    let stream = until("the socket answers", || UnixStream::connect(&path).ok());
    let request = head("localhost", "GET", "/metrics?collect[]=loadavg", &[]);
    let answer = exchange(stream, &request, "").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.headers);
    for address in [agent.address, SocketAddr::from(([127, 0, 0, 1], port))] {
        assert_eq!(get(address, "/-/ready").status, 200);
    }
    end(&mut agent.child);
    assert!(!path.exists(), "what it made is taken away");
}

fn end(child: &mut Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn systemd_hands_over_a_socket_and_is_told_when_the_agent_is_ready() {
    let state = tempfile::tempdir().unwrap();
    let notify = state.path().join("notify");
    let ear = UnixDatagram::bind(&notify).unwrap();
    ear.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let line = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_holdfast"), "--state"]).arg(state.path());
    command.args(["agent", "--web.systemd-socket"]).env("NOTIFY_SOCKET", &notify);
    let mut child = command.stdin(Stdio::from(OwnedFd::from(listener))).spawn().unwrap();
    let mut said = [0; 64];
    let length = ear.recv(&mut said).unwrap();
    assert_eq!(&said[..length], b"READY=1");
    assert_eq!(get(address, "/-/ready").status, 200);
    end(&mut child);
    let length = ear.recv(&mut said).unwrap();
    assert_eq!(&said[..length], b"STOPPING=1");
}

#[test]
fn hostile_clients_take_no_memory() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent_by(Command::new(env!("CARGO_BIN_EXE_holdfast")), state.path(), &[]);
    let long = "x".repeat(1 << 20);
    let mut stream = TcpStream::connect(agent.address).unwrap();
    let request = head("a", "GET", "/metrics", &[("X-Long", &long)]);
    drop(stream.write_all(request.as_bytes()));
    let mut said = String::new();
    drop(stream.read_to_string(&mut said));
    assert!(said.is_empty() || said.contains(" 431 "), "{said}");
    // A thousand come while we look. What does not fit waits in the kernel, in a queue that may be
    // short.
    let is_over = Arc::new(AtomicBool::new(false));
    let crowd = {
        let (is_over, address) = (Arc::clone(&is_over), agent.address);
        std::thread::spawn(move || crowd(address, &is_over))
    };
    let open = || fs::read_dir(format!("/proc/{}/fd", agent.child.id())).unwrap().count();
    until("the agent has taken in what it takes", || (open() > 500).then_some(()));
    assert!(open() < 600, "{} descriptors", open());
    let resident = agent.kilobytes("VmRSS");
    assert!(resident < 60_000, "{resident} kB");
    is_over.store(true, Relaxed);
    crowd.join().unwrap();
    let answer = ask_bytes(agent.address, "GET", "/metrics?collect[]=loadavg", &[]);
    assert_eq!(answer.status, 200);
}

/// A thousand clients that never come to the end of their head; they stay until it is over.
fn crowd(address: SocketAddr, is_over: &AtomicBool) {
    let mut slow = Vec::new();
    while !is_over.load(Relaxed) {
        if slow.len() == 1_000 {
            std::thread::sleep(Duration::from_millis(10));
        } else if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1))
            && stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ").is_ok()
        {
            slow.push(stream);
        }
    }
}
