//! The one place where evidence meets the disk: a run's folder, and the folder of the sealing key.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the only file of the evidence that reads and writes files; all others are pure"
)]

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rand::{TryRng as _, rngs::SysRng};

use crate::evidence::{
    key::{Key, KeyError, PublicKey},
    seal::JOURNAL,
};

/// The private key's file name in the folder of keys.
pub const KEY: &str = "seal.key";
/// The public key's file name in the folder of keys.
pub const PUBLIC: &str = "seal.pub";

/// A run's folder has at most so many files.
const FILES_MAX: usize = 10_000;
/// A run's folder holds at most so many bytes.
const BYTES_MAX: u64 = 1 << 31;
/// Folders stand in one another at most so deep.
const DEEP_MAX: usize = 8;
/// Half-written files of ours end so.
const HALF: &str = ".half";

/// Why a folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The operating system said no.
    #[error("{what} {}: {why}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        why: std::io::Error,
    },
    /// There is too much in it.
    #[error(
        "read {}: it holds more than {FILES_MAX} files or {} GiB, so it is no run's folder",
        path.display(),
        BYTES_MAX >> 30
    )]
    TooMuch {
        /// Which.
        path: PathBuf,
    },
    /// It is no key.
    #[error("read the key {}: {why}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: KeyError,
    },
    /// Others may read the private key.
    #[error("use the key {0}: others may read it; run `chmod 600 {0}`, or better, remove it", path.display())]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// There is no chance to be had.
    #[error("make a key: the system's random numbers: {0}")]
    Chance(String),
}

type Done<T> = Result<T, FolderError>;

fn told<T>(result: std::io::Result<T>, what: &'static str, path: &Path) -> Done<T> {
    result.map_err(|why| FolderError::Io { what, path: path.to_owned(), why })
}

/// All that stands in a folder.
#[derive(Debug, Default)]
pub struct Folder {
    /// Files, by their paths in the folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What is neither a file nor a folder, or has a name that is not UTF-8, and what it is.
    pub strange: Vec<(String, &'static str)>,
}

/// Reads a whole folder. Links are not followed.
pub fn read(dir: &Path) -> Done<Folder> {
    let mut folder = Folder::default();
    let mut left = BYTES_MAX;
    walk(dir, "", &mut folder, &mut left)?;
    Ok(folder)
}

fn walk(dir: &Path, prefix: &str, folder: &mut Folder, left: &mut u64) -> Done<()> {
    let listing: std::io::Result<Vec<_>> = told(fs::read_dir(dir), "read", dir)?.collect();
    let listing = told(listing, "read", dir)?;
    if listing.is_empty() && !prefix.is_empty() {
        folder.strange.push((prefix.to_owned(), "an empty folder"));
    }
    for item in listing {
        let path = item.path();
        let shown = format!("{prefix}{}", item.file_name().to_string_lossy());
        let meta = told(fs::symlink_metadata(&path), "look at", &path)?;
        if item.file_name().to_str().is_none() {
            folder.strange.push((shown, "a name that is not UTF-8"));
        } else if meta.is_dir() {
            if prefix.matches('/').count() >= DEEP_MAX {
                return Err(FolderError::TooMuch { path });
            }
            walk(&path, &format!("{shown}/"), folder, left)?;
        } else if meta.is_file() {
            let bytes = bounded(&path, *left)?;
            *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            folder.files.insert(shown, bytes);
        } else {
            folder.strange.push((shown, "neither a file nor a folder"));
        }
        if folder.files.len() + folder.strange.len() > FILES_MAX {
            return Err(FolderError::TooMuch { path: dir.to_owned() });
        }
    }
    Ok(())
}

fn bounded(path: &Path, max: u64) -> Done<Vec<u8>> {
    let file = told(File::open(path), "read", path)?;
    let mut bytes = Vec::new();
    let read = told(file.take(max.saturating_add(1)).read_to_end(&mut bytes), "read", path)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > max {
        return Err(FolderError::TooMuch { path: path.to_owned() });
    }
    Ok(bytes)
}

/// The journal of a run's folder, if it has one.
pub fn journal(dir: &Path) -> Done<Option<Vec<u8>>> {
    let path = dir.join(JOURNAL);
    match bounded(&path, BYTES_MAX) {
        Err(FolderError::Io { why, .. }) if why.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Puts a file into a folder, whole or not at all: written beside, synced, renamed.
pub fn put(dir: &Path, name: &str, bytes: &[u8]) -> Done<()> {
    put_all(dir, &[(name.to_owned(), bytes.to_owned())])
}

/// Puts files into a folder, each whole or not at all.
pub fn put_all(dir: &Path, files: &[(String, Vec<u8>)]) -> Done<()> {
    for (name, bytes) in files {
        let half = dir.join(format!("{name}{HALF}"));
        let path = dir.join(name);
        write(&half, bytes, 0o644)?;
        told(fs::rename(&half, &path), "write", &path)?;
    }
    told(File::open(dir).and_then(|it| it.sync_all()), "sync", dir)
}

/// Writes the file that a user named.
pub fn write_out(path: &Path, bytes: &[u8]) -> Done<()> {
    let name = path.file_name().and_then(|it| it.to_str());
    let dir = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (name, fs::symlink_metadata(path)) {
        (Some(name), Err(_)) => put(dir, name, bytes),
        (Some(name), Ok(meta)) if meta.is_file() => put(dir, name, bytes),
        _ => told(fs::write(path, bytes), "write", path),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Done<()> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => return told(Err(why), "write", path),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = told(file, "write", path)?;
    told(file.write_all(bytes).and_then(|()| file.sync_all()), "write", path)
}

/// Removes files that a writer left half written when it died: nobody was told that they are there.
pub fn sweep(dir: &Path) -> Done<()> {
    for item in told(fs::read_dir(dir), "read", dir)? {
        let path = told(item, "read", dir)?.path();
        if path.to_string_lossy().ends_with(HALF) {
            told(fs::remove_file(&path), "remove", &path)?;
        }
    }
    Ok(())
}

/// The folder of keys in a state folder.
pub fn keys(state: &Path) -> PathBuf {
    state.join("keys")
}

/// The key that seals the runs of a state folder; made at first use, with the folder it lies in.
pub fn key(state: &Path) -> Done<Key> {
    let dir = keys(state);
    let path = dir.join(KEY);
    if let Some(key) = private(&path)? {
        return Ok(key);
    }
    match DirBuilder::new().recursive(true).mode(0o700).create(&dir) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => told(Err(why), "make", &dir)?,
        _ => {}
    }
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|why| FolderError::Chance(why.to_string()))?;
    let half = dir.join(format!("{KEY}.{}{HALF}", std::process::id()));
    write(&half, Key::from_seed(&seed).to_pem().as_bytes(), 0o600)?;
    // A link, unlike a rename, never replaces the key that another process made meanwhile.
    let linked = fs::hard_link(&half, &path);
    told(fs::remove_file(&half), "remove", &half)?;
    match linked {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => told(Err(why), "write", &path)?,
        _ => {}
    }
    let gone = || std::io::Error::from(ErrorKind::NotFound);
    let key = private(&path)?;
    let key = key.ok_or_else(|| FolderError::Io { what: "read", path, why: gone() })?;
    put(&dir, PUBLIC, key.public().to_pem().as_bytes())?;
    Ok(key)
}

fn private(path: &Path) -> Done<Option<Key>> {
    let text = match fs::read_to_string(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        read => told(read, "read", path)?,
    };
    let meta = told(fs::metadata(path), "look at", path)?;
    if meta.mode() & 0o077 != 0 {
        return Err(FolderError::Open { path: path.to_owned() });
    }
    let key = Key::from_pem(&text);
    key.map(Some).map_err(|why| FolderError::Key { path: path.to_owned(), why })
}

/// The public key in a file.
pub fn public(path: &Path) -> Done<PublicKey> {
    let text = told(fs::read_to_string(path), "read", path)?;
    PublicKey::from_pem(&text).map_err(|why| FolderError::Key { path: path.to_owned(), why })
}

/// The public key of a state folder, if it has one yet.
pub fn public_of(state: &Path) -> Done<Option<PublicKey>> {
    let path = keys(state).join(PUBLIC);
    match public(&path) {
        Err(FolderError::Io { why, .. })
            if [ErrorKind::NotFound, ErrorKind::PermissionDenied].contains(&why.kind()) =>
        {
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Whether there is a folder of that name.
pub fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_dir())
}
