//! One process of the sandbox: its birth, its line in the address book, its clean end.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{
    batch,
    book::{Book, NAMES, Process},
    core, gateway,
    identity::Identity,
    load,
    metrics::Metrics,
    names, postgres, third_party,
    web::{self, Stop},
};
use crate::world::thread;

/// How long the lock of one that is ending may be waited for: looks, and the time between two.
const LOCK: (u32, Duration) = (100, Duration::from_millis(20));

/// Why a process of the sandbox ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such role.
    #[error("`{0}` is no process of the sandbox: it has {names}", names = NAMES.join(", "))]
    NoSuchName(String),
    /// Its files or sockets would not.
    #[error("could not run `{name}`: {why}")]
    Io {
        /// The process.
        name: String,
        /// What went wrong.
        why: io::Error,
    },
}

/// All that a process is given at its start.
pub(super) struct Here {
    /// Its name.
    pub(super) name: String,
    /// The sandbox's folder.
    pub(super) dir: PathBuf,
    /// Its own folder in there.
    pub(super) home: PathBuf,
    /// The address book as it was at the start.
    pub(super) book: Book,
    /// Where it listens.
    pub(super) listener: TcpListener,
    /// Its metrics.
    pub(super) metrics: Arc<Metrics>,
    /// When to stop.
    pub(super) stop: Stop,
}

/// Runs one process of the sandbox until it is told to stop (SIGTERM or SIGINT).
pub fn run(dir: &Path, name: &str) -> Result<(), ProcessError> {
    if name == batch::WORKER {
        be_called(name);
        return batch::work().map_err(|why| ProcessError::Io { name: name.to_owned(), why });
    }
    if [postgres::FRONT, postgres::LINK].contains(&name) {
        return relayed(dir, name);
    }
    if !NAMES.contains(&name) {
        return Err(ProcessError::NoSuchName(name.to_owned()));
    }
    let here = || -> io::Result<()> {
        leave_the_session();
        be_called(name);
        let dir = std::path::absolute(dir)?;
        let home = dir.join(name);
        fs::create_dir_all(&home)?;
        let _alone = alone(&home)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(live(dir, home, name));
        // A blocking write that hangs must not keep a process that was told to stop.
        runtime.shutdown_background();
        ended
    };
    here().map_err(|why| ProcessError::Io { name: name.to_owned(), why })
}

/// Runs a relay of a pair of PostgreSQL servers.
fn relayed(dir: &Path, name: &str) -> Result<(), ProcessError> {
    let run = || -> io::Result<()> {
        leave_the_session();
        be_called(name);
        let dir = std::path::absolute(dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            let stop = told_to_stop()?;
            postgres::relay::run(&dir, name, stop).await
        });
        runtime.shutdown_background();
        ended
    };
    run().map_err(|why| ProcessError::Io { name: name.to_owned(), why })
}

/// Hears SIGTERM and SIGINT.
fn told_to_stop() -> io::Result<Stop> {
    let (switch, stop) = Stop::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::info!("told to stop");
        switch.send_replace(true);
        // The switch lives as long as the process: a dropped one would look like a stop.
        std::future::pending::<()>().await;
    });
    Ok(stop)
}

/// Leaves the session of whoever started us, so that its end is not ours.
fn leave_the_session() {
    if let Err(why) = rustix::process::setsid() {
        // Only a group's leader is refused: started by hand from a shell, which is fine.
        tracing::debug!(%why, "stayed in the session");
    }
}

/// Goes by `hf-NAME` in lists of processes; run through `/proc/self/exe`, all would be `exe`.
fn be_called(name: &str) {
    let named = std::ffi::CString::new(format!("hf-{name}")).map_err(io::Error::other);
    if let Err(why) = named.and_then(|it| rustix::thread::set_name(&it).map_err(Into::into)) {
        tracing::debug!(%why, "kept the old name");
    }
}

/// Holds the lock that keeps a second process of the same name away. One that was just killed may
/// hold it for another moment.
fn alone(home: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).open(home.join("lock"))?;
    let mut looks = 0;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::AGAIN) if looks == LOCK.0 => {
                return Err(io::Error::other("another process of this name runs already"));
            }
            Err(rustix::io::Errno::AGAIN) => looks += 1,
            Err(why) => return Err(why.into()),
        }
        thread::nap(LOCK.1);
    }
}

async fn live(dir: PathBuf, home: PathBuf, name: &str) -> io::Result<()> {
    let stop = told_to_stop()?;
    let book = Book::read(&dir)?;
    let listener = listen(book.address(name)).await?;
    let address = listener.local_addr()?;
    let metrics = Metrics::new(name, web::mark(&dir));
    let here =
        Here { name: name.to_owned(), dir: dir.clone(), home, book, listener, metrics, stop };
    register(&here, address)?;
    let pid_file = here.home.join("pid");
    tracing::info!(name, %address, "started");
    match name {
        "core-a" | "core-b" => core::run(here).await?,
        "gateway" | "branch" => gateway::run(here).await?,
        "names" => names::run(here).await?,
        "batch" => batch::run(here).await?,
        "load" => load::run(here).await?,
        _ => third_party::run(here).await?,
    }
    let noted = fs::remove_file(pid_file).and_then(|()| {
        Book::update(&dir, |book| {
            if let Some(process) = book.processes.get_mut(name) {
                process.stopped = true;
            }
        })
    });
    match noted {
        Ok(_) => tracing::info!(name, "stopped"),
        Err(why) => tracing::warn!(%why, "stopped, and could not note it in the address book"),
    }
    Ok(())
}

/// Listens on the former port if it is free, else on any: clients of a restarted process go on.
async fn listen(former: Option<SocketAddr>) -> io::Result<TcpListener> {
    if let Some(former) = former {
        match TcpListener::bind(former).await {
            Ok(listener) => return Ok(listener),
            Err(why) => tracing::warn!(%former, %why, "could not take the former port"),
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

fn register(here: &Here, address: SocketAddr) -> io::Result<()> {
    let Identity { pid, started_ticks, boot_id } = Identity::own()?;
    fs::write(here.home.join("pid"), format!("{pid}\n"))?;
    let log = here.home.join("log");
    let process = Process { address, pid, started_ticks, boot_id, log, stopped: false };
    Book::update(&here.dir, |book| {
        book.processes.insert(here.name.clone(), process);
    })?;
    Ok(())
}
