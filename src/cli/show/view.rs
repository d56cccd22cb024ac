//! What stands below a run's lines while it is played: where it is, what acts, and what probes see.
//! Pure: from what the journal said so far to lines of a width.

use std::collections::VecDeque;

use crate::{
    evidence::say,
    journal::{
        course::Course,
        entry::{Entry, Fact, Family, Outcome},
    },
    verdict::Verdict,
};

/// So many of a probe's answers are kept; no terminal is wider.
const KEPT: usize = 240;
/// Blocks of a sparkline, the lowest first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most columns that a name takes.
const NAME_MAX: usize = 24;
/// What follows a sparkline: ` 12.3 s`.
const LAST: usize = 9;

/// A run as it stands.
#[derive(Debug, Default)]
pub(super) struct View {
    began_us: Option<u64>,
    phase: Option<(String, u64)>,
    done: Vec<String>,
    planned: Vec<String>,
    faults: Vec<Standing>,
    probes: Vec<Probe>,
    names: Vec<(u32, Family, String)>,
    asked: u32,
    ended: bool,
}

/// An act that stands.
#[derive(Debug)]
struct Standing {
    act: u32,
    name: String,
    since_us: u64,
    going: bool,
}

/// What a probe, or the witness, saw.
#[derive(Debug, Default)]
struct Probe {
    name: String,
    looks: VecDeque<(u64, Verdict)>,
}

impl View {
    /// Takes in a line of the journal.
    pub(super) fn meet(&mut self, entry: &Entry) {
        self.began_us.get_or_insert(entry.at_us);
        match &entry.fact {
            Fact::Began(it) => {
                self.planned = it.plan.iter().map(|it| it.phase.clone()).collect();
                self.probes = it.hypotheses.iter().map(|it| Probe::named(&it.name)).collect();
            }
            Fact::PhaseBegan { phase } => {
                self.planned.retain(|it| it != phase);
                self.phase = Some((phase.clone(), entry.at_us));
            }
            Fact::PhaseEnded { phase } => {
                self.done.push(phase.clone());
                self.phase = self.phase.take().filter(|it| it.0 != *phase);
            }
            Fact::Intent(it) => self.names.push((it.act, it.family, it.name.clone())),
            Fact::Applied { act, to_us, .. } => self.stands(*act, *to_us),
            Fact::Undone { act, .. } | Fact::Kept { act } => {
                self.faults.retain(|it| it.act != *act);
            }
            Fact::Stuck { act, .. } => {
                let standing = self.faults.iter_mut().filter(|it| it.act == *act);
                standing.for_each(|it| it.going = false);
            }
            Fact::Looks { probe, rows } => {
                self.looked(probe, rows.iter().map(|it| (it.1, it.2)));
            }
            Fact::Writes { rows } => {
                self.looked("witness", rows.iter().map(|it| (it.2, grade(it.3))));
            }
            Fact::Course(Course::Asked(_)) => self.asked += 1,
            Fact::Course(Course::Decided { .. }) => self.asked = self.asked.saturating_sub(1),
            Fact::Ended { .. } => self.ended = true,
            _ => {}
        }
    }

    fn stands(&mut self, act: u32, since_us: u64) {
        let known = self.names.iter().find(|it| it.0 == act && it.1 == Family::Fault);
        let Some((_, _, name)) = known else { return };
        self.faults.push(Standing { act, name: name.clone(), since_us, going: true });
    }

    fn looked(&mut self, name: &str, looks: impl Iterator<Item = (u64, Verdict)>) {
        if let Some(it) = self.probes.iter_mut().find(|it| it.name == name) {
            return it.meet(looks);
        }
        let mut fresh = Probe::named(name);
        fresh.meet(looks);
        self.probes.push(fresh);
    }

    /// The lines of it at `now_us`, none of them wider than `width` columns, and no more than
    /// `height` of them. Nothing while a person is asked, who types where they would stand.
    pub(super) fn lines(&self, now_us: u64, (width, height): (usize, usize)) -> Vec<Line> {
        let Some(began_us) = self.began_us.filter(|_| !self.ended && self.asked == 0) else {
            return Vec::new();
        };
        let mut lines = vec![self.head(now_us, now_us.saturating_sub(began_us), width)];
        for it in &self.faults {
            let word = if it.going { "acts" } else { "is stuck" };
            let since = length(now_us.saturating_sub(it.since_us));
            let mut line = Line::default();
            line.put(Paint::Bad, "◆ ");
            line.put(Paint::Plain, &format!("{} {word}, {since}", plain(&it.name)));
            lines.push(line.cut(width));
        }
        let names = self.probes.iter().map(|it| columns(&plain(&it.name))).max().unwrap_or(0);
        let names = names.min(NAME_MAX).min(width / 3);
        lines.extend(self.probes.iter().map(|it| it.line(names, width)));
        if lines.len() > height {
            let more = lines.len() - height + 1;
            lines.truncate(height.saturating_sub(1));
            let mut line = Line::default();
            line.put(Paint::Faint, &format!("and {more} more"));
            lines.push(line.cut(width));
            lines.truncate(height);
        }
        lines
    }

    fn head(&self, now_us: u64, since_us: u64, width: usize) -> Line {
        let mut line = Line::default();
        line.put(Paint::Faint, &format!("{} ", length(since_us)));
        for it in &self.done {
            line.put(Paint::Good, "✓ ");
            line.put(Paint::Faint, &format!("{} ", plain(it)));
        }
        if let Some((name, from_us)) = &self.phase {
            let so_far = length(now_us.saturating_sub(*from_us));
            line.put(Paint::Strong, &format!("▸ {} {so_far} ", plain(name)));
        }
        for it in &self.planned {
            line.put(Paint::Faint, &format!("· {} ", plain(it)));
        }
        line.cut(width)
    }
}

impl Probe {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), looks: VecDeque::new() }
    }

    fn meet(&mut self, looks: impl Iterator<Item = (u64, Verdict)>) {
        self.looks.extend(looks);
        let over = self.looks.len().saturating_sub(KEPT);
        self.looks.drain(..over);
    }

    /// Its name, a block for each answer as high as it took long, and how long the last one took.
    /// What was not as it must be has a sign of its own, so that no colour is needed.
    fn line(&self, names: usize, width: usize) -> Line {
        let mut line = Line::default();
        let name = cut(&plain(&self.name), names);
        let pad = " ".repeat(names.saturating_sub(columns(&name)));
        line.put(Paint::Plain, &format!("{name}{pad} "));
        let room = width.saturating_sub(names + 1 + LAST);
        let from = self.looks.len().saturating_sub(room);
        let shown = || self.looks.iter().skip(from);
        let good = || shown().filter(|it| it.1 == Verdict::Pass).map(|it| it.0);
        let (low, high) = (good().min().unwrap_or(0), good().max().unwrap_or(0));
        for (took, grade) in shown() {
            match grade {
                Verdict::Pass => line.put(Paint::Good, block(*took, (low, high)).as_str()),
                Verdict::Inconclusive => line.put(Paint::Odd, "?"),
                Verdict::Fail => line.put(Paint::Bad, "✗"),
            }
        }
        match self.looks.back() {
            Some((took, _)) => line.put(Paint::Faint, &format!(" {}", length(*took))),
            None => line.put(Paint::Faint, "no answer yet"),
        }
        line.cut(width)
    }
}

/// A block between the fastest and the slowest that are shown; a flat line is low.
fn block(took: u64, (low, high): (u64, u64)) -> String {
    // Twice the fastest is not yet slow: small differences of what is fast mean nothing.
    let span = high.saturating_sub(low).max(low).max(1);
    let steps = u64::try_from(BLOCKS.len() - 1).unwrap_or(0);
    let step = took.saturating_sub(low).saturating_mul(steps) / span;
    let step = usize::try_from(step).unwrap_or(usize::MAX).min(BLOCKS.len() - 1);
    BLOCKS.get(step).map(char::to_string).unwrap_or_default()
}

fn grade(it: Outcome) -> Verdict {
    match it {
        Outcome::Acked => Verdict::Pass,
        Outcome::Refused | Outcome::Unknown => Verdict::Fail,
        Outcome::Blind => Verdict::Inconclusive,
    }
}

fn length(us: u64) -> String {
    say::length_u(us)
}

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
    fn put(&mut self, paint: Paint, text: &str) {
        match self.0.last_mut() {
            Some((last, said)) if *last == paint => said.push_str(text),
            Some(_) | None => self.0.push((paint, text.to_owned())),
        }
    }

    fn cut(mut self, width: usize) -> Self {
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
fn plain(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The beginning that fits so many columns.
fn cut(text: &str, width: usize) -> String {
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
fn columns(text: &str) -> usize {
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
