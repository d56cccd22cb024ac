//! The terminal while a run is played: lines go up, and below them stands how the run stands.
//!
//! The cursor is never hidden, and always at the beginning of the line below: however we end, the
//! terminal is as it was.

use std::{
    io::{IsTerminal as _, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::termios::tcgetwinsize;

use super::view::View;
use crate::{
    cli::args,
    journal::entry::Entry,
    world::{clock::Clock as _, linux::clock::LinuxClock, thread},
};

/// How often it is drawn anew when nothing happens: what has acted for how long.
const AGAIN: Duration = Duration::from_millis(250);
/// Narrower or lower terminals get lines and nothing below them.
const LEAST: (usize, usize) = (20, 6);

/// The run that is played, for whoever draws it. Whoever plays it takes this lock alone, unless it
/// has something to say: a terminal that is held up must not hold up a run.
static VIEW: Mutex<Option<View>> = Mutex::new(None);
/// Everything that is written to standard error goes by here, so that nothing stands in between:
/// so many lines stand below.
static DRAWN: Mutex<usize> = Mutex::new(0);

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes bytes above what stands below, all at once, so that nothing flickers.
fn write(bytes: &[u8]) {
    let mut drawn = locked(&DRAWN);
    let mut all = match *drawn {
        0 => Vec::new(),
        lines => format!("\r\u{1b}[{lines}A\u{1b}[J").into_bytes(),
    };
    all.extend(bytes);
    let below = below();
    *drawn = below.len();
    all.extend(below.concat().into_bytes());
    if !all.is_empty() {
        std::io::stderr().write_all(&all).unwrap_or_default();
    }
}

/// What stands below, as a terminal takes it, line by line.
fn below() -> Vec<String> {
    let view = locked(&VIEW);
    let Some((view, size)) = view.as_ref().zip(size()) else { return Vec::new() };
    let coloured = super::coloured();
    let lines = view.lines(LinuxClock.now_us(), size);
    lines.iter().map(|it| it.text(coloured) + "\n").collect()
}

/// The columns and lines that may be used; none where nothing can be drawn.
fn size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(std::io::stderr()).ok()?;
    let (width, height) = (usize::from(size.ws_col), usize::from(size.ws_row));
    // The last column stays free: some terminals begin a new line there. So does half the screen,
    // in which the lines above can be read.
    (width >= LEAST.0 && height >= LEAST.1).then(|| (width - 1, height / 2))
}

/// Standard error, for one who writes lines.
pub(super) struct Above;

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Writes a line above what stands below.
pub(super) fn line(text: &str) {
    write(format!("{text}\n").as_bytes());
}

/// How a run stands, below its lines, as long as this value lives; nothing where standard error is
/// no terminal, or one that can only write.
#[derive(Debug)]
pub(super) struct Live {
    drawing: Option<Arc<()>>,
}

impl Live {
    /// Begins to draw.
    pub(super) fn begin() -> Self {
        let is_dumb = args::setting("TERM").is_none_or(|it| it == "dumb");
        if is_dumb || !std::io::stderr().is_terminal() {
            return Self { drawing: None };
        }
        let drawing = Arc::new(());
        let watched = Arc::downgrade(&drawing);
        let draw = move || {
            while watched.strong_count() > 0 {
                thread::nap(AGAIN);
                write(&[]);
            }
        };
        if thread::start("screen", draw).is_err() {
            return Self { drawing: None };
        }
        *locked(&VIEW) = Some(View::default());
        Self { drawing: Some(drawing) }
    }

    /// Takes in a line of the journal, and writes what is to be said of it.
    pub(super) fn meet(&self, entry: &Entry, said: Option<&str>) {
        if self.drawing.is_some()
            && let Some(view) = locked(&VIEW).as_mut()
        {
            view.meet(entry);
        }
        if let Some(text) = said {
            line(text);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.drawing.take().is_some() {
            *locked(&VIEW) = None;
            write(&[]);
        }
    }
}
