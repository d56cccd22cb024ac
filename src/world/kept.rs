//! Small files that are read again and again, through descriptors that stay open.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

/// Why a file could not be read; completes "could not …".
#[derive(Debug, thiserror::Error)]
#[error("read `{}`: {why}", path.display())]
pub struct Unread {
    /// Which file.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub why: io::Error,
}

impl Unread {
    pub(super) fn new(path: &Path, why: impl Into<io::Error>) -> Self {
        Self { path: path.to_owned(), why: why.into() }
    }

    /// There is no such file.
    pub fn is_missing(&self) -> bool {
        self.why.kind() == io::ErrorKind::NotFound
    }

    /// Nothing is there: no such file, no such device, or the kernel has the feature turned off.
    pub fn is_absent(&self) -> bool {
        let off = [Errno::NODEV, Errno::NXIO, Errno::OPNOTSUPP, Errno::NOTDIR];
        self.is_missing()
            || self.why.raw_os_error().is_some_and(|it| off.map(Errno::raw_os_error).contains(&it))
    }

    /// It is there, but not for us.
    pub fn is_denied(&self) -> bool {
        self.why.kind() == io::ErrorKind::PermissionDenied
    }
}

/// A small file that is read again and again: the descriptor and the buffers stay.
///
/// For files of `/proc` and `/sys` only, whose name always means the same file. One that is
/// replaced by rename would be read as it was. When all of them together hold half of the
/// descriptors that the process may have, further ones are opened and closed at each look.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    file: Option<Open>,
    bytes: Vec<u8>,
    text: String,
    is_fresh: bool,
    is_brief: bool,
}

/// The kernel gives what fits into a page, line by line. An answer that leaves so much of it free
/// is the last one, unless the next line is longer than that.
const ROOM: usize = 1 << 10;
const PAGE: usize = 4 << 10;

/// No file that we read is larger; one that is must be a mistake, or malice.
const FILE_MAX: usize = 16 << 20;
/// What [`Kept::lines`] reads at a time. No line of the kernel's tables is longer.
const PIECE: usize = 32 << 10;

impl Kept {
    /// A file; it is opened when it is first read.
    pub fn new(path: PathBuf) -> Self {
        let (bytes, text) = (Vec::new(), String::new());
        Self { path, file: None, bytes, text, is_fresh: false, is_brief: false }
    }

    /// The same, of a file that the kernel gives as one piece, or in which no line is longer than
    /// a kilobyte: its end is seen without another look at it. In the kernel's tables, which are
    /// walked to find that nothing more is there, that is half of the cost.
    pub fn brief(path: PathBuf) -> Self {
        Self { is_brief: true, ..Self::new(path) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now, from its beginning. Bytes that are not UTF-8 are replaced.
    pub fn read(&mut self) -> Result<&str, Unread> {
        self.is_fresh = false;
        let length = self.attempt(Self::fill)?;
        self.is_fresh = true;
        let said = self.bytes.get(..length).unwrap_or_default();
        self.text.clear();
        self.text.push_str(&String::from_utf8_lossy(said));
        Ok(&self.text)
    }

    /// What it said when it was read last; nothing when it could not be read.
    pub fn last(&self) -> &str {
        if self.is_fresh { &self.text } else { "" }
    }

    /// It could be read when it was read last.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Gives its lines one after the other, of a table that may be too long to be kept whole.
    pub fn lines(&mut self, mut each: impl FnMut(&str)) -> Result<(), Unread> {
        self.attempt(|kept| kept.pour(&mut each))
    }

    /// What it holds now, and nothing is kept.
    pub(super) fn whole(mut self) -> Result<Vec<u8>, Unread> {
        let length = self.attempt(Self::fill)?;
        self.bytes.truncate(length);
        Ok(self.bytes)
    }

    fn attempt<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> Result<T, Unread> {
        let known = self.file.is_some();
        let outcome = match read(self) {
            // It is there and has nothing to say now, as the speed of a cable that is not in.
            Err(why) if is_mute(&why) => Err(why),
            // What it belonged to is gone, or came again under the same name.
            Err(_) if known => {
                self.file = None;
                read(self)
            }
            outcome => outcome,
        };
        if outcome.as_ref().is_err_and(|why| !is_mute(why)) || Open::too_many() {
            self.file = None;
        }
        outcome.map_err(|why| Unread::new(&self.path, why))
    }

    fn fill(&mut self) -> io::Result<usize> {
        let file = opened(&mut self.file, &self.path)?;
        let mut length = 0;
        loop {
            if length == self.bytes.len() {
                if length >= FILE_MAX {
                    return Err(io::Error::other(format!("it is longer than {FILE_MAX} bytes")));
                }
                self.bytes.resize((length * 2).max(4096), 0);
            }
            let room = self.bytes.get_mut(length..).unwrap_or_default();
            let offset = u64::try_from(length).unwrap_or(u64::MAX);
            let space = room.len();
            match rustix::io::pread(file, room, offset) {
                Ok(0) => return Ok(length),
                Ok(more) if self.is_brief && is_last(more, space) => return Ok(length + more),
                Ok(more) => length += more,
                Err(Errno::INTR) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }

    fn pour(&mut self, each: &mut impl FnMut(&str)) -> io::Result<()> {
        let file = opened(&mut self.file, &self.path)?;
        self.bytes.resize(PIECE, 0);
        // So much of the buffer is the beginning of a line whose end is not there yet.
        let (mut held, mut offset) = (0, 0);
        loop {
            let room = self.bytes.get_mut(held..).unwrap_or_default();
            if room.is_empty() {
                return Err(io::Error::other(format!("a line is longer than {PIECE} bytes")));
            }
            let space = room.len();
            let more = match rustix::io::pread(file, room, offset) {
                Ok(more) => more,
                Err(Errno::INTR) => continue,
                Err(why) => return Err(why.into()),
            };
            offset += u64::try_from(more).unwrap_or(0);
            let is_last = more == 0 || self.is_brief && is_last(more, space);
            let filled = self.bytes.get(..held + more).unwrap_or_default();
            let end = filled.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let end = if is_last { held + more } else { end };
            let text = String::from_utf8_lossy(filled.get(..end).unwrap_or_default());
            text.lines().for_each(&mut *each);
            if is_last {
                return Ok(());
            }
            self.bytes.copy_within(end..held + more, 0);
            held = held + more - end;
        }
    }
}

fn opened<'a>(file: &'a mut Option<Open>, path: &Path) -> io::Result<BorrowedFd<'a>> {
    let open = match file {
        Some(open) => open,
        none @ None => {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
            none.insert(Open::new(rustix::fs::open(path, flags, Mode::empty())?))
        }
    };
    Ok(open.0.as_fd())
}

/// Whether nothing can follow an answer of so many bytes, for which there was so much space.
fn is_last(more: usize, space: usize) -> bool {
    more + ROOM <= space.min(PAGE)
}

fn is_mute(why: &io::Error) -> bool {
    why.raw_os_error() == Some(Errno::INVAL.raw_os_error())
}

/// A descriptor that is counted.
#[derive(Debug)]
struct Open(OwnedFd);

static OPEN: AtomicU64 = AtomicU64::new(0);
static OPEN_MAX: LazyLock<u64> = LazyLock::new(|| {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX) / 2
});

impl Open {
    fn new(file: OwnedFd) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self(file)
    }

    fn too_many() -> bool {
        OPEN.load(Ordering::Relaxed) > *OPEN_MAX
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}
