//! What stands below a run's lines while it is played: where it is, what acts, and what probes see.
//! Pure: from what the journal said so far to lines of a width.

use std::collections::VecDeque;

use super::line::{Line, Paint, columns, cut, plain};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::entry::{Intent, Look, OnVanish, UndoClass};

    fn said(view: &mut View, at_us: u64, fact: Fact) {
        view.meet(&Entry { v: 1, n: 0, epoch: 1, at_us, prev: String::new(), fact });
    }

    fn look(took: u64, grade: Verdict) -> Look {
        Look(0, took, grade, String::new(), Vec::new())
    }

    /// In the third second of a fault, with two probes.
    fn played() -> View {
        let planned = ["disrupt", "重启 verify"].map(str::to_owned).to_vec();
        let mut view = View { planned, ..View::default() };
        said(&mut view, 0, Fact::PhaseBegan { phase: "baseline".to_owned() });
        said(&mut view, 900_000, Fact::PhaseEnded { phase: "baseline".to_owned() });
        said(&mut view, 1_000_000, Fact::PhaseBegan { phase: "disrupt".to_owned() });
        let intent = Intent {
            act: 1,
            kind: "process_pause".to_owned(),
            family: Family::Fault,
            name: "freeze\u{1b}[2J the ledger".to_owned(),
            will: String::new(),
            undo: serde_json::Value::Null,
            by_hand: Vec::new(),
            class: UndoClass::Guardian,
            on_vanish: OnVanish::Heal,
            due_us: None,
            traces: None,
        };
        said(&mut view, 1_000_000, Fact::Intent(Box::new(intent)));
        said(&mut view, 1_000_100, Fact::Applied { act: 1, from_us: 0, to_us: 1_000_000 });
        let (pass, fail) = (Verdict::Pass, Verdict::Fail);
        let rows = vec![look(1_000, pass), look(9_000, pass), look(5_000, pass), look(0, fail)];
        said(&mut view, 2_000_000, Fact::Looks { probe: "pays".to_owned(), rows });
        let rows = vec![look(2_000, Verdict::Inconclusive), look(2_000, pass)];
        said(&mut view, 2_000_000, Fact::Looks { probe: "付款通过".to_owned(), rows });
        view
    }

    fn texts(view: &View, size: (usize, usize)) -> Vec<String> {
        view.lines(3_500_000, size).iter().map(|it| it.text(false)).collect()
    }

    #[test]
    fn phases_faults_and_probes_stand_each_in_a_line() {
        assert_eq!(
            texts(&played(), (80, 10)),
            [
                "3.50 s ✓ baseline ▸ disrupt 2.50 s · 重启 verify ",
                "◆ freeze [2J the ledger acts, 2.50 s",
                "pays     ▁█▄✗ 0 s",
                "付款通过 ?▁ 2.0 ms",
            ]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_more_are_drawn_than_fit() {
        let view = played();
        for width in 1..90 {
            for height in 0..6 {
                let lines = texts(&view, (width, height));
                assert!(lines.len() <= height, "{width}x{height}: {lines:?}");
                let wide = lines.iter().map(|it| columns(it)).max().unwrap_or(0);
                assert!(wide <= width, "{width}x{height}: {lines:?}");
            }
        }
        assert_eq!(texts(&view, (80, 3)).last().map(String::as_str), Some("and 2 more"));
    }

    #[test]
    fn without_colours_there_are_no_escapes_and_with_them_the_same_words() {
        for line in played().lines(3_500_000, (80, 10)) {
            let plain = line.text(false);
            assert!(!plain.contains('\u{1b}'), "{plain:?}");
            let coloured = line.text(true);
            let words: Vec<_> = coloured.split('\u{1b}').collect();
            let bare = words.iter().map(|it| it.split_once('m').map_or(*it, |it| it.1));
            assert!(coloured.contains("\u{1b}["), "{coloured:?}");
            assert_eq!(bare.collect::<String>(), plain);
        }
    }

    #[test]
    fn nothing_stands_below_while_somebody_types_nor_after_the_end() {
        let mut view = played();
        view.asked = 1;
        assert_eq!(view.lines(0, (80, 10)), []);
        view.asked = 0;
        said(&mut view, 4, Fact::Undone { act: 1, from_us: 3, to_us: 4 });
        assert!(!texts(&view, (80, 10)).concat().contains("freeze"), "it does not act any more");
        said(&mut view, 5, Fact::Ended { verdict: Verdict::Pass, why: Vec::new() });
        assert_eq!(view.lines(0, (80, 10)), []);
    }
}
