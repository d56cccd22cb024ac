//! A place in a text.

/// A stretch of bytes of a source's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Place {
    /// From `start` up to `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Whether it covers nothing.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The nearest place that lies in `text`, with both ends between characters.
    #[must_use]
    pub fn within(self, text: &str) -> Self {
        let start = text.floor_char_boundary(self.start);
        Self { start, end: text.ceil_char_boundary(self.end.max(start)) }
    }

    /// The text that stands there; nothing where the place is not in `text`.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or("")
    }

    /// The same place up to the end of its first line: what is shown of a mapping of many lines.
    #[must_use]
    pub fn first_line(self, text: &str) -> Self {
        let shown = self.of(text).split(['\r', '\n']).next().unwrap_or("");
        Self { start: self.start, end: self.start.saturating_add(shown.len()) }
    }
}
