//! The machine as files: `/proc`, `/sys` and the root file system, each of which may lie elsewhere.
//!
//! Collectors and meters touch nothing but this. Small files that are read at every scrape are
//! [`Kept`]: opened once and read with `pread`, which spares two of three system calls.

use std::path::{Path, PathBuf};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

pub use super::kept::{Kept, Unread};

/// Where the machine's files are. In a container that watches its host: `/host/proc` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    proc: PathBuf,
    sys: PathBuf,
    root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self::new("/proc", "/sys", "/")
    }
}

/// What `statfs(2)` says of a mounted file system, in bytes and numbers of inodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume {
    /// All of it.
    pub size: f64,
    /// Free, for root.
    pub free: f64,
    /// Free, for others.
    pub avail: f64,
    /// Inodes in all.
    pub files: f64,
    /// Inodes free.
    pub files_free: f64,
}

/// What `uname(2)` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uname {
    /// `Linux`.
    pub sysname: String,
    /// The kernel's release.
    pub release: String,
    /// The kernel's build.
    pub version: String,
    /// The processor's architecture.
    pub machine: String,
    /// The host's name.
    pub nodename: String,
    /// The NIS domain, `(none)` as a rule.
    pub domainname: String,
}

/// A file's identity and age: equal stamps mean that it was not replaced or rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    modified: (i64, i64),
    /// Its size in bytes.
    pub size: u64,
}

/// `statfs(2)`'s types of the kernel's two file systems.
const PROC_MAGIC: i64 = 0x9fa0;
const SYSFS_MAGIC: i64 = 0x6265_6572;

impl Stamp {
    /// When it was last written, in seconds since the epoch.
    pub fn modified_seconds(&self) -> f64 {
        let (seconds, nanos) = self.modified;
        #[expect(clippy::cast_precision_loss, reason = "a metric is a double")]
        let time = seconds as f64 + nanos as f64 / 1e9;
        time
    }
}

impl Roots {
    /// The three places.
    pub fn new(
        proc: impl Into<PathBuf>,
        sys: impl Into<PathBuf>,
        root: impl Into<PathBuf>,
    ) -> Self {
        Self { proc: proc.into(), sys: sys.into(), root: root.into() }
    }

    /// A path below `/proc`.
    pub fn proc(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.proc.join(inside)
    }

    /// A path below `/sys`.
    pub fn sys(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.sys.join(inside)
    }

    /// A path of the machine, absolute there.
    pub fn rooted(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A path as the machine itself would say it: without the root's prefix.
    pub fn unrooted<'a>(&self, path: &'a str) -> &'a str {
        match self.root.to_str() {
            None | Some("/") => path,
            Some(prefix) => match path.strip_prefix(prefix) {
                Some("") => "/",
                Some(rest) if rest.starts_with('/') => rest,
                Some(_) | None => path,
            },
        }
    }

    /// Whether `/proc` and `/sys` are the kernel's own, so that it can be asked in other ways as
    /// well; false for a folder that stands for a machine.
    pub fn are_the_kernels(&self) -> bool {
        let is = |path: &Path, magic| rustix::fs::statfs(path).is_ok_and(|it| it.f_type == magic);
        is(&self.proc, PROC_MAGIC) && is(&self.sys, SYSFS_MAGIC)
    }

    /// Which machine this is. The system call, unless `/proc` lies elsewhere and speaks for itself.
    pub fn uname(&self) -> Uname {
        let here = rustix::system::uname();
        let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let said = Uname {
            sysname: word(here.sysname()),
            release: word(here.release()),
            version: word(here.version()),
            machine: word(here.machine()),
            nodename: word(here.nodename()),
            domainname: word(here.domainname()),
        };
        if self.proc == Path::new("/proc") {
            return said;
        }
        let file = |name: &str, other: String| {
            let text = read(&self.proc(format!("sys/kernel/{name}")));
            text.map_or(other, |it| it.trim_end().to_owned())
        };
        Uname {
            sysname: file("ostype", said.sysname),
            release: file("osrelease", said.release),
            version: file("version", said.version),
            machine: file("arch", said.machine),
            nodename: file("hostname", said.nodename),
            domainname: file("domainname", said.domainname),
        }
    }
}

/// Seconds since the Unix epoch.
pub fn now() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double many times")]
    let seconds = time.tv_sec as f64;
    #[expect(clippy::cast_precision_loss, reason = "less than 1e9")]
    let nanos = time.tv_nsec as f64;
    seconds + nanos / 1e9
}

/// What a file says now. Bytes that are not UTF-8 are replaced.
pub fn read(path: &Path) -> Result<String, Unread> {
    let bytes = read_bytes(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a file holds now.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Unread> {
    Kept::new(path.to_owned()).whole()
}

/// Where a path of links leads, or nothing when it leads nowhere.
#[expect(clippy::disallowed_methods, reason = "rustix has none, and this file is the wall")]
pub fn real(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

/// The names in a folder, sorted.
pub fn list(path: &Path) -> Result<Vec<String>, Unread> {
    let not = |why: Errno| Unread::new(path, why);
    let folder = rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let entries = rustix::fs::Dir::read_from(folder.map_err(not)?).map_err(not)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(not)?;
        let name = entry.file_name().to_string_lossy();
        if name != "." && name != ".." {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// A mounted file system's size and room. It can block for as long as the file system likes.
pub fn volume(path: &Path) -> Result<Volume, Unread> {
    let said = rustix::fs::statfs(path).map_err(|why| Unread::new(path, why))?;
    #[expect(clippy::cast_precision_loss, reason = "node_exporter's metric is a double, too")]
    let wide = |number: u64| number as f64;
    #[expect(clippy::cast_precision_loss, reason = "a block is a few kilobytes")]
    let block = said.f_bsize as f64;
    Ok(Volume {
        size: wide(said.f_blocks) * block,
        free: wide(said.f_bfree) * block,
        avail: wide(said.f_bavail) * block,
        files: wide(said.f_files),
        files_free: wide(said.f_ffree),
    })
}

/// A file's stamp, or nothing when there is no such file.
pub fn stamp(path: &Path) -> Result<Option<Stamp>, Unread> {
    match rustix::fs::stat(path) {
        Err(Errno::NOENT) => Ok(None),
        Err(why) => Err(Unread::new(path, why)),
        Ok(said) => Ok(Some(Stamp {
            inode: said.st_ino,
            modified: (said.st_mtime, i64::try_from(said.st_mtime_nsec).unwrap_or(0)),
            size: u64::try_from(said.st_size).unwrap_or(0),
        })),
    }
}

/// Whether this process may read a file now.
pub fn may_read(path: &Path) -> Result<(), Unread> {
    let at = rustix::fs::CWD;
    let flags = rustix::fs::AtFlags::EACCESS;
    rustix::fs::accessat(at, path, rustix::fs::Access::READ_OK, flags)
        .map_err(|why| Unread::new(path, why))
}

/// How many descriptors this process has open. Newer kernels say so in the folder's size.
pub fn descriptors() -> Result<usize, Unread> {
    let folder = Path::new("/proc/self/fd");
    match stamp(folder)? {
        Some(Stamp { size, .. }) if size > 0 => Ok(usize::try_from(size).unwrap_or(0)),
        Some(_) | None => Ok(list(folder)?.len().saturating_sub(1)),
    }
}

/// How many descriptors this process may open, and how many bytes it may map; none: no limit.
pub fn limits() -> (Option<u64>, Option<u64>) {
    use rustix::process::{Resource, getrlimit};
    (getrlimit(Resource::Nofile).current, getrlimit(Resource::As).current)
}

/// Lets this process open as many descriptors as it may, up to so many: what it was given to begin
/// with is often too few to keep many small files open. Where that fails, nothing changes.
pub fn raise_descriptors(most: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let more = now.maximum.unwrap_or(most).min(most);
    if now.current.is_some_and(|it| it < more) {
        let limit = Rlimit { current: Some(more), maximum: now.maximum };
        setrlimit(Resource::Nofile, limit).unwrap_or_default();
    }
}

/// Bytes in a page of memory.
pub fn page_size() -> usize {
    rustix::param::page_size()
}
