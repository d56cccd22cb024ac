//! What was found of the witness's records, on the side where the service is and on others.

use std::collections::BTreeMap;

use crate::{
    evidence::{
        judge,
        rto::Attempt,
        say,
        timeline::{Act, Timeline},
    },
    journal::entry::{Family, Found, ReadBack},
};

/// Findings, by the name of their side; it is empty where the service is.
#[derive(Default)]
pub(crate) struct Reads<'a>(BTreeMap<&'a str, Vec<&'a ReadBack>>);

impl<'a> Reads<'a> {
    /// Takes findings in.
    pub(crate) fn meet(&mut self, side: &'a str, rows: &'a [ReadBack]) {
        self.0.entry(side).or_default().extend(rows);
    }

    /// Whether anybody looked where the service is.
    pub(crate) fn any(&self) -> bool {
        self.0.get("").is_some_and(|it| !it.is_empty())
    }

    /// Tells the attempts what was found of them, and says how many records are there that were
    /// never written. What nobody wrote down, because the runner vanished first, is no stranger.
    pub(crate) fn match_up(&mut self, attempts: &mut [Attempt], unwritten: &[(u64, u64)]) -> u64 {
        let mut strangers = 0;
        for (side, rows) in &mut self.0 {
            // A drill that was resumed while it read back has read twice: the last look counts.
            rows.reverse();
            rows.sort_by_key(|it| it.0);
            rows.dedup_by_key(|it| it.0);
            let of = |seq: u64| {
                let at = rows.binary_search_by_key(&seq, |it| it.0).ok()?;
                rows.get(at).copied()
            };
            for it in attempts.iter_mut() {
                let Some(ReadBack(_, found, copies)) = of(it.seq) else { continue };
                if side.is_empty() {
                    (it.found, it.copies) = (Some(*found), *copies);
                } else {
                    it.elsewhere = Some(it.elsewhere.map_or(*found, |one| surest(one, *found)));
                }
            }
            if side.is_empty() {
                let mut written: Vec<u64> = attempts.iter().map(|it| it.seq).collect();
                written.sort_unstable();
                let stranger = |it: &&&ReadBack| {
                    judge::is_there(it.1)
                        && written.binary_search(&it.0).is_err()
                        && !unwritten.iter().any(|(from, to)| (*from..*to).contains(&it.0))
                };
                strangers = say::count(rows.iter().filter(stranger).count());
            }
        }
        strangers
    }
}

/// Of what several sides show of one record, what tells the most.
fn surest(one: Found, other: Found) -> Found {
    let rank = |it| match it {
        Found::Same => 3,
        Found::Altered => 2,
        Found::Absent => 1,
        Found::Blind => 0,
    };
    if rank(one) >= rank(other) { one } else { other }
}

/// From when on only the recovered side was to acknowledge: the end of the first fencing or
/// promotion after the disaster. A step is one by its kind; of a phase that is named so it is the
/// last step. What was sent after it and acknowledged by another side is split brain; of what was
/// sent before, nobody can say when it was acknowledged.
pub(crate) fn barred(timeline: &Timeline) -> Option<i64> {
    let fault = timeline.disaster()?;
    let bars = |name: &str| ["fenc", "promot"].iter().any(|it| name.starts_with(it));
    let steps = || timeline.acts.iter().filter(|it| it.family == Family::Step);
    let end = |it: &Act| it.applied.map(|it| it.to_us).filter(|end| *end >= fault.to_us);
    let by_kind = steps().filter(|it| bars(&it.kind)).filter_map(end);
    let phases = timeline.phases.iter().map(|it| it.name.as_str());
    let by_phase = phases.filter(|it| bars(&it.to_lowercase())).filter_map(|name| {
        steps().filter(|it| it.phase.as_deref() == Some(name)).filter_map(end).max()
    });
    by_kind.chain(by_phase).min()
}
