//! What the loads of a run showed, by stretches of the run.

use serde::Serialize;

use crate::{
    evidence::{
        say,
        scale::Scale,
        timeline::{Act, ActState},
    },
    journal::{
        entry::{Entry, Fact, Family},
        fold,
        load::{LoadRow, PlannedLoad, Sum},
    },
};

/// A load, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Load {
    /// What was planned.
    pub planned: PlannedLoad,
    /// What became of it, stretch by stretch: before the first fault, while faults stood,
    /// afterwards, since one struck that has no way back, and in all.
    pub stretches: Vec<Stretch>,
    /// The rows: `[from_us, sent, good, late, failed, unsent]`.
    pub rows: Vec<(i64, u64, u64, u64, u64, u64)>,
}

/// What a load showed over a stretch. Times count from the planned instants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stretch {
    /// Which.
    pub name: &'static str,
    /// The same in Chinese.
    pub name_zh: &'static str,
    /// Requests that left.
    pub sent: u64,
    /// Answered as wanted, in time.
    pub good: u64,
    /// Answered as wanted, and late.
    pub late: u64,
    /// Answered otherwise, or not at all.
    pub failed: u64,
    /// Requests that could not leave.
    pub unsent: u64,
    /// Half of all took at most this long.
    pub p50_us: Option<u64>,
    /// Nine of ten.
    pub p90_us: Option<u64>,
    /// Ninety-nine of a hundred.
    pub p99_us: Option<u64>,
    /// All.
    pub max_us: Option<u64>,
}

/// What stands above [`Stretch::cells`].
pub const HEADS: [&str; 9] =
    ["Sent", "Good", "Late", "Failed", "Unsent", "p50", "p90", "p99", "Longest"];

impl Stretch {
    /// Its figures in words, in the order of [`HEADS`].
    pub fn cells(&self) -> Vec<String> {
        let time = |it: Option<u64>| it.map_or_else(|| "–".to_owned(), say::length_u);
        let mut all: Vec<String> =
            [self.sent, self.good, self.late, self.failed, self.unsent].map(say::grouped).into();
        all.extend([self.p50_us, self.p90_us, self.p99_us, self.max_us].map(time));
        all
    }
}

/// Loads as planned, with the rows that bear their names.
pub(super) fn loads(entries: &[Entry], acts: &[Act], scale: &Scale) -> Vec<Load> {
    let mut rows: Vec<(&str, &LoadRow)> = Vec::new();
    for it in entries {
        if let Fact::Loaded { load, rows: some } = &it.fact {
            rows.extend(some.iter().map(|it| (load.as_str(), it)));
        }
    }
    let planned = fold::began(entries).map_or(&[][..], |it| &it.loads);
    let one = |planned: &PlannedLoad| {
        let of_it = rows.iter().filter(|it| it.0 == planned.name);
        let mut rows: Vec<(i64, &LoadRow)> = of_it.map(|it| (scale.at(it.1.0), it.1)).collect();
        rows.sort_by_key(|it| it.0);
        let stretches = stretches(&rows, &windows(acts), struck(acts));
        let rows = rows.iter().map(|(at, it)| (*at, it.2, it.3, it.4, it.5, it.6)).collect();
        Load { planned: planned.clone(), stretches, rows }
    };
    planned.iter().map(one).collect()
}

/// When faults stood, from when they were wholly applied to when going back began.
pub fn windows(acts: &[Act]) -> Vec<(i64, i64)> {
    let stood = acts.iter().filter(|it| it.family == Family::Fault).filter_map(|it| {
        let from = it.applied?.to_us;
        let to = it.undone.map_or(i64::MAX, |it| it.from_us);
        // What has no way back stands for no time that could be told.
        (it.state != ActState::Spent).then_some((from, to))
    });
    stood.collect()
}

/// When the first fault struck that has no way back, such as a kill.
fn struck(acts: &[Act]) -> Option<i64> {
    let spent = acts.iter().filter(|it| it.family == Family::Fault && it.state == ActState::Spent);
    spent.filter_map(|it| Some(it.applied?.to_us)).min()
}

fn stretches(
    rows: &[(i64, &LoadRow)],
    windows: &[(i64, i64)],
    struck: Option<i64>,
) -> Vec<Stretch> {
    let end = |it: &(i64, &LoadRow)| it.0.saturating_add_unsigned(it.1.1);
    let first = windows.iter().map(|it| it.0).chain(struck).min().unwrap_or(i64::MAX);
    let last = windows.iter().map(|it| it.1).max().unwrap_or(i64::MAX);
    let within = |it: &(i64, &LoadRow)| windows.iter().any(|(a, b)| it.0 >= *a && end(it) <= *b);
    let some = |name, name_zh, which: &dyn Fn(&(i64, &LoadRow)) -> bool| {
        let rows: Vec<&LoadRow> = rows.iter().filter(|it| which(it)).map(|it| it.1).collect();
        (!rows.is_empty()).then(|| stretch((name, name_zh), &Sum::of(rows)))
    };
    [
        some("before", "故障前", &|it| end(it) <= first),
        some("while faults stood", "故障期间", &within),
        some("afterwards", "恢复后", &|it| it.0 >= last),
        some("since one struck", "故障发生后", &|it| struck.is_some_and(|at| it.0 >= at)),
        some("in all", "合计", &|_| true),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn stretch((name, name_zh): (&'static str, &'static str), sum: &Sum) -> Stretch {
    let Sum { sent, good, late, failed, unsent, .. } = *sum;
    let [p50_us, p90_us, p99_us, max_us] = [500, 900, 990, 1_000].map(|it| sum.within_us(it));
    Stretch { name, name_zh, sent, good, late, failed, unsent, p50_us, p90_us, p99_us, max_us }
}
