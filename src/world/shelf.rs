//! Many small files of the kernel, read again and again through one buffer.
//!
//! A [`roots::Kept`](super::roots::Kept) has buffers of its own, which hundreds of files cannot
//! all have. Here descriptors stay open up to a bound, and files beyond it are opened anew.

use std::{io, os::fd::OwnedFd, path::Path, path::PathBuf, sync::Arc};

use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
};

use super::roots::Unread;

/// Reads files, and counts the descriptors that it keeps.
#[derive(Debug)]
pub struct Shelf {
    bytes: Vec<u8>,
    /// Each open descriptor has a copy.
    open: Arc<()>,
    open_max: usize,
}

/// A file on a shelf.
#[derive(Debug)]
pub struct Spot {
    path: PathBuf,
    file: Option<(OwnedFd, Arc<()>)>,
}

/// No file that is read here is longer.
const FILE_MAX: usize = 1 << 20;

impl Spot {
    /// A file; it is opened when it is first read.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }
}

impl Shelf {
    /// A shelf that keeps so many descriptors open at most.
    pub fn new(open_max: usize) -> Self {
        Self { bytes: Vec::new(), open: Arc::new(()), open_max }
    }

    /// How many descriptors are open.
    pub fn open(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    /// What the file says now. Bytes that are not UTF-8 end it: the kernel's numbers have none.
    pub fn read(&mut self, spot: &mut Spot) -> Result<&str, Unread> {
        let known = spot.file.is_some();
        let outcome = match self.fill(spot) {
            // What it belonged to is gone, or came again under the same name.
            Err(_) if known => {
                spot.file = None;
                self.fill(spot)
            }
            outcome => outcome,
        };
        let length = outcome.map_err(|why| {
            spot.file = None;
            Unread { path: spot.path.clone(), why }
        })?;
        let said = self.bytes.get(..length).unwrap_or_default();
        Ok(match std::str::from_utf8(said) {
            Ok(text) => text,
            Err(why) => {
                let valid = said.get(..why.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            }
        })
    }

    fn fill(&mut self, spot: &mut Spot) -> io::Result<usize> {
        if let Some((file, _)) = &spot.file {
            return pour(file, &mut self.bytes);
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(&spot.path, flags, Mode::empty())?;
        let length = pour(&file, &mut self.bytes)?;
        if self.open() < self.open_max {
            spot.file = Some((file, Arc::clone(&self.open)));
        }
        Ok(length)
    }
}

fn pour(file: &OwnedFd, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if length == bytes.len() {
            if length >= FILE_MAX {
                return Err(io::Error::other(format!("it is longer than {FILE_MAX} bytes")));
            }
            bytes.resize((length * 2).max(4096), 0);
        }
        let room = bytes.get_mut(length..).unwrap_or_default();
        let offset = u64::try_from(length).unwrap_or(u64::MAX);
        match rustix::io::pread(file, room, offset) {
            Ok(0) => return Ok(length),
            Ok(more) => length += more,
            Err(Errno::INTR) => {}
            Err(why) => return Err(why.into()),
        }
    }
}

/// The folders in a folder, sorted.
pub fn folders(path: &Path) -> Result<Vec<String>, Unread> {
    let not = |why: Errno| Unread { path: path.to_owned(), why: why.into() };
    let folder = rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let entries = rustix::fs::Dir::read_from(folder.map_err(not)?).map_err(not)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(not)?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type() == FileType::Directory && name != "." && name != ".." {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Whether the file system says that no folder is in this one. It is a cheap question: a folder
/// has a link from each folder in it. File systems that do not count links so never say yes.
pub fn is_leaf(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|it| it.st_nlink == 2)
}
