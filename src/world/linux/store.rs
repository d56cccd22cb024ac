//! A journal's file: appended, synced, locked for as long as its writer lives.
#![expect(clippy::disallowed_types, reason = "this is the wall: the journal's file is here")]

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};

use crate::world::{
    host::HostError,
    store::{Care, Store},
};

/// How much room is kept beyond the end, so that going back can be written down on a full disk.
const RESERVE: u64 = 256 * 1024;

/// The file.
pub struct FileStore {
    file: File,
    end: u64,
    reserved: u64,
    /// What stands at its end is not what we wrote; nothing may follow it.
    spoilt: bool,
    path: String,
}

/// Why a journal's file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its writer lives.
    #[error("another process is writing {0}")]
    Busy(String),
    /// The operating system said no.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl FileStore {
    /// Makes a new file; one that is there already is not touched.
    pub fn create(path: &Path) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true).mode(0o600);
        let store = Self::locked(&options, path)?;
        // A synced file whose name is not on disk is lost all the same.
        let folder = path.parent().unwrap_or(Path::new("/"));
        let named = File::open(folder).and_then(|it| it.sync_all());
        named.map_err(|why| store.no("sync the folder of", why))?;
        Ok(store)
    }

    /// Opens a file that somebody left, and reads it.
    pub fn open(path: &Path) -> Result<(Self, Vec<u8>), OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let mut store = Self::locked(&options, path)?;
        let mut bytes = Vec::new();
        store.file.read_to_end(&mut bytes).map_err(|why| store.no("read", why))?;
        Ok((store, bytes))
    }

    /// The same, but does not insist on the lock: the guardian has killed the writer, and the
    /// kernel may take its time with one that hangs in the disk.
    pub fn open_fenced(path: &Path) -> Result<(Self, Vec<u8>), HostError> {
        let no = |why| HostError::os(format!("open {}", path.display()), why);
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(no)?;
        let mut store =
            Self { file, end: 0, reserved: 0, spoilt: false, path: path.display().to_string() };
        let mut bytes = Vec::new();
        store.file.read_to_end(&mut bytes).map_err(|why| store.no("read", why))?;
        store.end = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok((store, bytes))
    }

    /// Cuts off a torn last line: nobody was ever told that it had been written.
    pub fn cut(&mut self, whole: usize) -> Result<(), HostError> {
        let whole = u64::try_from(whole).unwrap_or(u64::MAX);
        self.file.set_len(whole).map_err(|why| self.no("mend", why))?;
        self.file.sync_data().map_err(|why| self.no("mend", why))?;
        (self.end, self.reserved) = (whole, 0);
        Ok(())
    }

    fn locked(options: &OpenOptions, path: &Path) -> Result<Self, OpenError> {
        let shown = path.display().to_string();
        let mut file =
            options.open(path).map_err(|why| HostError::os(format!("open {shown}"), why))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::Busy(shown)),
            Err(why) => return Err(HostError::os(format!("lock {shown}"), why).into()),
        }
        let end = file.seek(SeekFrom::End(0)).and_then(|end| file.rewind().map(|()| end));
        let end = end.map_err(|why| HostError::os(format!("read {shown}"), why))?;
        Ok(Self { file, end, reserved: 0, spoilt: false, path: shown })
    }

    fn no(&self, what: &str, why: impl std::fmt::Display) -> HostError {
        HostError::os(format!("{what} {}", self.path), why)
    }
}

impl FileStore {
    /// Sees to it that there is room up to `end` and beyond.
    fn reserve(&mut self, end: u64, care: Care) -> Result<(), HostError> {
        if self.reserved >= end + RESERVE / 2 {
            return Ok(());
        }
        let room = |length| fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.end, length);
        match room(end + RESERVE - self.end) {
            Ok(()) => self.reserved = end + RESERVE,
            // Not every file system can reserve; one that says it is full means it.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                self.reserved = u64::MAX;
            }
            // What was reserved before, by us or by the writer before us, is kept for going back:
            // neither a new act nor a measurement may use it up.
            Err(_) if matches!(care, Care::Soon | Care::Sync) && room(end - self.end).is_ok() => {}
            Err(why) => return Err(self.no("reserve room for", why)),
        }
        Ok(())
    }

    /// Takes back what was appended last: half a line, or one that nobody was told of, would make
    /// the whole journal unbelievable when another follows.
    fn take_back(&mut self, what: &str, why: &std::io::Error) -> HostError {
        match self.file.set_len(self.end) {
            Ok(()) => self.reserved = 0,
            Err(_) => self.spoilt = true,
        }
        self.no(what, why)
    }
}

impl Store for FileStore {
    fn append(&mut self, bytes: &[u8], care: Care) -> Result<(), HostError> {
        if self.spoilt {
            return Err(self.no("write", "its last line is half written and cannot be mended"));
        }
        let end = self.end + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.reserve(end, care)?;
        if let Err(why) = self.file.write_all(bytes) {
            return Err(self.take_back("write", &why));
        }
        if matches!(care, Care::Sync | Care::Ahead)
            && let Err(why) = self.file.sync_data()
        {
            return Err(self.take_back("sync", &why));
        }
        self.end = end;
        Ok(())
    }
}

impl Drop for FileStore {
    /// Gives back the room that was kept beyond the end.
    fn drop(&mut self) {
        if self.spoilt || matches!(self.reserved, 0 | u64::MAX) {
            return;
        }
        if let Err(why) = self.file.set_len(self.end) {
            tracing::debug!("the reserve of {} is not given back: {why}", self.path);
        }
    }
}
