//! Lines tied together: each names the hash of the one before, so that none can be changed,
//! dropped, added or moved without a later one saying so. Pure.

use sha2::{Digest as _, Sha256};

use crate::{
    journal::entry::{Entry, VERSION},
    manifest::words::calm,
};

/// So many characters say why a line is no entry: it may quote a stranger at length.
const WHY_MAX: usize = 400;

/// What the first line names as its predecessor.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// SHA-256 of `line` (without its newline), in hexadecimal.
pub fn hash(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all that is written to it");
        text
    })
}

/// A journal's text, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// The entries, in order, each linked to the one before.
    pub entries: Vec<Entry>,
    /// The hash of the last whole line, [`GENESIS`] if there is none.
    pub head: String,
    /// Bytes up to the end of the last whole line.
    pub whole: usize,
    /// Bytes after it: a write that was cut short. Nobody was told that it had happened.
    pub torn: usize,
    /// Numbers (from 1) of lines that a fenced writer got out after it had been replaced. They
    /// count for nothing.
    pub stale: Vec<usize>,
}

/// Why a journal cannot be believed. The line is counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is not an entry at all.
    #[error("line {line} is not a journal entry: {why}")]
    NotAnEntry {
        /// Where.
        line: usize,
        /// Why.
        why: String,
    },
    /// Another program wrote it.
    #[error("line {line} is of version {found}, and this program reads version {VERSION}")]
    Version {
        /// Where.
        line: usize,
        /// What it says.
        found: u32,
    },
    /// Its number is not its place.
    #[error(
        "line {line} is numbered {found}, and {wanted} comes here: a line was dropped, added or moved"
    )]
    Number {
        /// Where.
        line: usize,
        /// What it says.
        found: u64,
        /// What it should say.
        wanted: u64,
    },
    /// It does not follow the line before.
    #[error("line {line} does not follow line {}: one of the two was changed", line.saturating_sub(1))]
    Link {
        /// Where.
        line: usize,
    },
}

/// Reads a journal. A torn last line is tolerated and told; anything wrong before it is not.
///
/// # Errors
/// [`Broken`] names the first line that cannot be believed.
pub fn read(bytes: &[u8]) -> Result<Lines, Broken> {
    let mut lines = Lines {
        entries: Vec::new(),
        head: GENESIS.to_owned(),
        whole: 0,
        torn: 0,
        stale: Vec::new(),
    };
    let mut epoch = 0;
    for (at, raw) in bytes.split_inclusive(|it| *it == b'\n').enumerate() {
        let Some(line) = raw.strip_suffix(b"\n") else {
            lines.torn = raw.len();
            break;
        };
        let number = at + 1;
        let entry: Entry = serde_json::from_slice(line).map_err(|why| Broken::NotAnEntry {
            line: number,
            why: calm(&why.to_string(), WHY_MAX),
        })?;
        if entry.v != VERSION {
            return Err(Broken::Version { line: number, found: entry.v });
        }
        if entry.epoch < epoch {
            lines.stale.push(number);
        } else {
            let wanted = u64::try_from(lines.entries.len()).unwrap_or(u64::MAX);
            if entry.n != wanted {
                return Err(Broken::Number { line: number, found: entry.n, wanted });
            }
            if entry.prev != lines.head {
                return Err(Broken::Link { line: number });
            }
            epoch = entry.epoch;
            lines.head = hash(line);
            lines.entries.push(entry);
        }
        lines.whole += raw.len();
    }
    Ok(lines)
}

/// Writes one entry as a line, with its newline, and tells its hash.
pub fn line(entry: &Entry) -> (String, String) {
    let mut text = serde_json::to_string(entry).expect("an entry is plain data");
    let head = hash(text.as_bytes());
    text.push('\n');
    (text, head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::entry::Fact;

    fn journal(n: u64) -> String {
        let mut head = GENESIS.to_owned();
        (0..n)
            .map(|n| {
                let fact = Fact::PhaseBegan { phase: format!("p{n}") };
                let entry = Entry { v: VERSION, n, epoch: 1, at_us: n, prev: head.clone(), fact };
                let (text, next) = line(&entry);
                head = next;
                text
            })
            .collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let text = journal(5);
        let lines = read(text.as_bytes()).unwrap();
        assert_eq!((lines.entries.len(), lines.whole, lines.torn), (5, text.len(), 0));
    }

    #[test]
    fn a_torn_tail_is_told_and_a_torn_middle_is_refused() {
        let text = journal(5);
        for cut in 0..text.len() {
            let lines = read(&text.as_bytes()[..cut]).unwrap();
            assert_eq!(lines.whole + lines.torn, cut);
        }
        let half = text.find('\n').unwrap() / 2;
        assert!(matches!(read(&text.as_bytes()[half..]), Err(Broken::NotAnEntry { line: 1, .. })));
    }

    #[test]
    fn any_changed_byte_before_the_last_line_is_found() {
        let text = journal(4).into_bytes();
        let last = journal(3).len();
        for at in 0..last {
            let mut bad = text.clone();
            bad[at] ^= 1;
            assert!(read(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_dropped_added_or_moved_line_is_found() {
        let text = journal(5);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let without: String = [lines[0], lines[2], lines[3]].concat();
        assert!(matches!(read(without.as_bytes()), Err(Broken::Number { line: 2, .. })));
        let twice: String = [lines[0], lines[0], lines[1]].concat();
        assert!(matches!(read(twice.as_bytes()), Err(Broken::Number { line: 2, .. })));
        let moved: String = [lines[1], lines[0]].concat();
        assert!(matches!(read(moved.as_bytes()), Err(Broken::Number { line: 1, .. })));
    }

    #[test]
    fn a_line_of_a_fenced_writer_counts_for_nothing() {
        let mut text = journal(2);
        let head = read(text.as_bytes()).unwrap().head;
        let fact = Fact::PhaseEnded { phase: "x".to_owned() };
        let entry =
            |epoch, fact| Entry { v: VERSION, n: 2, epoch, at_us: 9, prev: head.clone(), fact };
        let (taken, _) = line(&entry(2, fact.clone()));
        let (late, _) = line(&entry(1, fact));
        text += &taken;
        text += &late;
        let lines = read(text.as_bytes()).unwrap();
        assert_eq!((lines.entries.len(), lines.stale), (3, vec![4]));
    }
}
