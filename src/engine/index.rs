//! Keeps the bounded summary beside the journals up to date: a fold of facts into `index.json`.

use crate::{
    journal::{
        entry::{Entry, Fact, Family},
        index::{Active, DrillFigures, Index, LAST_MAX, Last, RunKind, Standing},
    },
    world::{clock::Stamp, linux::state::StateFolder},
};

/// The index of a state folder, held by whoever holds its lock.
pub struct Keeper {
    state: StateFolder,
    run: String,
    index: Index,
    /// What ties the journal's clock to the time of day.
    anchor: Stamp,
    /// Kinds of the run's faults, by act.
    kinds: std::collections::BTreeMap<u32, String>,
    /// The file does not say all that is known.
    behind: bool,
}

impl Keeper {
    /// Opens the index, or begins a new one: a summary that cannot be read is not worth a run.
    pub fn open(state: &StateFolder, run: &str, anchor: Stamp) -> Self {
        let read = state.read(crate::journal::index::FILE).ok().flatten();
        let index = read.and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
        let (state, run, kinds) =
            (state.clone(), run.to_owned(), std::collections::BTreeMap::new());
        Self { state, run, index, anchor, kinds, behind: false }
    }

    /// Folds one entry in; what was folded in before is passed over. Writes the file if it changed.
    pub fn note(&mut self, entry: &Entry, figures: impl FnOnce() -> Option<DrillFigures>) {
        self.note_soon(entry, figures);
        self.save();
    }

    /// The same, but what only readers of a run under way care for waits for [`Self::save`]: a
    /// fault is not late for a summary. Should we die before, whoever takes over folds it in.
    pub fn note_soon(&mut self, entry: &Entry, figures: impl FnOnce() -> Option<DrillFigures>) {
        let before = self.index.clone();
        if let Fact::Anchor(it) = &entry.fact {
            let (mono_us, boot_us, wall_us) = (it.mono_us, it.boot_us, it.wall_us);
            self.anchor = Stamp { mono_us, boot_us, wall_us };
        }
        if let Fact::Intent(it) = &entry.fact
            && it.family == Family::Fault
        {
            self.kinds.insert(it.act, it.kind.clone());
        }
        // A run that the index knows to have ended is told once and for all.
        let told_of = self.index.last.iter().any(|it| it.run == self.run);
        let fresh = !told_of && self.active().is_none_or(|it| it.upto <= entry.n);
        if fresh {
            self.fold(entry, figures);
            if let Some(it) = self.active() {
                it.upto = entry.n + 1;
            }
        }
        self.behind |= told(&before, &self.index);
        if matches!(entry.fact, Fact::Ended { .. } | Fact::Stuck { .. }) {
            self.save();
        }
    }

    fn fold(&mut self, entry: &Entry, figures: impl FnOnce() -> Option<DrillFigures>) {
        let at = self.seconds(entry.at_us);
        match &entry.fact {
            Fact::Began(it) => {
                self.index.active.retain(|it| it.run != self.run);
                self.index.active.push(Active {
                    run: self.run.clone(),
                    kind: it.kind,
                    title: it.title.clone(),
                    began: at,
                    phase: String::new(),
                    faults: Vec::new(),
                    upto: 0,
                });
            }
            Fact::PhaseBegan { phase } => self.change(|it| it.phase.clone_from(phase)),
            Fact::Applied { act, .. } => {
                if let Some(kind) = self.kinds.get(act).cloned() {
                    *self.index.faults_applied.entry(kind.clone()).or_default() += 1;
                    let act = *act;
                    self.change(|it| {
                        it.faults.push(Standing { act, kind, since: at, stuck: false });
                    });
                }
            }
            Fact::Undone { act, .. } | Fact::Kept { act } => {
                self.change(|it| it.faults.retain(|it| it.act != *act));
            }
            Fact::Stuck { act, .. } => {
                if let Some(kind) = self.kinds.get(act).cloned() {
                    *self.index.faults_stuck.entry(kind.clone()).or_default() += 1;
                    let act = *act;
                    self.change(|it| {
                        it.faults.retain(|it| it.act != act);
                        it.faults.push(Standing { act, kind, since: at, stuck: true });
                    });
                }
            }
            Fact::Ended { verdict, .. } => self.end(at, *verdict, figures()),
            _ => {}
        }
    }

    fn end(&mut self, at: f64, verdict: crate::verdict::Verdict, drill: Option<DrillFigures>) {
        let Some(place) = self.index.active.iter().position(|it| it.run == self.run) else {
            return;
        };
        let it = self.index.active.remove(place);
        let by_verdict = self.index.ended.entry(it.kind).or_default();
        *by_verdict.entry(verdict.word().to_owned()).or_default() += 1;
        let drill = drill.filter(|_| it.kind == RunKind::Drill);
        let (run, kind, title, began) = (it.run, it.kind, it.title, it.began);
        self.index.last.push(Last { run, kind, title, verdict, began, ended: at, drill });
        prune(&mut self.index.last);
    }

    fn active(&mut self) -> Option<&mut Active> {
        self.index.active.iter_mut().find(|it| it.run == self.run)
    }

    fn change(&mut self, how: impl FnOnce(&mut Active)) {
        if let Some(it) = self.active() {
            how(it);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits of microseconds last until 2255")]
    fn seconds(&self, mono_us: u64) -> f64 {
        let wall = self.anchor.wall_us.saturating_add(mono_us).saturating_sub(self.anchor.mono_us);
        wall as f64 / 1e6
    }

    /// Writes the file, unless it says all that is known.
    pub fn save(&mut self) {
        if !std::mem::take(&mut self.behind) {
            return;
        }
        let bytes = serde_json::to_vec_pretty(&self.index).expect("an index is plain data");
        if let Err(why) = self.state.write(crate::journal::index::FILE, &bytes) {
            tracing::warn!("the agent will not hear of this: {why}");
        }
    }
}

/// Drops the oldest, but never the newest of its kind: many scenarios must not push the last drill
/// out of sight.
fn prune(last: &mut Vec<Last>) {
    while last.len() > LAST_MAX {
        let newest = |kind| last.iter().rposition(|it| it.kind == kind);
        let kept = [RunKind::Scenario, RunKind::Drill].map(newest);
        let Some(oldest) = (0..last.len()).find(|it| !kept.contains(&Some(*it))) else { return };
        last.remove(oldest);
    }
}

/// Whether a reader could tell the two apart.
fn told(before: &Index, after: &Index) -> bool {
    let plain = |it: &Index| {
        let mut it = it.clone();
        for active in &mut it.active {
            active.upto = 0;
        }
        it
    };
    plain(before) != plain(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    #[test]
    fn many_scenarios_do_not_push_the_last_drill_out() {
        let last = |kind, n: usize| Last {
            run: n.to_string(),
            kind,
            title: String::new(),
            verdict: Verdict::Pass,
            began: 0.0,
            ended: 0.0,
            drill: None,
        };
        let mut all = vec![last(RunKind::Drill, 0), last(RunKind::Drill, 1)];
        all.extend((2..100).map(|n| last(RunKind::Scenario, n)));
        prune(&mut all);
        assert_eq!(all.len(), LAST_MAX);
        assert_eq!(all.first().map(|it| it.run.as_str()), Some("1"));
        assert_eq!(all.last().map(|it| it.run.as_str()), Some("99"));
    }
}
