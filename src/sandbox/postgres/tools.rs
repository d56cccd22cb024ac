//! The server's own programs: where they are, as whom they run, what they say.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use super::{Book, OLDEST, PairError, failed, io_error};

/// Where distributions put the server's programs: a folder, how folders in it begin, and where in
/// those the programs are.
const PLACES: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

/// The longest that a tool of the server's may take.
const TOOL_MAX: Duration = Duration::from_mins(5);

/// The newest server programs, and their version. Of a folder that is named, those.
pub async fn find(named: Option<&Path>) -> Result<(PathBuf, String), PairError> {
    let folders = match named {
        Some(it) => vec![it.to_owned()],
        None => places(),
    };
    let mut found = Vec::new();
    for folder in folders {
        if folder.join("initdb").is_file()
            && let Some(version) = version(&folder).await
        {
            found.push((major(&version), folder, version));
        }
    }
    match found.into_iter().max() {
        None => {
            let place = named.map(|it| format!("in {}", it.display()));
            let place = place.unwrap_or_else(|| "on this machine".to_owned());
            Err(PairError::NoPostgres(format!("there is no PostgreSQL server {place}")))
        }
        Some((major, folder, version)) if major < OLDEST => {
            let folder = folder.display();
            Err(PairError::NoPostgres(format!("PostgreSQL {version} in {folder} is too old")))
        }
        Some((_, folder, version)) => Ok((folder, version)),
    }
}

fn places() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for (folder, beginning, bin) in PLACES {
        for it in fs::read_dir(folder).into_iter().flatten().flatten() {
            if it.file_name().to_string_lossy().starts_with(beginning) {
                all.push(it.path().join(bin));
            }
        }
    }
    all
}

/// `postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)` is 15.8.
async fn version(folder: &Path) -> Option<String> {
    let mut command = Command::new(folder.join("postgres"));
    let said = command.arg("--version").stdin(Stdio::null()).output().await.ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace().nth(2).map(str::to_owned)
}

fn major(version: &str) -> u32 {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// The user that servers run as: they refuse to be root. None if it is our own.
pub(super) fn runs_as() -> Result<Option<(u32, u32)>, PairError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(io_error("read /etc/passwd"))?;
    let of = |name: &str| {
        let line = users.lines().find(|it| it.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = of("postgres").or_else(|| of("nobody"));
    found.map(Some).ok_or_else(|| {
        let why = "servers refuse to be root, and there is no user `postgres` or `nobody`";
        PairError::Setting(why.to_owned())
    })
}

/// A program of the server's, as the server's user, in a folder that it may enter.
pub(super) fn tool(book: &Book, name: &str) -> Command {
    as_its_user(book, &book.tools.join(name))
}

/// Any program, so.
pub(super) fn as_its_user(book: &Book, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&book.home).stdin(Stdio::null()).env_clear();
    command.env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
    if let Some((uid, gid)) = book.runs_as {
        command.uid(uid).gid(gid);
    }
    command.kill_on_drop(true);
    command
}

/// Runs a tool to its end; what it printed, or what it complained of.
pub(super) async fn done(mut command: Command, what: &str) -> Result<String, PairError> {
    let run = tokio::time::timeout(TOOL_MAX, command.output()).await;
    let output = run
        .map_err(|_| failed(what, format!("it did not end within {} s", TOOL_MAX.as_secs())))?
        .map_err(io_error(what))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    let from = lines.len().saturating_sub(3);
    Err(failed(what, lines.get(from..).unwrap_or_default().join(" / ")))
}

/// What a statement brings from a server, by its socket: columns with `|`, rows with newlines.
pub async fn sql(book: &Book, server: &str, statement: &str) -> Result<String, PairError> {
    let mut psql = tool(book, "psql");
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, "-d"]);
    psql.arg(book.line(server)?);
    done(psql, &format!("ask `{server}`")).await
}

/// Gives a file or folder to the user that servers run as.
pub(super) fn give(book: &Book, path: &Path) -> io::Result<()> {
    match book.runs_as {
        Some((uid, gid)) => std::os::unix::fs::chown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn versions_are_told_apart_by_their_first_number() {
        for (text, wanted) in [("15.8", 15), ("17beta1", 17), ("9.6.24", 9), ("devel", 0)] {
            assert_eq!(major(text), wanted, "{text}");
        }
    }
}
