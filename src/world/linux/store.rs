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
        Self::locked(&options, path)
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

    /// The same, but does not insist on the lock: the guardian has killed the writer, and the kernel
    /// may take its time with one that hangs in the disk.
    pub fn open_fenced(path: &Path) -> Result<(Self, Vec<u8>), HostError> {
        let no = |why| HostError::os(format!("open {}", path.display()), why);
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(no)?;
        let mut store = Self { file, end: 0, reserved: 0, path: path.display().to_string() };
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
        Ok(Self { file, end, reserved: 0, path: shown })
    }

    fn no(&self, what: &str, why: impl std::fmt::Display) -> HostError {
        HostError::os(format!("{what} {}", self.path), why)
    }
}

impl Store for FileStore {
    fn append(&mut self, bytes: &[u8], care: Care) -> Result<(), HostError> {
        let end = self.end + u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.reserved < end + RESERVE / 2 {
            let want = end + RESERVE - self.end;
            // Not every file system can reserve; one that says it is full means it.
            match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.end, want) {
                Ok(()) => self.reserved = end + RESERVE,
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                    self.reserved = u64::MAX;
                }
                // What was reserved before is still ours, and going back needs it.
                Err(_) if end <= self.reserved && care != Care::Ahead => {}
                Err(why) => return Err(self.no("reserve room for", why)),
            }
        }
        if let Err(why) = self.file.write_all(bytes) {
            // Half a line in the middle would make the whole journal unbelievable.
            self.file.set_len(self.end).map_err(|why| self.no("mend", why))?;
            return Err(self.no("write", why));
        }
        self.end = end;
        if care != Care::Loose {
            self.file.sync_data().map_err(|why| self.no("sync", why))?;
        }
        Ok(())
    }
}
