//! The pair as a whole: up, down, and its book.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    Book, FILE, FRONT, LINK, PairError, Relay, SERVERS, USER, failed, io_error, relay, server,
    tools::{self, done, give, sql, tool},
};
use crate::sandbox::book::{Replication, replace};

/// Ports above these the kernel gives away by itself: a client that tries again and again to reach
/// a server that is down would one day be given the server's own port.
const PORTS: std::ops::Range<u16> = 10_000..32_000;
const PORT_TRIES: u32 = 1_000;
const DELAY_MAX: Duration = Duration::from_secs(10);
/// The standby follows by then.
const FOLLOW_MAX: Duration = Duration::from_secs(30);

/// How a pair shall be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its folder.
    pub dir: PathBuf,
    /// Where the server's programs are; the newest on this machine, if it is not said.
    pub tools: Option<PathBuf>,
    /// When the primary acknowledges.
    pub replication: Replication,
    /// How long bytes are on their way from the primary to the standby.
    pub link_delay: Duration,
    /// The `holdfast` executable whose `sandbox-process` is run.
    pub program: PathBuf,
}

/// The table that drills write to.
const TABLE: &str = "create table payments (id text primary key, payload text not null, \
                     amount numeric(18, 2) not null default 0, \
                     at timestamptz not null default clock_timestamp())";

/// The pair whose book is in this folder.
pub fn book(dir: &Path) -> Result<Book, PairError> {
    let path = dir.join(FILE);
    let text = match fs::read(&path) {
        Ok(it) => it,
        Err(why) if why.kind() == ErrorKind::NotFound => {
            return Err(PairError::NoPair(dir.to_owned()));
        }
        Err(why) => return Err(io_error(format!("read {}", path.display()))(why)),
    };
    let read = serde_json::from_slice(&text).map_err(io::Error::other);
    read.map_err(io_error(format!("read {}", path.display())))
}

pub(super) fn write(dir: &Path, book: &Book) -> Result<(), PairError> {
    let text = serde_json::to_vec_pretty(book).expect("a book has only text keys");
    replace(&dir.join(FILE), &text).map_err(io_error("write the pair's book"))
}

/// Makes a pair and waits until the standby follows. If something fails, all of it is taken down.
pub async fn up(settings: &Settings) -> Result<Book, PairError> {
    if settings.link_delay > DELAY_MAX {
        return Err(PairError::Setting("the link delay is at most 10s".to_owned()));
    }
    let dir = std::path::absolute(&settings.dir).map_err(io_error("find the folder"))?;
    if dir.join(FILE).exists() {
        let what = format!("a pair in {} (`down --purge` removes it)", dir.display());
        return Err(PairError::AlreadyUp(what));
    }
    let (tools, server_version) = tools::find(settings.tools.as_deref()).await?;
    fs::create_dir_all(&dir).map_err(io_error(format!("make {}", dir.display())))?;
    let mark = format!("{:08x}", rand::random::<u32>());
    let runs_as = tools::runs_as()?;
    // Servers cannot be root, and root's folders are not theirs to enter.
    let home = match runs_as {
        None => dir.clone(),
        Some(_) => std::env::temp_dir().join(format!("holdfast-postgres-{mark}")),
    };
    let book = Book {
        version: 1,
        home,
        tools,
        server_version,
        runs_as,
        replication: settings.replication,
        link_delay_ms: u64::try_from(settings.link_delay.as_millis()).unwrap_or(u64::MAX),
        ports: ports(&SERVERS)?,
        mark,
        relays: relays(settings.link_delay)?,
    };
    write(&dir, &book)?;
    match build(&book, (&dir, &settings.program)).await {
        Ok(()) => self::book(&dir),
        Err(why) => {
            if let Err(also) = down(&dir).await.and_then(|_| purge(&dir)) {
                tracing::warn!("could not take it down again: {also}");
            }
            Err(why)
        }
    }
}

fn relays(delay: Duration) -> Result<BTreeMap<String, Relay>, PairError> {
    let names: &[&str] = if delay.is_zero() { &[FRONT] } else { &[FRONT, LINK] };
    let wanted: Vec<String> =
        names.iter().flat_map(|it| [format!("{it} port"), format!("{it} control")]).collect();
    let all = ports(&wanted.iter().map(String::as_str).collect::<Vec<_>>())?;
    let of = |name: &str, what| all.get(&format!("{name} {what}")).copied().unwrap_or_default();
    let relay = |it: &&str| {
        let relay = Relay { port: of(it, "port"), control: of(it, "control"), process: None };
        ((*it).to_owned(), relay)
    };
    Ok(names.iter().map(relay).collect())
}

/// A free port for each name, all different.
fn ports(names: &[&str]) -> Result<BTreeMap<String, u16>, PairError> {
    let (mut all, mut taken, mut tries) = (BTreeMap::new(), BTreeSet::new(), 0);
    for name in names {
        loop {
            tries += 1;
            if tries > PORT_TRIES {
                return Err(failed("find free ports", "almost all of them are taken"));
            }
            let port = rand::random_range(PORTS);
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
            if free && taken.insert(port) {
                all.insert((*name).to_owned(), port);
                break;
            }
        }
    }
    Ok(all)
}

async fn build(book: &Book, (dir, program): (&Path, &Path)) -> Result<(), PairError> {
    for folder in [book.home.clone(), book.home.join("archive")] {
        let made = fs::create_dir_all(&folder)
            .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)))
            .and_then(|()| give(book, &folder));
        made.map_err(io_error(format!("make {}", folder.display())))?;
    }
    let secret = book.home.join("password");
    let password = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
    replace(&secret, password.as_bytes())
        .and_then(|()| fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)))
        .and_then(|()| give(book, &secret))
        .map_err(io_error("write the password"))?;
    server::make(book, "a")?;
    let mut init = tool(book, "initdb");
    init.args(["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8"]);
    // Whoever may enter the server's folder may do all through its socket; over TCP the password
    // is asked for.
    init.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--username", USER]);
    init.arg("--pwfile").arg(&secret).arg("-D").arg(book.data("a"));
    done(init, "make the primary").await?;
    server::start(book, "a").await?;
    sql(book, "a", TABLE).await?;
    relay::start((dir, program), FRONT, book.port("a")?).await?;
    let through = match book.relays.get(LINK) {
        None => book.port("a")?,
        Some(link) => {
            relay::start((dir, program), LINK, book.port("a")?).await?;
            link.port
        }
    };
    follow(book, ("b", "a"), through).await?;
    if book.replication == Replication::Sync {
        sql(book, "a", "alter system set synchronous_standby_names = 'b'").await?;
        sql(book, "a", "select pg_reload_conf()").await?;
        let is_sync = "select count(*) from pg_stat_replication where sync_state = 'sync'";
        until(book, "a", (is_sync, "1")).await?;
    }
    Ok(())
}

/// Makes `name` a standby of `of` from a fresh copy, which it follows on this port, and starts it.
pub(super) async fn follow(
    book: &Book,
    (name, of): (&str, &str),
    port: u16,
) -> Result<(), PairError> {
    server::make(book, name)?;
    let mut copy = tool(book, "pg_basebackup");
    copy.args(["--checkpoint=fast", "--no-sync", "--wal-method=stream", "-d"]);
    copy.arg(book.line(of)?).arg("-D").arg(book.data(name));
    done(copy, &format!("copy `{of}` to `{name}`")).await?;
    become_standby(book, name, port)?;
    server::start(book, name).await?;
    follows(book, (name, of)).await
}

/// Has a server follow the one on this port from its next start on.
pub(super) fn become_standby(book: &Book, name: &str, port: u16) -> Result<(), PairError> {
    let secret = fs::read_to_string(book.home.join("password"));
    let secret = secret.map_err(io_error("read the password"))?;
    let line = format!(
        "primary_conninfo = 'host=127.0.0.1 port={port} user={USER} password={secret} \
         application_name={name} connect_timeout=2'"
    );
    let own = "synchronous_standby_names = ''".to_owned();
    server::configure(book, name, &[line, own])?;
    let signal = book.data(name).join("standby.signal");
    let made = fs::write(&signal, b"").and_then(|()| give(book, &signal));
    made.map_err(io_error(format!("write {}", signal.display())))
}

/// Waits until a standby streams.
pub(super) async fn follows(book: &Book, (name, of): (&str, &str)) -> Result<(), PairError> {
    let streams = format!(
        "select count(*) from pg_stat_replication where application_name = '{name}' and state = \
         'streaming'"
    );
    until(book, of, (&streams, "1")).await
}

/// Waits until a server answers a question so.
pub(super) async fn until(
    book: &Book,
    server: &str,
    (question, wanted): (&str, &str),
) -> Result<(), PairError> {
    let deadline = Instant::now() + FOLLOW_MAX;
    loop {
        let said = sql(book, server, question).await?;
        if said == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            let why = format!("`{question}` is still {said}, and not {wanted}");
            return Err(failed(format!("wait for `{server}`"), why));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Stops everything; the data stays. Tells how many servers ran.
pub async fn down(dir: &Path) -> Result<usize, PairError> {
    let book = book(dir)?;
    let mut ran = 0;
    for name in [FRONT, LINK] {
        relay::stop(&book, name).await?;
    }
    // The standby first: it would otherwise keep on asking for its primary.
    for name in SERVERS.into_iter().rev() {
        ran += usize::from(server::stop(&book, name, false).await?);
    }
    Ok(ran)
}

/// Removes what the pair kept. Only after [`down`]; only what the pair itself made.
pub fn purge(dir: &Path) -> Result<(), PairError> {
    let book = book(dir)?;
    for name in SERVERS {
        if !server::processes(&book, name)?.is_empty() {
            return Err(PairError::AlreadyUp(format!("`{name}`")));
        }
    }
    let gone = |path: PathBuf, remove: fn(&Path) -> io::Result<()>| match remove(&path) {
        Err(why) if why.kind() != ErrorKind::NotFound => {
            Err(io_error(format!("remove {}", path.display()))(why))
        }
        Ok(()) | Err(_) => Ok(()),
    };
    for name in SERVERS.into_iter().chain(["base", "archive"]) {
        gone(book.home.join(name), |it| fs::remove_dir_all(it))?;
    }
    for name in [FRONT, LINK] {
        gone(dir.join(name), |it| fs::remove_dir_all(it))?;
    }
    gone(book.home.join("password"), |it| fs::remove_file(it))?;
    gone(dir.join(FILE), |it| fs::remove_file(it))?;
    // Somebody else's files may be in there too: then the folder stays.
    let left = [book.home.as_path(), dir].map(fs::remove_dir);
    tracing::debug!(?left, "folders are removed if they are empty");
    Ok(())
}
