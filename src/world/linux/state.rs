//! The state folder: the only place where Holdfast keeps anything between commands.
//!
//! ```text
//! index.json        a bounded summary that everybody may read
//! lock              held by whoever plays or recovers
//! open/RUN          one empty file for each run that has not ended
//! runs/RUN/         journal.jsonl, reports, seal.json
//! keys/             the key that seals
//! sandbox/          the miniature bank
//! ```
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the wall: the state folder is here"
)]

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};

use crate::world::{
    host::HostError,
    linux::{host::replace, proc::runs},
    thread::nap,
};

/// The journal's name in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// The folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    root: PathBuf,
}

/// The right to play or recover in this folder, for as long as it lives.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be written.
    #[error("could not use the state folder {path}: {why}")]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// Somebody else plays.
    #[error("another run is using the state folder {path} (process {holder})")]
    Busy {
        /// Where.
        path: PathBuf,
        /// Who, as far as is known.
        holder: String,
    },
    /// A host error.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// A child that was just being started when its runner was killed has the runner's lock until it
/// becomes another program: it may take so long on a busy machine.
const LETS_GO: Duration = Duration::from_secs(2);

/// Whom the lock names, and whether they are dead.
fn holder(file: &mut File) -> (String, bool) {
    let mut holder = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut holder));
    if read.is_err() || holder.is_empty() {
        return ("unknown".to_owned(), false);
    }
    let dead = holder.parse().is_ok_and(|pid| !runs(pid));
    (holder, dead)
}

impl StateFolder {
    /// Names the folder; makes nothing yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one run.
    pub fn run(&self, run: &str) -> PathBuf {
        self.root.join("runs").join(run)
    }

    /// Makes the folder if it is not there, and takes the right to play in it.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        self.make().map_err(|why| self.unusable(why))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(self.root.join("lock")).map_err(|why| self.unusable(why))?;
        let deadline = Instant::now() + LETS_GO;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let (holder, dead) = holder(&mut file);
                    if !dead || Instant::now() > deadline {
                        return Err(StateError::Busy { path: self.root.clone(), holder });
                    }
                    nap(Duration::from_millis(5));
                }
                Err(why) => return Err(self.unusable(why.into())),
            }
        }
        let empty = file.set_len(0).and_then(|()| file.rewind());
        let named = empty.and_then(|()| write!(file, "{}", std::process::id()));
        named.map_err(|why| self.unusable(why))?;
        self.sweep().map_err(|why| self.unusable(why))?;
        Ok(StateLock { _file: file })
    }

    /// Makes a run's folder, and marks the run as not ended.
    pub fn begin(&self, run: &str) -> Result<PathBuf, StateError> {
        let folder = self.run(run);
        let made = DirBuilder::new().mode(0o700).create(&folder).and_then(|()| {
            File::create(self.root.join("open").join(run))?.sync_all()?;
            File::open(self.root.join("open"))?.sync_all()?;
            File::open(self.root.join("runs"))?.sync_all()
        });
        made.map_err(|why| self.unusable(why)).map(|()| folder)
    }

    /// Removes what [`Self::begin`] made, of a run that could not even be written down.
    pub fn abandon(&self, run: &str) {
        let removed = fs::remove_dir_all(self.run(run))
            .and_then(|()| fs::remove_file(self.root.join("open").join(run)));
        if let Err(why) = removed {
            tracing::debug!("run {run} left an empty folder: {why}");
        }
    }

    /// Marks a run as ended.
    pub fn close(&self, run: &str) -> Result<(), StateError> {
        match fs::remove_file(self.root.join("open").join(run)) {
            Err(why) if why.kind() != ErrorKind::NotFound => Err(self.unusable(why)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Runs that have not ended, oldest first.
    pub fn open_runs(&self) -> Result<Vec<String>, StateError> {
        let listed = match fs::read_dir(self.root.join("open")) {
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(|why| self.unusable(why))?,
        };
        let mut runs = Vec::new();
        for entry in listed {
            let entry = entry.map_err(|why| self.unusable(why))?;
            runs.push(entry.file_name().to_string_lossy().into_owned());
        }
        runs.sort();
        Ok(runs)
    }

    /// Copies a run's folder into the folder `to`, under the run's id.
    pub fn copy_run(&self, run: &str, to: &Path) -> Result<(), StateError> {
        let (from, to) = (self.run(run), to.join(run));
        let copied = fs::create_dir_all(&to).and_then(|()| {
            for entry in fs::read_dir(&from)? {
                let entry = entry?;
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
            Ok(())
        });
        copied.map_err(|why| HostError::os(format!("copy the run to {}", to.display()), why).into())
    }

    /// Every run's id, by name, which is by time: the oldest first.
    pub fn runs(&self) -> Vec<String> {
        let Ok(listed) = fs::read_dir(self.root.join("runs")) else { return Vec::new() };
        let names = listed.flatten().map(|it| it.file_name().to_string_lossy().into_owned());
        let mut all: Vec<String> = names.collect();
        all.sort_unstable();
        all
    }

    /// The newest run's id, by its name.
    pub fn newest_run(&self) -> Option<String> {
        self.runs().pop()
    }

    /// Reads a file of the folder; none if it is not there.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        match fs::read(self.root.join(name)) {
            Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|why| self.unusable(why)),
        }
    }

    /// Replaces a file of the folder that everybody may read.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        replace(&self.root.join(name), bytes, 0o644).map_err(|why| self.unusable(why))
    }

    /// The same, and makes the folder if it is not there.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(&self.root);
        made.map_err(|why| self.unusable(why))?;
        self.write(name, bytes)
    }

    /// Removes what writers that died left half written: `.NAME.PID.tmp`.
    fn sweep(&self) -> std::io::Result<()> {
        for item in fs::read_dir(&self.root)? {
            let (path, name) = item.map(|it| (it.path(), it.file_name()))?;
            let name = name.to_string_lossy().into_owned();
            let writer = name.strip_prefix('.').and_then(|it| it.strip_suffix(".tmp"));
            let writer = writer.and_then(|it| it.rsplit('.').next()?.parse::<u32>().ok());
            // A guardian may be at work.
            if writer.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn make(&self) -> std::io::Result<()> {
        let folder =
            |path: &Path, mode: u32| DirBuilder::new().recursive(true).mode(mode).create(path);
        if !self.root.exists() {
            folder(&self.root, 0o755)?;
            // Whatever the umask says: the agent's user must reach the index, and nothing else.
            fs::set_permissions(&self.root, fs::Permissions::from_mode(0o755))?;
        }
        folder(&self.root.join("runs"), 0o700)?;
        folder(&self.root.join("open"), 0o700)
    }

    fn unusable(&self, why: std::io::Error) -> StateError {
        StateError::Unusable { path: self.root.clone(), why }
    }
}
