//! The only room that knows a terminal: standard output is data, standard error is talk.

mod line;
mod progress;
mod screen;
mod view;

use std::{
    io::{IsTerminal as _, Write as _},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::getpgrp,
    termios::tcgetpgrp,
};
use tokio::sync::mpsc;

pub use self::progress::Progress;

use crate::{
    engine::counter::Lines,
    journal::{chain, entry::Entry},
    verdict::Verdict,
    world::thread,
};

/// A line of data. A reader who has gone away is no reason to panic.
pub fn line(text: impl AsRef<str>) {
    writeln!(std::io::stdout(), "{}", text.as_ref()).unwrap_or_default();
}

/// A line of the journal as data, as it stands in the journal.
pub fn json(entry: &Entry) {
    line(chain::line(entry).0.trim_end());
}

/// A line of talk.
pub fn talk(text: impl AsRef<str>) {
    screen::line(text.as_ref());
}

/// A complaint, and a way out.
pub fn error(what: impl std::fmt::Display, help: &str) {
    let (bold, end) = if coloured() { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    talk(format!("{bold}error{end}: {what}"));
    if !help.is_empty() {
        talk(format!("help: {help}"));
    }
}

/// Asks a person, who answers `y` or does not; none if nobody is there to ask.
pub fn ask(question: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    write!(std::io::stderr(), "{question} [y/N] ").unwrap_or_default();
    let mut answer = String::new();
    let heard = std::io::stdin().read_line(&mut answer);
    Some(heard.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// How long a look at the terminal takes: whoever types does not notice.
const TYPED_EVERY: Duration = Duration::from_millis(200);

/// What is typed at the terminal from here on, line by line; none if nobody is there.
pub fn answers() -> Option<Lines> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let typed_every = Timespec::try_from(TYPED_EVERY).ok()?;
    let (put, lines) = mpsc::unbounded_channel();
    let read = move || {
        let mut line = String::new();
        while !put.is_closed() {
            let stdin = std::io::stdin();
            let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
            if matches!(poll(&mut fds, Some(&typed_every)), Ok(0)) {
                continue;
            }
            // In a shell's background, reading would stop us, and what waits is another's to read.
            if !tcgetpgrp(&stdin).is_ok_and(|it| it == getpgrp()) {
                thread::nap(TYPED_EVERY);
                continue;
            }
            line.clear();
            match stdin.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if put.send(line.clone()).is_err() => return,
                Ok(_) => {}
            }
        }
    };
    thread::start("terminal", read).is_ok().then_some(lines)
}

/// Whether talk may have colours.
pub fn coloured() -> bool {
    std::io::stderr().is_terminal() && super::args::setting("NO_COLOR").is_none()
}

/// A verdict as a word, coloured where that is wanted.
pub fn verdict(it: Verdict) -> String {
    let word = it.word().to_uppercase();
    if !coloured() {
        return word;
    }
    let colour = match it {
        Verdict::Pass => 32,
        Verdict::Inconclusive => 33,
        Verdict::Fail => 31,
    };
    format!("\u{1b}[1;{colour}m{word}\u{1b}[0m")
}

/// Logs go to standard error, as `RUST_LOG` says; warnings by default.
pub fn logs(json: bool) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = super::args::setting("RUST_LOG")
        .and_then(|it| EnvFilter::try_new(it).ok())
        .unwrap_or_else(|| EnvFilter::new("warn"));
    let plain = fmt().with_env_filter(filter).with_writer(|| screen::Above);
    let set = if json { plain.json().try_init() } else { plain.with_ansi(coloured()).try_init() };
    if set.is_err() {
        talk("logs were set up already");
    }
}
