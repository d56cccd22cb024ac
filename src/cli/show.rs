//! The only file that knows a terminal: standard output is data, standard error is talk.

use std::io::{IsTerminal as _, Write as _};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::getpgrp,
    termios::tcgetpgrp,
};
use tokio::sync::mpsc;

use crate::{
    engine::counter::Lines,
    evidence::{residue, say},
    journal::{
        chain,
        course::{Course, Sort},
        entry::{Entry, Fact, Mark, Outcome},
    },
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
    writeln!(std::io::stderr(), "{}", text.as_ref()).unwrap_or_default();
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
const TYPED_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// What is typed at the terminal from here on, line by line; none if nobody is there.
pub fn answers() -> Option<Lines> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let (put, lines) = mpsc::unbounded_channel();
    let read = move || {
        let mut line = String::new();
        while !put.is_closed() {
            let stdin = std::io::stdin();
            // In a shell's background, reading would stop us.
            let mine = tcgetpgrp(&stdin).is_ok_and(|it| it == getpgrp());
            let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
            if !poll(&mut fds, Some(&TYPED_EVERY)).is_ok_and(|n| n > 0) || !mine {
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

/// Tells a run's lines as they are written: what matters to a person, one line each.
#[derive(Debug, Default)]
pub struct Progress {
    began: Option<u64>,
    run: String,
    acked: u64,
    failed: u64,
    told: (u64, u64),
    names: std::collections::BTreeMap<u32, String>,
}

impl Progress {
    /// Tells one line of the journal.
    pub fn tell(&mut self, entry: &Entry) {
        let began = *self.began.get_or_insert(entry.at_us);
        let at = say::seconds(i64::try_from(entry.at_us.saturating_sub(began)).unwrap_or(0));
        if let Some(text) = self.words(&entry.fact) {
            talk(format!("{at:8.2}s  {text}"));
        }
    }

    fn words(&mut self, fact: &Fact) -> Option<String> {
        let name = |act: &u32| self.names.get(act).cloned().unwrap_or_default();
        Some(match fact {
            Fact::Began(it) => {
                self.run.clone_from(&it.run);
                format!("{} · {} · seed {}", it.title, it.run, it.seed)
            }
            Fact::PhaseBegan { phase } => format!("▸ {phase}"),
            Fact::Intent(it) => {
                self.names.insert(it.act, it.name.clone());
                format!("    {}: {}", it.name, it.will)
            }
            Fact::Failed { act, why } => format!("    {} failed: {why}", name(act)),
            Fact::Effect { act, seen: Verdict::Pass, how } => {
                format!("    {} acts: {how}", name(act))
            }
            Fact::Effect { act, how, .. } => {
                format!("    {} was not seen to act: {how}", name(act))
            }
            Fact::Showed { act, showing: it } => {
                format!("    {} {}: {}", verdict(it.verdict), name(act), it.why)
            }
            Fact::Undone { act, from_us, to_us } => {
                let took = to_us.saturating_sub(*from_us) / 1_000;
                format!("    {} put back in {took} ms", name(act))
            }
            Fact::Stuck { act, why } => format!("    {} COULD NOT BE PUT BACK: {why}", name(act)),
            Fact::Residue(it) => residue::lines(it)
                .into_iter()
                .map(|it| format!("    {it}"))
                .collect::<Vec<_>>()
                .join("\n           "),
            Fact::Marked { mark, note } => match mark {
                Mark::Detected => format!("    detected: {note}"),
                Mark::Declared => format!("    declared: {note}"),
                Mark::Reached => format!("    reached: {note}"),
                Mark::Started => format!("    started: {note}"),
            },
            Fact::Judged { hypothesis, when, verdict: it, why } => {
                let when = format!("{when:?}").to_lowercase();
                format!("    {} {hypothesis} ({when}): {why}", verdict(*it))
            }
            Fact::Writes { rows } => {
                let acked = rows.iter().filter(|it| it.3 == Outcome::Acked).count();
                self.acked += say::count(acked);
                self.failed += say::count(rows.len() - acked);
                return None;
            }
            Fact::PhaseEnded { .. } if self.told != (self.acked, self.failed) => {
                self.told = (self.acked, self.failed);
                format!("    witness: {} acknowledged, {} not", self.acked, self.failed)
            }
            Fact::Course(it) => return self.course(it),
            Fact::Aborted { why } => format!("    aborted: {why}"),
            Fact::Ended { verdict: it, .. } => format!("■ {}", verdict(*it)),
            _ => return None,
        })
    }
}

impl Progress {
    /// Tells of this run.
    pub fn of(run: &str) -> Self {
        Self { run: run.to_owned(), ..Self::default() }
    }

    fn course(&mut self, it: &Course) -> Option<String> {
        let run = &self.run;
        Some(match it {
            Course::Asked(it) => {
                let (step, name, text) = (&it.step, &it.name, &it.text);
                let ways = match it.sort {
                    Sort::Gate => format!("holdfast drill decide {run} {step} go|no-go"),
                    Sort::Manual => format!("holdfast drill decide {run} {step} done|not-done"),
                    Sort::Approval => {
                        format!("holdfast drill approve {run} {step} --signature FILE")
                    }
                };
                let who = match (it.who.as_slice(), it.persons) {
                    ([], 1) => String::new(),
                    ([], n) => format!(" ({n} people)"),
                    (who, n) => format!(" ({n} of {})", who.join(", ")),
                };
                format!("  ? {step} {name}{who}: {text}\n             answer: {ways}")
            }
            Course::Answered(it) => {
                let note =
                    if it.note.is_empty() { String::new() } else { format!(": {}", it.note) };
                format!("    {} said {}{note} ({})", it.whose(), it.word.word(), it.voice.word())
            }
            Course::TurnedAway { by, why, .. } => format!("    {by} was turned away: {why}"),
            Course::Decided { outcome, why, .. } => format!("    {}: {why}", outcome.word()),
            Course::Passed { step, why } => format!("    {step} was not done: {why}"),
            Course::Resumed(it) => {
                let gap = say::length_u(it.gap_us);
                format!("▸ resumed by {} after {gap}", it.operator)
            }
            Course::Began { .. } | Course::Ended { .. } => return None,
        })
    }
}

/// Logs go to standard error, as `RUST_LOG` says; warnings by default.
pub fn logs(json: bool) {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = super::args::setting("RUST_LOG")
        .and_then(|it| EnvFilter::try_new(it).ok())
        .unwrap_or_else(|| EnvFilter::new("warn"));
    let plain = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if json { plain.json().try_init() } else { plain.with_ansi(coloured()).try_init() };
    if set.is_err() {
        talk("logs were set up already");
    }
}
