//! A folder whose names are numbers, as `/proc` and a process's `task`: listed and read through
//! one descriptor.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use rustix::{
    fs::{Mode, OFlags, RawDir, SeekFrom},
    io::Errno,
};

use super::kept::Unread;

const ENTRIES: usize = 32 << 10;

/// A folder that stays open.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    file: Option<OwnedFd>,
    entries: Vec<u8>,
}

impl Folder {
    /// A folder; it is opened when it is first listed.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, entries: Vec::new() }
    }

    /// Puts the names that are numbers into `all`, instead of what was there.
    pub fn numbers(&mut self, all: &mut Vec<u32>) -> Result<(), Unread> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let not = |path: &PathBuf, why: Errno| Unread::new(path, why);
        let file = match &mut self.file {
            Some(file) => file,
            none @ None => {
                let opened = rustix::fs::open(&self.path, flags, Mode::empty());
                none.insert(opened.map_err(|why| not(&self.path, why))?)
            }
        };
        rustix::fs::seek(&*file, SeekFrom::Start(0)).map_err(|why| not(&self.path, why))?;
        list(file, &mut self.entries, all).map_err(|why| not(&self.path, why))
    }

    /// The same of a folder inside it; one that is gone has none.
    pub fn numbers_in(&mut self, inside: &str, all: &mut Vec<u32>) {
        all.clear();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Some(file) = &self.file else { return };
        if let Ok(folder) = rustix::fs::openat(file, inside, flags, Mode::empty())
            && list(&folder, &mut self.entries, all).is_err()
        {
            all.clear();
        }
    }

    /// The folder itself, once it was listed.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_ref()?.as_fd())
    }
}

fn list(folder: impl AsFd, entries: &mut Vec<u8>, all: &mut Vec<u32>) -> Result<(), Errno> {
    all.clear();
    entries.clear();
    entries.reserve(ENTRIES);
    let mut names = RawDir::new(folder, entries.spare_capacity_mut());
    while let Some(entry) = names.next() {
        let entry = entry?;
        let number = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
        all.extend::<Option<u32>>(number);
    }
    Ok(())
}
