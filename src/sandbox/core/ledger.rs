//! The ledger on disk: an append-only file of lines, and an index of what is durable in it.
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::entry::Entry;

/// How many entries a ledger takes: its index is in memory.
pub(super) const ENTRIES_MAX: u64 = 2_000_000;
/// How many bytes one answer with lines holds, about.
const PAGE_BYTES_MAX: u64 = 512 * 1024;

/// The writing side. It has one owner.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    length: u64,
    broken: bool,
}

/// The reading side: shows only what is durable.
#[derive(Debug, Clone)]
pub(super) struct View(Arc<Mutex<Index>>);

#[derive(Debug)]
struct Index {
    file: File,
    /// Where each line begins, and where the last one ends.
    offsets: Vec<u64>,
    by_id: BTreeMap<Box<str>, u64>,
}

impl Ledger {
    /// Opens or creates the file. A torn last line was never acknowledged and is cut off;
    /// damage anywhere else is refused.
    pub(super) fn open(path: &Path) -> io::Result<(Self, View)> {
        let file = File::options().create(true).read(true).append(true).open(path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let mut index = Index { file: file.try_clone()?, offsets: vec![0], by_id: BTreeMap::new() };
        let mut reader = BufReader::new(file.try_clone()?);
        let mut line = Vec::new();
        let mut length = 0;
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                if read > 0 {
                    tracing::warn!(bytes = read, "cut off a torn last line");
                    file.set_len(length)?;
                    file.sync_all()?;
                }
                break;
            }
            index.take(&line).map_err(|why| damaged(path, index.count(), &why))?;
            length += u64::try_from(read).map_err(io::Error::other)?;
        }
        let ledger = Self { path: path.to_owned(), file, length, broken: false };
        Ok((ledger, View(Arc::new(Mutex::new(index)))))
    }

    /// Writes lines and waits until they are on the disk. After an error nothing of them is
    /// there, or the ledger takes no more writes until it is opened again.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other(
                "an earlier write failed half-way: start this core again",
            ));
        }
        if let Err(why) = self.file.write_all(lines) {
            self.broken = self.file.set_len(self.length).is_err();
            return Err(why);
        }
        if let Err(why) = self.file.sync_data() {
            // The kernel may have dropped the pages: what is on the disk is not known any more.
            self.broken = true;
            return Err(why);
        }
        self.length += u64::try_from(lines.len()).map_err(io::Error::other)?;
        Ok(())
    }

    /// Drops the entries from this one on and waits until that is on the disk.
    pub(super) fn cut(&mut self, view: &View, keep: u64) -> io::Result<()> {
        let length = view.cut(keep);
        self.file.set_len(length)?;
        self.file.sync_all()?;
        self.length = length;
        Ok(())
    }

    /// Whether it takes no more writes.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn damaged(path: &Path, line: u64, why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "{}:{}: {why}; this is no torn end but damage, and nothing was changed: move the \
             file away and let this core rejoin the other",
            path.display(),
            line + 1
        ),
    )
}

impl Index {
    fn count(&self) -> u64 {
        count(&self.offsets)
    }

    /// Takes note of a durable line.
    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let entry: Entry =
            serde_json::from_slice(line).map_err(|why| format!("not an entry: {why}"))?;
        let seq = self.count();
        if entry.seq != seq {
            return Err(format!("has the number {} where {seq} is due", entry.seq));
        }
        if self.by_id.insert(entry.id.into_boxed_str(), seq).is_some() {
            return Err("bears an id that an earlier line has".to_owned());
        }
        let begin = self.offsets.last().copied().unwrap_or(0);
        let length = u64::try_from(line.len()).map_err(|why| why.to_string())?;
        self.offsets.push(begin + length);
        Ok(())
    }
}

fn count(offsets: &[u64]) -> u64 {
    u64::try_from(offsets.len()).map_or(0, |it| it.saturating_sub(1))
}

impl View {
    fn index(&self) -> std::sync::MutexGuard<'_, Index> {
        self.0.lock().expect("no holder panics")
    }

    /// How many entries are durable.
    pub(super) fn count(&self) -> u64 {
        self.index().count()
    }

    /// The number of the entry with this id.
    pub(super) fn find(&self, id: &str) -> Option<u64> {
        self.index().by_id.get(id).copied()
    }

    /// Shows lines that have just become durable.
    pub(super) fn publish(&self, lines: &[u8]) -> io::Result<()> {
        let mut index = self.index();
        for line in lines.split_inclusive(|it| *it == b'\n') {
            index.take(line).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// The entry with this number.
    pub(super) fn entry(&self, seq: u64) -> io::Result<Option<Entry>> {
        let line = self.lines(seq, seq + 1)?;
        if line.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(io::Error::other)
    }

    /// The lines from one number up to another, as many as fit into one answer, at least one.
    pub(super) fn lines(&self, from: u64, below: u64) -> io::Result<Vec<u8>> {
        let index = self.index();
        let at = |seq: u64| usize::try_from(seq).ok().and_then(|it| index.offsets.get(it).copied());
        let below = below.min(index.count());
        let (Some(begin), true) = (at(from), from < below) else { return Ok(Vec::new()) };
        let mut end = at(below).unwrap_or(begin);
        if end - begin > PAGE_BYTES_MAX {
            let whole = index.offsets.partition_point(|it| *it <= begin + PAGE_BYTES_MAX);
            let last = whole.saturating_sub(1).max(usize::try_from(from + 1).unwrap_or(usize::MAX));
            end = index.offsets.get(last).copied().unwrap_or(end);
        }
        let mut lines = vec![0; usize::try_from(end - begin).map_err(io::Error::other)?];
        index.file.read_exact_at(&mut lines, begin)?;
        Ok(lines)
    }

    /// Forgets the entries from this one on; returns where the kept ones end in the file.
    fn cut(&self, keep: u64) -> u64 {
        let mut index = self.index();
        let keep_offsets = usize::try_from(keep).unwrap_or(usize::MAX).saturating_add(1);
        index.offsets.truncate(keep_offsets);
        index.by_id.retain(|_, seq| *seq < keep);
        index.offsets.last().copied().unwrap_or(0)
    }
}
