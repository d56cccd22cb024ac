//! The text of a manifest and the name it goes by.

use crate::manifest::{diagnostic::Diagnostic, place::Place};

/// The longest file that is read, in bytes.
pub const BYTES_MAX: usize = 1 << 20;

/// A file's name as shown, and its text. Always there to be shown, even where it cannot be read.
#[derive(Debug, Clone)]
pub struct Source {
    path: String,
    text: String,
    flaw: Option<Diagnostic>,
}

impl Source {
    /// Takes the bytes of a file. A byte order mark is passed over; what is no UTF-8 text, or is
    /// longer than `BYTES_MAX`, is a flaw that `Doc::parse` tells.
    pub fn new(path: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let long = bytes.len() > BYTES_MAX;
        let bytes = if long { bytes.get(..BYTES_MAX).unwrap_or(bytes) } else { bytes };
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes).into_owned();
        // Up to the first bad byte the text is the bytes, so its offset is the same in both.
        let bad = std::str::from_utf8(bytes).err().map(|it| it.valid_up_to());
        let flaw = if long {
            Some(Diagnostic::too_long(BYTES_MAX))
        } else {
            bad.map(|at| Diagnostic::not_text(Place::new(at, at.saturating_add(1)).within(&text)))
        };
        Self { path: path.into(), text, flaw }
    }

    /// The file's name as shown.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The text that places refer to.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Why the text cannot be read at all.
    pub(crate) fn flaw(&self) -> Option<&Diagnostic> {
        self.flaw.as_ref()
    }

    /// Line and column of a byte, both counted from 1, the column in characters.
    pub fn line_col(&self, at: usize) -> (usize, usize) {
        let before = Place::new(0, at).within(&self.text).of(&self.text);
        let line = before.matches('\n').count().saturating_add(1);
        let start = before.rfind('\n').map_or(0, |it| it + 1);
        let column = before.get(start..).unwrap_or("").chars().count().saturating_add(1);
        (line, column)
    }
}
