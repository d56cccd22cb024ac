//! The fencing token: a number on disk below which a core may not acknowledge anything.
//!
//! A core looks at the token last thing before the bytes of an acknowledgement leave it, and
//! holds a shared lock from the look to the write. Whoever raises the token takes the lock alone.
//! So a primary that is frozen anywhere and thaws after `raise` has returned acknowledges
//! nothing; one that was frozen between look and write still holds the lock, and is killed.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::Signal,
};

use super::book::{Book, replace};

const LOCK_WAIT: Duration = Duration::from_millis(250);

/// How a token came to be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// The core will see it before it acknowledges anything more.
    Seen,
    /// The core was stuck in the middle of an acknowledgement and was killed.
    Killed,
}

/// One core's token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    file: PathBuf,
    lock: PathBuf,
}

impl Token {
    pub(super) fn of(home: &Path) -> Self {
        Self { file: home.join("fence"), lock: home.join("fence.lock") }
    }

    /// The number; 0 if nobody ever fenced this core. What cannot be read fences: the safe side.
    pub(super) fn read(&self) -> u64 {
        match fs::read_to_string(&self.file) {
            Ok(text) => text.trim().parse().unwrap_or(u64::MAX),
            Err(why) if why.kind() == io::ErrorKind::NotFound => 0,
            Err(_) => u64::MAX,
        }
    }

    /// The file whose lock orders acknowledgements against fencing.
    pub(super) fn lock_file(&self) -> io::Result<File> {
        File::options().create(true).append(true).open(&self.lock)
    }
}

/// Fences a core of the sandbox in `dir`: after this returns, the core acknowledges nothing
/// unless it has been promoted to `epoch` or later. A token never falls.
pub async fn raise(dir: &Path, core: &str, epoch: u64) -> io::Result<Raised> {
    let token = Token::of(&dir.join(core));
    let lock = token.lock_file()?;
    let deadline = tokio::time::Instant::now() + LOCK_WAIT;
    let mut raised = Raised::Seen;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::AGAIN) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(Errno::AGAIN) if raised == Raised::Seen => {
                raised = Raised::Killed;
                if let Some(process) = Book::read(dir)?.processes.get(core) {
                    process.identity().signal(Signal::KILL)?;
                    process.identity().gone(Duration::from_secs(1)).await;
                }
            }
            Err(why) => return Err(why.into()),
        }
    }
    let fenced_at = match token.read() {
        u64::MAX => 0,
        number => number,
    };
    if epoch > fenced_at {
        replace(&token.file, format!("{epoch}\n").as_bytes())?;
    }
    Ok(raised)
}
