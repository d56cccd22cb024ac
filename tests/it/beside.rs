//! An agent under test, and the programs beside it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A child that does not outlive its test.
pub(crate) struct Beside {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Beside {
    /// A line of `/proc/PID/status` that counts kilobytes, such as `VmRSS`.
    pub(crate) fn kilobytes(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let said = status.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(':')).unwrap();
        said.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn tree(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// The agent with its state folder and further arguments, on a port of its own.
pub(crate) fn agent(state: &Path, args: &[&str]) -> Beside {
    agent_by(Command::new(env!("CARGO_BIN_EXE_holdfast")), state, args)
}

pub(crate) fn agent_by(mut command: Command, state: &Path, args: &[&str]) -> Beside {
    command.arg("--state").arg(state).args(["agent", "--web.listen-address", "127.0.0.1:0"]);
    let mut child = command.args(args).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
    Beside { child, address: said.trim_end().parse().unwrap() }
}

/// The agent on a folder that stands for a machine.
pub(crate) fn agent_on(machine: &Path, state: &Path) -> Beside {
    agent_with(machine, state, &[])
}

/// The same, told more.
pub(crate) fn agent_with(machine: &Path, state: &Path, more: &[&str]) -> Beside {
    let path = |inside: &str| machine.join(inside).display().to_string();
    let (proc, sys, root) = (path("proc"), path("sys"), path("root"));
    let paths = ["--path.procfs", &proc, "--path.sysfs", &sys, "--path.rootfs", &root];
    agent(state, &[&paths[..], more].concat())
}

/// A tool, or nothing: then the test says so aloud, and fails where nothing may be skipped.
pub(crate) fn tool(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|it| it.join(name)).find(|it| it.is_file());
    if found.is_none() {
        skipped(&format!("needs {name}: apt-get install {package}"));
    }
    found
}

/// Says aloud that a test is not done here, and fails where nothing may be skipped.
pub(crate) fn skipped(why: &str) {
    let said = format!("SKIPPED ({why})");
    let strict = ["CI", "HOLDFAST_TESTS_STRICT"].map(std::env::var_os);
    assert!(strict.iter().all(Option::is_none), "{said}");
    // Past the harness, which keeps to itself what a passing test prints.
    drop(writeln!(std::io::stderr(), "{said}"));
}

/// Says that this machine does not allow what a test is about. The emulated one allows everything.
pub(crate) fn passed_over(why: &str) {
    let said = format!("passed over, {why}");
    assert!(!is_machine(), "{said}");
    drop(writeln!(std::io::stderr(), "{said}"));
}

/// Whether this is the emulated machine that `tests/machine.sh` boots.
pub(crate) fn is_machine() -> bool {
    std::env::var_os("HOLDFAST_TESTS_MACHINE").is_some()
}

/// Whether this is the emulated machine that `tests/machine.sh` boots, whose clock may be set and
/// whose groups are nobody else's. Elsewhere a test says aloud that it is not done.
pub(crate) fn in_machine(what: &str) -> bool {
    if !is_machine() {
        drop(writeln!(std::io::stderr(), "passed over (tests/machine.sh plays it): {what}"));
    }
    is_machine()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Prometheus with this configuration, which keeps its data beside the file.
pub(crate) fn prometheus(tool: &Path, config: &Path, log: &Path) -> Beside {
    // Another process may take the port between our look and its bind: then it is tried again.
    until("Prometheus starts", || {
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new(tool)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", config.with_extension("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(fs::File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Beside { child, address: address.parse().unwrap() };
        until("Prometheus is ready or gone", || {
            if server.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let answer = try_ask(server.address, "GET", "/-/ready", &[], "").ok()?;
            (answer.status == 200).then_some(true)
        })
        .then_some(server)
    })
}

/// Asks until there is an answer, or patience ends.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[], "")
}

pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    try_ask(address, method, path, headers, body).unwrap()
}

pub(crate) fn try_ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = head(&address.to_string(), method, path, headers);
    let said = exchange(stream, &head, body)?;
    let text = String::from_utf8_lossy(&said.body);
    let body = if said.headers.to_lowercase().contains("transfer-encoding: chunked") {
        unchunk(&text)
    } else {
        text.into_owned()
    };
    Ok(Answer { status: said.status, headers: said.headers, body })
}

/// An answer whose body need not be text.
#[derive(Debug)]
pub(crate) struct Bytes {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn ask_bytes(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Bytes {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    exchange(stream, &head(&address.to_string(), method, path, headers), "").unwrap()
}

pub(crate) fn head(host: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, said) in headers {
        head.extend([*name, ": ", *said, "\r\n"]);
    }
    head
}

/// Sends a request and takes the answer, over whatever carries bytes.
pub(crate) fn exchange(
    mut stream: impl std::io::Read + std::io::Write,
    head: &str,
    body: &str,
) -> std::io::Result<Bytes> {
    let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    // A server may refuse a long body before it has read all of it; its answer still counts.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())));
    let mut said = Vec::new();
    let outcome = stream.read_to_end(&mut said);
    let Some(end) = said.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Err(outcome.err().unwrap_or_else(|| std::io::Error::other("no answer")));
    };
    let body = said.split_off(end + 4);
    let headers = String::from_utf8_lossy(&said).into_owned();
    let status = headers.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    Ok(Bytes { status, headers, body })
}

fn unchunk(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    whole
}

/// A family on a page of text 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    /// Labels as written, and value.
    pub(crate) rows: BTreeMap<String, f64>,
}

/// Reads a page, and does not put up with anything odd.
pub(crate) fn parse(page: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in page.lines() {
        if let Some(said) = line.strip_prefix("# TYPE ") {
            let (name, kind) = said.split_once(' ').unwrap();
            let family = Family { kind: kind.to_owned(), rows: BTreeMap::new() };
            assert!(families.insert(name.to_owned(), family).is_none(), "twice: {name}");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
            let name = series.split('{').next().unwrap_or_default();
            let labels = series.strip_prefix(name).unwrap_or_default().to_owned();
            let base = ["_sum", "_count"].iter().find_map(|it| name.strip_suffix(it));
            let key = if families.contains_key(name) { name } else { base.unwrap_or(name) };
            let family = families.get_mut(key).unwrap_or_else(|| panic!("no type: {line:?}"));
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line:?}"));
            if key == name {
                assert!(family.rows.insert(labels, value).is_none(), "twice: {series}");
            }
        }
    }
    assert!(page.ends_with('\n'), "the last line is cut off");
    families
}

/// A copy of the machine in the tree, to be spoilt.
pub(crate) fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&tree("tests/fixtures/machine"), folder.path());
    folder
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A state folder with an index in it.
pub(crate) fn state() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(tree("tests/fixtures/index.json"), folder.path().join("index.json")).unwrap();
    folder
}
