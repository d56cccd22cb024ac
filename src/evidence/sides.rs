//! What was found of the witness's records, on the side where the service is and on others.

use std::collections::BTreeMap;

use crate::{
    evidence::{judge, rto::Attempt, say, timeline::Timeline},
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
    /// never written.
    pub(crate) fn match_up(&mut self, attempts: &mut [Attempt]) -> u64 {
        let mut strangers = 0;
        for (side, rows) in &mut self.0 {
            rows.sort_by_key(|it| it.0);
            let of = |seq: u64| {
                let at = rows.binary_search_by_key(&seq, |it| it.0).ok()?;
                rows.get(at).copied()
            };
            for it in attempts.iter_mut() {
                let Some(ReadBack(_, found, copies)) = of(it.seq) else { continue };
                if side.is_empty() {
                    (it.found, it.copies) = (Some(*found), *copies);
                } else {
                    it.elsewhere = surest(it.elsewhere, *found);
                }
            }
            if side.is_empty() {
                let mut written: Vec<u64> = attempts.iter().map(|it| it.seq).collect();
                written.sort_unstable();
                let stranger = |it: &&&ReadBack| {
                    judge::is_there(it.1) && written.binary_search(&it.0).is_err()
                };
                strangers = say::count(rows.iter().filter(stranger).count());
            }
        }
        strangers
    }
}

/// Of what several sides show of one record, what tells the most.
fn surest(one: Option<Found>, other: Found) -> Option<Found> {
    let rank = |it| match it {
        Found::Same => 3,
        Found::Altered => 2,
        Found::Absent => 1,
        Found::Blind => 0,
    };
    Some(one.filter(|it| rank(*it) >= rank(other)).unwrap_or(other))
}

/// From when on only the recovered side was to acknowledge: the end of the first fencing or
/// promotion after the disaster. What was sent after it and acknowledged by another side is split
/// brain; of what was sent before, nobody can say when it was acknowledged.
pub(crate) fn barred(timeline: &Timeline) -> Option<i64> {
    let fault = timeline.disaster()?;
    let bars = |kind: &str| ["fence", "promote"].iter().any(|it| kind.contains(it));
    let acts = timeline.acts.iter().filter(|it| it.family == Family::Step && bars(&it.kind));
    let ends = acts.filter_map(|it| it.applied.map(|it| it.to_us));
    let phases = timeline.phases.iter().filter(|it| it.name.to_lowercase().starts_with("promot"));
    let all = ends.chain(phases.filter_map(|it| it.to_us));
    all.filter(|end| *end >= fault.to_us).min()
}
