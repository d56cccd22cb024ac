//! One server of a pair: started, stopped, killed.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{
    Book, PairError, USER, failed, io_error,
    tools::{done, give, sql, tool},
};
use crate::sandbox::identity::Identity;

/// A server has started by then, or it never will.
const START_MAX: Duration = Duration::from_secs(30);
/// A server that was told to stop has stopped by then, or it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// What every server of a pair is started with. Processes are killed here, and not machines: what
/// the operating system was given outlives them, so nothing is forced to the disk.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "wal_level=replica",
    "wal_log_hints=on",
    "max_wal_senders=8",
    "wal_keep_size=256MB",
    "hot_standby=on",
    "archive_mode=on",
    "shared_buffers=16MB",
    "max_connections=60",
    "wal_receiver_timeout=5s",
    "wal_retrieve_retry_interval=200ms",
    "log_line_prefix=%m [%p] ",
    "listen_addresses=127.0.0.1",
];

/// Makes a server's folder, for its user alone.
pub(super) fn make(book: &Book, name: &str) -> Result<(), PairError> {
    let folder = book.server(name);
    let made = fs::create_dir_all(&folder)
        .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)))
        .and_then(|()| give(book, &folder));
    made.map_err(io_error(format!("make {}", folder.display())))
}

/// Starts a server, and waits until it takes connections.
pub async fn start(book: &Book, name: &str) -> Result<(), PairError> {
    let port = book.port(name)?.to_string();
    forget(book, name)?;
    let folder = book.server(name);
    let log = File::options().create(true).append(true).open(folder.join("log"));
    let log = log.and_then(|it| Ok((it.try_clone()?, it)));
    let (log, also) = log.map_err(io_error(format!("write the log of `{name}`")))?;
    let mut command = tool(book, "postgres");
    command.arg("-D").arg(book.data(name)).arg("-k").arg(&folder).args(["-p", &port]);
    let archive = book.home.join("archive");
    let archive = archive.display();
    let keep = format!("archive_command=test -f {archive}/%f || cp %p {archive}/%f");
    let called = format!("cluster_name={}", book.cluster(name));
    for it in SETTINGS.iter().copied().chain([keep.as_str(), called.as_str()]) {
        command.args(["-c", it]);
    }
    command.stdout(log).stderr(also).kill_on_drop(false);
    // A group of its own: what ends the terminal's group does not end the server.
    command.as_std_mut().process_group(0);
    let mut child = command.spawn().map_err(io_error(format!("start `{name}`")))?;
    let deadline = Instant::now() + START_MAX;
    loop {
        let ended = matches!(child.try_wait(), Ok(Some(_)));
        if ended || Instant::now() > deadline {
            return Err(failed(format!("start `{name}`"), last_words(&folder.join("log"))));
        }
        let mut ready = tool(book, "pg_isready");
        ready.args(["-q", "-U", USER, "-p", &port, "-h"]).arg(&folder);
        if ready.status().await.is_ok_and(|it| it.success()) {
            return Ok(());
        }
        sleep(POLL).await;
    }
}

/// Removes what a killed server left that says it still runs. A server would not believe it as
/// long as the process is there at all, if only as a zombie that nobody reaps.
pub(super) fn forget(book: &Book, name: &str) -> Result<(), PairError> {
    if !processes(book, name)?.is_empty() {
        return Err(PairError::AlreadyUp(format!("`{name}`")));
    }
    let socket = format!(".s.PGSQL.{}.lock", book.port(name)?);
    for path in [book.data(name).join("postmaster.pid"), book.server(name).join(socket)] {
        match fs::remove_file(&path) {
            Err(why) if why.kind() != ErrorKind::NotFound => {
                return Err(io_error(format!("remove {}", path.display()))(why));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn last_words(log: &Path) -> String {
    let said = fs::read_to_string(log).unwrap_or_default();
    let last = said.lines().next_back().unwrap_or("it said nothing");
    format!("{last}; its log is {}", log.display())
}

/// Every process of a server, the first one first. They stand in their data folder, whatever they
/// call themselves.
pub(super) fn processes(book: &Book, name: &str) -> Result<Vec<Identity>, PairError> {
    let data = book.data(name);
    let all = fs::read_dir("/proc").map_err(io_error("list processes"))?;
    let mut found = Vec::new();
    for it in all.flatten() {
        let Some(pid) = it.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
        if fs::read_link(it.path().join("cwd")).is_ok_and(|it| it == data)
            && let Ok(identity) = Identity::of(pid)
        {
            found.push(identity);
        }
    }
    found.sort_by_key(|it| it.started_ticks);
    Ok(found)
}

/// Stops a server: kindly, or all of its processes with SIGKILL, also those that are frozen. A
/// server that was killed so has acknowledged its last. Returns `false` if it did not run.
pub async fn stop(book: &Book, name: &str, kill: bool) -> Result<bool, PairError> {
    book.port(name)?;
    let what = || format!("stop `{name}`");
    let mut left = processes(book, name)?;
    let ran = !left.is_empty();
    if !kill && ran {
        let mut command = tool(book, "pg_ctl");
        command.args(["stop", "-s", "-m", "fast", "-t"]).arg(STOP_MAX.as_secs().to_string());
        command.arg("-D").arg(book.data(name));
        if let Err(why) = done(command, &what()).await {
            tracing::debug!(%why, "it is killed");
        }
        left = processes(book, name)?;
    }
    let deadline = Instant::now() + STOP_MAX;
    while !left.is_empty() {
        for it in &left {
            it.signal(Signal::KILL).map_err(io_error(what()))?;
        }
        if Instant::now() > deadline {
            return Err(failed(what(), "processes of it survive SIGKILL"));
        }
        sleep(POLL).await;
        left = processes(book, name)?;
    }
    Ok(ran)
}

/// How a server stands, in a word.
pub async fn state(book: &Book, name: &str) -> String {
    match processes(book, name) {
        Ok(all) if all.is_empty() => return "down".to_owned(),
        Ok(_) => {}
        Err(why) => return why.to_string(),
    }
    let asked = sql(book, name, "select pg_is_in_recovery()");
    match tokio::time::timeout(Duration::from_secs(2), asked).await {
        Ok(Ok(it)) if it == "t" => "standby".to_owned(),
        Ok(Ok(_)) => "primary".to_owned(),
        Ok(Err(_)) | Err(_) => "does not answer".to_owned(),
    }
}

/// Has a server refuse what its clients write, or take it again; those that are connected, too.
pub async fn read_only(book: &Book, name: &str, is: bool) -> Result<(), PairError> {
    let statement = if is {
        "set default_transaction_read_only = on"
    } else {
        "reset default_transaction_read_only"
    };
    sql(book, name, &format!("alter system {statement}")).await?;
    sql(book, name, "select pg_reload_conf()").await.map(drop)
}

/// Appends lines to a server's own configuration, which outweighs all but the command line.
pub(super) fn configure(book: &Book, name: &str, lines: &[String]) -> Result<(), PairError> {
    let path = book.data(name).join("postgresql.auto.conf");
    let file = File::options().append(true).open(&path);
    let written = file.and_then(|mut it| it.write_all((lines.join("\n") + "\n").as_bytes()));
    written.map_err(io_error(format!("write {}", path.display())))
}
