//! What matters to a person of a run's lines, one line each.

use super::{screen::Live, verdict};
use crate::{
    evidence::{residue, say},
    journal::{
        course::{Course, Sort},
        entry::{Entry, Fact, Mark, Outcome},
    },
    verdict::Verdict,
};

/// Tells a run's lines as they are written: what matters to a person, one line each.
#[derive(Debug, Default)]
pub struct Progress {
    /// What stands below the lines; begun with the first.
    live: Option<Live>,
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
        let said = self.words(&entry.fact).map(|text| format!("{at:8.2}s  {text}"));
        self.live.get_or_insert_with(Live::begin).meet(entry, said.as_deref());
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
