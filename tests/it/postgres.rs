//! Real PostgreSQL servers, each with a folder and a port of its own, as an unprivileged user.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::beside::until;

/// The administrator, who may connect through the socket without, and over TCP with a password.
pub(crate) const USER: &str = "keeper";
pub(crate) const PASSWORD: &str = "s3cret: of \\ the house";

/// One server, or what is left of it on disk while it does not run.
pub(crate) struct Postgres {
    tools: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal(Signal::QUIT);
            drop(self.child.take().unwrap().wait());
        }
    }
}

/// The folder of the newest server programs, or nothing: then the test says so aloud.
pub(crate) fn tools() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|it| it.path().join("bin")).filter(|it| it.join("initdb").is_file());
    let newest = found.max();
    if newest.is_none() {
        let said = "SKIPPED (needs PostgreSQL: apt-get install postgresql)";
        let strict = ["CI", "HOLDFAST_TESTS_STRICT"].map(std::env::var_os);
        assert!(strict.iter().all(Option::is_none), "{said}");
        drop(writeln!(std::io::stderr(), "{said}"));
    }
    newest
}

/// The server refuses to be root: then it is the user of its package, or nobody.
fn user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|it| it.starts_with("postgres:"));
    let number = |line: &str, at: usize| line.split(':').nth(at)?.parse().ok();
    Some(line.and_then(|it| Some((number(it, 2)?, number(it, 3)?))).unwrap_or((65_534, 65_534)))
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Some((uid, gid)) = user() {
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    folder
}

/// A port below those that the kernel gives away by itself, so that nobody else gets it meanwhile.
fn port() -> u16 {
    until("a free port", || {
        let port = rand::random_range(10_000..32_000);
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

impl Postgres {
    /// A primary that runs and that standbys may follow; nothing if there is no PostgreSQL here.
    pub(crate) fn primary() -> Option<Self> {
        let tools = tools()?;
        let it = Self { tools, folder: folder(), port: port(), child: None };
        let secret = it.folder.path().join("password");
        fs::write(&secret, PASSWORD).unwrap();
        if let Some((uid, gid)) = user() {
            chown(&secret, Some(uid), Some(gid)).unwrap();
        }
        let mut init = it.tool("initdb");
        init.args(["--no-sync", "--no-instructions", "--locale=C", "--encoding=UTF8"]);
        init.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--username", USER]);
        init.arg("--pwfile").arg(&secret).arg("-D").arg(it.data());
        done(&mut init);
        let mut it = it;
        it.start();
        Some(it)
    }

    /// A standby that follows this primary, as `name`, and runs.
    pub(crate) fn standby(&self, name: &str) -> Self {
        let folder = folder();
        let (tools, port) = (self.tools.clone(), port());
        let mut it = Self { tools, folder, port, child: None };
        let mut copy = it.tool("pg_basebackup");
        copy.args(["--checkpoint=fast", "--no-sync", "--wal-method=stream", "-R", "-d"]);
        copy.arg(format!("{} application_name={name}", self.line())).arg("-D").arg(it.data());
        done(&mut copy);
        it.start();
        it
    }

    /// Adds a line to its configuration, for its next start.
    pub(crate) fn sets(&self, line: &str) {
        let file = fs::File::options().append(true).open(self.data().join("postgresql.conf"));
        writeln!(file.unwrap(), "{line}").unwrap();
    }

    /// Starts it, and waits until it takes connections. Another port, if its own was taken.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        until("a server that takes connections", || {
            let said = fs::File::options().create(true).append(true).open(self.log()).unwrap();
            let mut command = self.tool("postgres");
            command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
            command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
            command.args(["-c", "fsync=off", "-c", "wal_level=replica", "-c", "max_wal_senders=5"]);
            command.args(["-c", "shared_buffers=8MB", "-c", "max_connections=20"]);
            command.stdout(said.try_clone().unwrap()).stderr(said);
            let mut child = command.spawn().unwrap();
            loop {
                if child.try_wait().unwrap().is_some() {
                    self.port = port();
                    return None;
                }
                let mut ready = self.tool("pg_isready");
                ready.arg("-q").arg("-h").arg(self.folder.path());
                if ready.args(["-p", &self.port.to_string()]).status().unwrap().success() {
                    self.child = Some(child);
                    return Some(());
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
    }

    /// Stops it kindly, and waits.
    pub(crate) fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Kills it as a power cut would, and waits until its children have gone, too.
    pub(crate) fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        self.child.take().unwrap().wait().unwrap();
        // Orphans hold the socket until they notice.
        let folder = self.data().display().to_string();
        until("the server's children have gone", || {
            let users = fs::read_dir("/proc").unwrap().flatten();
            let lives = users.filter_map(|it| fs::read_link(it.path().join("cwd")).ok());
            lives.into_iter().all(|it| it != Path::new(&folder)).then_some(())
        });
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().unwrap_or_else(|| panic!("it does not run")).id();
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    /// Makes a standby the primary, and waits.
    pub(crate) fn promote(&self) {
        assert_eq!(self.sql("select pg_promote()"), "t");
    }

    /// What a statement brings, through the socket: columns with `|`, rows with newlines.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let mut psql = self.tool("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.line(), "-c"]);
        done(psql.arg(statement)).trim_end().to_owned()
    }

    /// Its folder: the socket is there, and the data below.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Where it listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How libpq finds it through the socket.
    pub(crate) fn line(&self) -> String {
        format!(
            "host={} port={} user={USER} dbname=postgres",
            self.folder.path().display(),
            self.port
        )
    }

    /// A program of the server's, run by the server's user in a folder that it may enter.
    pub(crate) fn tool(&self, name: &str) -> Command {
        self.as_its_user(&self.tools.join(name))
    }

    /// The same for any program.
    pub(crate) fn as_its_user(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).env("LC_ALL", "C");
        if let Some((uid, gid)) = user() {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn done(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn a_standby_follows_its_primary_and_takes_over_when_that_is_killed() {
    let Some(mut primary) = Postgres::primary() else { return };
    let standby = primary.standby("beside");
    primary.sql("create table t (n int)");
    primary.sql("insert into t select generate_series(1, 100)");
    until("the rows have come over", || {
        (standby.sql("select to_regclass('t') is not null") == "t").then_some(())?;
        (standby.sql("select count(*) from t") == "100").then_some(())
    });
    primary.kill();
    standby.promote();
    standby.sql("insert into t values (101)");
    assert_eq!(standby.sql("select count(*) from t"), "101");
    primary.start();
    assert_eq!(primary.sql("select count(*) from t"), "100", "it comes back with what it had");
}
