//! Lines of painted pieces, and how many columns they take.

/// How a piece is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Strong,
    Faint,
    Good,
    Odd,
    Bad,
}

/// A line of painted pieces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line(Vec<(Paint, String)>);

impl Line {
    pub(super) fn put(&mut self, paint: Paint, text: &str) {
        match self.0.last_mut() {
            Some((last, said)) if *last == paint => said.push_str(text),
            Some(_) | None => self.0.push((paint, text.to_owned())),
        }
    }

    pub(super) fn cut(mut self, width: usize) -> Self {
        let mut left = width;
        for (_, text) in &mut self.0 {
            *text = cut(text, left);
            left = left.saturating_sub(columns(text));
        }
        self
    }

    /// As a terminal takes it.
    pub(super) fn text(&self, coloured: bool) -> String {
        let piece = |(paint, text): &(Paint, String)| {
            let code = match paint {
                Paint::Plain => None,
                Paint::Strong => Some("1"),
                Paint::Faint => Some("2"),
                Paint::Good => Some("32"),
                Paint::Odd => Some("33"),
                Paint::Bad => Some("31"),
            };
            match code.filter(|_| coloured && !text.is_empty()) {
                Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
                None => text.clone(),
            }
        };
        self.0.iter().map(piece).collect()
    }
}

/// What others wrote must not move the cursor.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The beginning that fits so many columns.
pub(super) fn cut(text: &str, width: usize) -> String {
    let mut left = width;
    let fits = |it: &char| {
        let takes = wide(*it);
        let fits = takes <= left;
        left = if fits { left - takes } else { 0 };
        fits
    };
    text.chars().take_while(fits).collect()
}

/// The columns that a text takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(wide).sum()
}

/// Chinese, Japanese and Korean take two columns, signs above letters none.
fn wide(it: char) -> usize {
    match u32::from(it) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x2_0000..=0x3_fffd => 2,
        _ => 1,
    }
}
