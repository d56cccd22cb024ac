//! What a resumed run knows of its earlier life, from its journal.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    engine::observe::Before,
    journal::{
        course::Course,
        entry::{Anchor, Entry, Fact, Look},
        fold,
    },
};

/// So long, at most, the witness wrote before the runner vanished and nobody wrote it down: the
/// guardian's lease, and as much again.
const UNWRITTEN_US: u64 = 10_000_000;

/// What was done before.
#[derive(Default)]
pub struct Past {
    known: RefCell<Known>,
    /// The witness has read back what it wrote, and is silent.
    pub(super) has_read_back: Cell<bool>,
}

#[derive(Default)]
struct Known {
    done: BTreeSet<String>,
    /// Acts that stand, by step: their number, and since when.
    standing: BTreeMap<String, (u32, u64)>,
}

impl Past {
    /// Takes in what the journal tells.
    pub(super) fn learn(&self, entries: &[Entry]) {
        let steps = steps(entries);
        let open = fold::outstanding(entries);
        let mut known = self.known.borrow_mut();
        for (step, it) in steps {
            if it.done {
                if let (Some(act), Some(to_us)) = (it.act, it.applied_us)
                    && open.iter().any(|it| it.act == act)
                {
                    known.standing.insert(step.clone(), (act, to_us));
                }
                known.done.insert(step);
            }
        }
    }

    /// Whether a step was done before.
    pub(super) fn is_done(&self, step: &str) -> bool {
        self.known.borrow().done.contains(step)
    }

    /// The act of a step that was done before and still stands, and since when.
    pub(super) fn stands(&self, step: &str) -> Option<(u32, u64)> {
        self.known.borrow().standing.get(step).copied()
    }
}

/// What the journal tells of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StepSoFar {
    /// The number of its newest act, if it is one.
    pub(super) act: Option<u32>,
    /// It was done, or was passed over, and is not to be played again.
    pub(super) done: bool,
    /// When its act was wholly applied.
    pub(super) applied_us: Option<u64>,
}

/// All steps that were begun.
pub(super) fn steps(entries: &[Entry]) -> BTreeMap<String, StepSoFar> {
    let mut all: BTreeMap<String, StepSoFar> = BTreeMap::new();
    for it in entries {
        match &it.fact {
            Fact::Course(Course::Began { step, act }) => {
                all.insert(step.clone(), StepSoFar { act: *act, ..StepSoFar::default() });
            }
            Fact::Course(
                Course::Ended { step }
                | Course::Passed { step, .. }
                | Course::Decided { step, outcome: crate::journal::course::Outcome::Go, .. },
            ) => all.entry(step.clone()).or_default().done = true,
            Fact::Applied { act, to_us, .. } => {
                if let Some(it) = all.values_mut().find(|it| it.act == Some(*act)) {
                    it.applied_us = Some(*to_us);
                    it.done = true;
                }
            }
            _ => {}
        }
    }
    all
}

/// The highest number of an act.
pub(super) fn acts(entries: &[Entry]) -> u32 {
    let number = |it: &Entry| match &it.fact {
        Fact::Intent(it) => Some(it.act),
        Fact::Course(Course::Began { act, .. }) => *act,
        _ => None,
    };
    entries.iter().filter_map(number).max().unwrap_or(0)
}

/// How long the run was played, in microseconds: what lay between does not count.
pub(super) fn played_us(entries: &[Entry]) -> u64 {
    let (mut since, mut last, mut sum) = (None, 0, 0_u64);
    for it in entries {
        match &it.fact {
            Fact::Began(_) | Fact::Course(Course::Resumed(_)) => since = Some(it.at_us),
            Fact::TakenOver { .. } => {
                if let Some(from) = since.take() {
                    sum = sum.saturating_add(last.max(from) - from);
                }
            }
            _ => {}
        }
        last = it.at_us;
    }
    sum
}

/// How long nobody has played, and whether the machine was restarted meanwhile.
pub(super) fn gap(entries: &[Entry], now: &Anchor) -> (u64, bool) {
    let over = entries.iter().rposition(|it| matches!(it.fact, Fact::TakenOver { .. }));
    let before = entries.get(..over.unwrap_or(entries.len())).unwrap_or_default();
    let anchor = before.iter().rev().find_map(|it| match &it.fact {
        Fact::Anchor(it) => Some(it),
        _ => None,
    });
    let (Some(last), Some(anchor)) = (before.last(), anchor) else { return (0, false) };
    let since = last.at_us.saturating_sub(anchor.mono_us);
    if anchor.boot_id == now.boot_id {
        (now.boot_us.saturating_sub(anchor.boot_us.saturating_add(since)), false)
    } else {
        (now.wall_us.saturating_sub(anchor.wall_us.saturating_add(since)), true)
    }
}

/// What the observer must know of before. `witness` is what became of the step that has the witness
/// begin, if that was begun.
pub(super) fn before(entries: &[Entry], witness: Option<&StepSoFar>) -> Before {
    // Stamps of an earlier boot are of another clock.
    let boot = |it: &Entry| match &it.fact {
        Fact::Anchor(it) => Some(it.boot_id.clone()),
        _ => None,
    };
    let last = entries.iter().rev().find_map(boot);
    let mut looks: BTreeMap<String, Vec<Look>> = BTreeMap::new();
    let (mut is_now, mut highest) = (false, None::<u64>);
    for it in entries {
        if let Some(boot) = boot(it) {
            is_now = Some(boot) == last;
        }
        match &it.fact {
            Fact::Looks { probe, rows } if is_now => {
                looks.entry(probe.clone()).or_default().extend(rows.iter().cloned());
            }
            Fact::Writes { rows } => {
                highest = highest.max(rows.iter().map(|it| it.0).max());
            }
            _ => {}
        }
    }
    let first = unwritten(entries, witness).map_or(highest.map_or(0, |it| it + 1), |it| it.1);
    let prepared = highest.is_some() || witness.is_some_and(|it| it.done);
    let is_resumed = |it: &&Entry| matches!(it.fact, Fact::Course(Course::Resumed(_)));
    let resumed = u64::try_from(entries.iter().filter(is_resumed).count()).unwrap_or(0);
    // Whoever asks resumes it once more.
    Before { looks, first, prepared, load_first: (resumed + 1).saturating_mul(LEFT_OUT) }
}

/// So many numbers of a load's requests are left out each time that a run is resumed: those that an
/// earlier runner sent, and did not write down, are among them.
const LEFT_OUT: u64 = 10_000_000;

/// Numbers of records that the witness may have written without anybody having written that down,
/// because the runner vanished first: from, and up to. None if it had not begun.
pub(super) fn unwritten(entries: &[Entry], witness: Option<&StepSoFar>) -> Option<(u64, u64)> {
    let written = entries.iter().filter_map(|it| match &it.fact {
        Fact::Writes { rows } => rows.iter().map(|it| it.0).max(),
        _ => None,
    });
    // One who died before may have left numbers without a line of them, too.
    let skipped = entries.iter().filter_map(|it| match &it.fact {
        Fact::Course(Course::Resumed(it)) => it.unwritten.map(|it| it.1),
        _ => None,
    });
    // It may have begun, and its first rows have gone with the runner.
    let from = written.max().map(|it| it + 1).or(witness.map(|_| 0))?;
    let witness = fold::began(entries)?.witness.as_ref()?;
    let span = UNWRITTEN_US.saturating_add(witness.deadline_us);
    let first = skipped.max().unwrap_or(0).max(from) + span / witness.every_us.max(1);
    Some((from, first))
}
