//! The whole bank: up, down, and single processes in between.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    process::Signal,
};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use super::{
    book::{self, Book, NAMES, Process, Replication},
    calendar::{CutOff, Since},
    load::RATE_MAX,
    status::look,
    web,
};

const ANSWER_MAX: Duration = Duration::from_secs(10);
const STOP_MAX: Duration = Duration::from_secs(3);
const DELAY_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// How a sandbox shall be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its folder; made if missing.
    pub dir: PathBuf,
    /// When the primary core acknowledges.
    pub replication: Replication,
    /// How long an entry is on its way to the standby, at most 10 s.
    pub link_delay: Duration,
    /// From when on payments belong to the next business day.
    pub cut_off: CutOff,
    /// Payments a second by the load generator; with 0 there is none.
    pub rate: u32,
    /// With the batch and its workers.
    pub batch: bool,
    /// With a second gateway, at a branch.
    pub branch: bool,
    /// With a name server there, on loopback.
    pub names: Option<SocketAddr>,
    /// Where the gateway posts business events, on loopback.
    pub events_url: Option<String>,
    /// The `holdfast` executable whose `sandbox-process` is run.
    pub program: PathBuf,
}

impl Settings {
    /// The defaults: asynchronous replication over a link of 40 ms, no load.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            replication: Replication::Async,
            link_delay: Duration::from_millis(40),
            cut_off: CutOff::default(),
            rate: 0,
            batch: false,
            branch: false,
            names: None,
            events_url: None,
            program: own_program(),
        }
    }
}

/// The running executable, even if its file was replaced meanwhile.
pub fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// Why the sandbox, or a process of it, is not as it was asked to be.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(String),
    /// It runs already.
    #[error("{0} runs already")]
    AlreadyUp(String),
    /// There is no sandbox.
    #[error("there is no sandbox in {0}: `holdfast sandbox up` makes one")]
    NoSandbox(PathBuf),
    /// A process did not come to life or did not become well.
    #[error("`{name}` is not ready: {why}; its log is {log}")]
    NotReady {
        /// The process.
        name: String,
        /// What it says, or that it says nothing.
        why: String,
        /// Where it says more.
        log: PathBuf,
    },
    /// Files or processes would not.
    #[error("could not {what}: {why}")]
    Io {
        /// What was tried.
        what: String,
        /// What went wrong.
        why: io::Error,
    },
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> UpError {
    let what = what.into();
    move |why| UpError::Io { what, why }
}

/// A client for plain HTTP on loopback, without proxies and certificates.
pub fn client() -> Result<reqwest::Client, UpError> {
    web::client().map_err(io_error("make a client"))
}

/// The address book of the sandbox in this folder.
pub fn book(dir: &Path) -> Result<Book, UpError> {
    Book::read(dir).map_err(|why| {
        if why.kind() == io::ErrorKind::NotFound {
            return UpError::NoSandbox(dir.to_owned());
        }
        io_error("read the address book")(why)
    })
}

/// Starts a bank and waits until every process is well. If one is not, all are stopped again.
pub async fn up(settings: &Settings) -> Result<Book, UpError> {
    check(settings)?;
    let dir = std::path::absolute(&settings.dir).map_err(io_error("find the folder"))?;
    fs::create_dir_all(&dir).map_err(io_error(format!("make {}", dir.display())))?;
    let _alone = alone(&dir)?;
    let processes = match Book::read(&dir) {
        Ok(before) => before.processes,
        Err(why) if why.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(why) => return Err(io_error("read the address book")(why)),
    };
    if processes.values().any(|it| it.identity().alive()) {
        return Err(UpError::AlreadyUp(format!("the sandbox in {}", dir.display())));
    }
    let fresh = Book {
        version: book::VERSION,
        replication: settings.replication,
        link_delay_ms: u64::try_from(settings.link_delay.as_millis()).unwrap_or(u64::MAX),
        cut_off: settings.cut_off,
        rate: settings.rate,
        batch: settings.batch,
        branch: settings.branch,
        names: settings.names,
        since: Some(Since::now().map_err(io_error("read the clock"))?),
        events_url: settings.events_url.clone(),
        processes,
    };
    fresh.write(&dir).map_err(io_error("write the address book"))?;
    let started = start_all(&dir, settings).await;
    if started.is_err() {
        down(&dir).await?;
    }
    started?;
    book(&dir)
}

async fn start_all(dir: &Path, settings: &Settings) -> Result<(), UpError> {
    let names = NAMES.into_iter().filter(|it| match *it {
        "load" => settings.rate > 0,
        "batch" => settings.batch,
        "branch" => settings.branch,
        "names" => settings.names.is_some(),
        _ => true,
    });
    for name in names.clone() {
        launch(dir, name, &settings.program).await?;
    }
    let client = client()?;
    let deadline = Instant::now() + ANSWER_MAX;
    for name in names {
        let process = started(dir, name)?;
        loop {
            match look(&client, process.address, "/healthz").await {
                Ok(_) => break,
                // Fenced in an earlier life: it waits to rejoin, and the bank runs without it.
                Err(_) if is_fenced(&client, process.address).await => break,
                Err(why) if Instant::now() >= deadline || !process.identity().alive() => {
                    return Err(not_ready(dir, name, why));
                }
                Err(_) => sleep(POLL).await,
            }
        }
    }
    Ok(())
}

async fn is_fenced(client: &reqwest::Client, address: SocketAddr) -> bool {
    let status = look(client, address, "/status").await;
    status.is_ok_and(|it| it.get("fenced").is_some_and(|it| it == true))
}

fn check(settings: &Settings) -> Result<(), UpError> {
    let bad = |said: String| Err(UpError::Setting(said));
    if settings.rate > RATE_MAX {
        return bad(format!("the rate is at most {RATE_MAX} payments a second"));
    }
    if settings.link_delay > DELAY_MAX {
        return bad("the link delay is at most 10s".to_owned());
    }
    if settings.names.is_some_and(|it| !it.ip().is_loopback()) {
        return bad("the name server is on loopback, which the sandbox does not leave".to_owned());
    }
    let Some(url) = &settings.events_url else { return Ok(()) };
    let parsed = reqwest::Url::parse(url)
        .map_err(|why| UpError::Setting(format!("`{url}` is no URL for events: {why}")))?;
    let local = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if parsed.scheme() != "http" || !local {
        return bad(format!("`{url}` is not http on loopback, which the sandbox does not leave"));
    }
    Ok(())
}

/// Keeps a second `up` of the same folder away.
fn alone(dir: &Path) -> Result<File, UpError> {
    let file = File::options().create(true).append(true).open(dir.join("up.lock"));
    let file = file.map_err(io_error(format!("write in {}", dir.display())))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::AGAIN) => {
            Err(UpError::AlreadyUp(format!("another `up` of {}", dir.display())))
        }
        Err(why) => Err(io_error("lock the folder")(why.into())),
    }
}

/// Starts one process and returns once it answers, well or not.
pub async fn start(dir: &Path, name: &str) -> Result<Process, UpError> {
    start_with(dir, name, &own_program()).await
}

/// As [`start`], with the executable named.
pub async fn start_with(dir: &Path, name: &str, program: &Path) -> Result<Process, UpError> {
    known(name)?;
    let before = book(dir)?;
    if before.processes.get(name).is_some_and(|it| it.identity().alive()) {
        return Err(UpError::AlreadyUp(format!("`{name}`")));
    }
    let dir = std::path::absolute(dir).map_err(io_error("find the folder"))?;
    launch(&dir, name, program).await
}

/// Runs the process and waits until it stands in the book and answers.
async fn launch(dir: &Path, name: &str, program: &Path) -> Result<Process, UpError> {
    let home = dir.join(name);
    fs::create_dir_all(&home).map_err(io_error(format!("make {}", home.display())))?;
    let log = File::options().create(true).append(true).open(home.join("log"));
    let log = log.map_err(io_error(format!("write the log of `{name}`")))?;
    let also = log.try_clone().map_err(io_error("share the log"))?;
    let mut child = Command::new(program)
        .args(["sandbox-process", name, "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(also)
        .current_dir(dir)
        .spawn()
        .map_err(io_error(format!("run {}", program.display())))?;
    let pid = child.id().and_then(|it| i32::try_from(it).ok());
    let client = client()?;
    let deadline = Instant::now() + ANSWER_MAX;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(not_ready(dir, name, format!("it ended with {status}")));
        }
        let entry = Book::read(dir).ok().and_then(|it| it.processes.get(name).cloned());
        if let Some(process) = entry.filter(|it| Some(it.pid) == pid && !it.stopped) {
            // Any answer will do: a fenced core is unwell and yet there.
            let url = format!("http://{}/healthz", process.address);
            if client.get(url).timeout(super::status::LOOK_MAX).send().await.is_ok() {
                return Ok(process);
            }
        }
        if Instant::now() >= deadline {
            child.start_kill().map_err(io_error(format!("kill `{name}`")))?;
            return Err(not_ready(dir, name, "it does not answer".to_owned()));
        }
        sleep(POLL).await;
    }
}

fn started(dir: &Path, name: &str) -> Result<Process, UpError> {
    let process = book(dir)?.processes.get(name).cloned();
    process.ok_or_else(|| not_ready(dir, name, "it was never started".to_owned()))
}

fn known(name: &str) -> Result<(), UpError> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    let names = NAMES.join(", ");
    Err(UpError::Setting(format!("`{name}` is no process of the sandbox: it has {names}")))
}

/// A process that is not ready, with the last thing it said.
fn not_ready(dir: &Path, name: &str, why: String) -> UpError {
    let log = dir.join(name).join("log");
    let said = fs::read_to_string(&log).unwrap_or_default();
    let why = match said.lines().next_back() {
        Some(last) => format!("{why}; it said last: {last}"),
        None => why,
    };
    UpError::NotReady { name: name.to_owned(), why, log }
}

/// Stops one process: kindly, or with SIGKILL. Returns `false` if it did not run.
pub async fn stop(dir: &Path, name: &str, kill: bool) -> Result<bool, UpError> {
    known(name)?;
    let process = started(dir, name)?;
    let identity = process.identity();
    let failed = || io_error(format!("stop `{name}`"));
    let signal = if kill { Signal::KILL } else { Signal::TERM };
    let ran = identity.signal(signal).map_err(failed())?;
    if ran && !kill {
        // A frozen process hears of the end only when it thaws.
        identity.signal(Signal::CONT).map_err(failed())?;
    }
    if !identity.gone(STOP_MAX).await {
        identity.signal(Signal::KILL).map_err(failed())?;
        if !identity.gone(STOP_MAX).await {
            return Err(UpError::Io {
                what: format!("stop `{name}`"),
                why: io::Error::other(format!("process {} survives SIGKILL", process.pid)),
            });
        }
    }
    Book::update(dir, |book| {
        if let Some(process) = book.processes.get_mut(name) {
            process.stopped = true;
        }
    })
    .map_err(io_error("write the address book"))?;
    Ok(ran)
}

/// Stops every process, customers first. The data stays. Returns how many were running.
pub async fn down(dir: &Path) -> Result<usize, UpError> {
    let book = book(dir)?;
    let (mut ran, mut trouble) = (0, None);
    for name in NAMES.into_iter().rev().filter(|it| book.processes.contains_key(*it)) {
        match stop(dir, name, false).await {
            Ok(it_ran) => ran += usize::from(it_ran),
            // A full disk, say, keeps the book from being written, and nobody from stopping.
            Err(why) => trouble = trouble.or(Some(why)),
        }
    }
    trouble.map_or(Ok(ran), Err)
}

/// Removes what the sandbox kept. Only after [`down`]; only what the sandbox itself made.
pub fn purge(dir: &Path) -> Result<(), UpError> {
    let book = book(dir)?;
    if book.processes.values().any(|it| it.identity().alive()) {
        return Err(UpError::AlreadyUp(format!("the sandbox in {}", dir.display())));
    }
    let gone = |what: io::Result<()>| match what {
        Err(why) if why.kind() != io::ErrorKind::NotFound => {
            Err(io_error(format!("remove {}", dir.display()))(why))
        }
        Ok(()) | Err(_) => Ok(()),
    };
    for name in NAMES {
        gone(fs::remove_dir_all(dir.join(name)))?;
    }
    for file in ["up.lock", "sandbox.lock", "sandbox.new", book::FILE] {
        gone(fs::remove_file(dir.join(file)))?;
    }
    // Somebody else's files may be in there too: then the folder stays.
    fs::remove_dir(dir).or(Ok(()))
}
