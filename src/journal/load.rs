//! What a load did, in rows that stay few however many requests there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A load as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedLoad {
    /// Its name.
    pub name: String,
    /// What it sends, and where to.
    pub target: String,
    /// How much, in words.
    pub rate: String,
    /// An answer that comes later than this after the instant planned for its request is late.
    pub in_time_us: u64,
}

/// What became of the requests that were planned for one stretch:
/// `[from_us, length_us, sent, good, late, failed, unsent, [[bucket, count], …]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRow(
    /// When the stretch began.
    pub u64,
    /// Its length in microseconds.
    pub u64,
    /// Requests that left.
    pub u64,
    /// Answered as wanted, in time.
    pub u64,
    /// Answered as wanted, and late.
    pub u64,
    /// Answered otherwise, or not at all.
    pub u64,
    /// Requests that could not leave: too many were under way already.
    pub u64,
    /// Times from the planned instant to the answer, or to giving up, by [`bucket`].
    pub Vec<(u16, u64)>,
);

/// The sum of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
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
    /// Times by [`bucket`].
    times: BTreeMap<u16, u64>,
}

impl Sum {
    /// Sums rows up.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a LoadRow>) -> Self {
        let mut sum = Self::default();
        for LoadRow(_, _, sent, good, late, failed, unsent, times) in rows {
            sum.sent += sent;
            sum.good += good;
            sum.late += late;
            sum.failed += failed;
            sum.unsent += unsent;
            for (bucket, count) in times {
                *sum.times.entry(*bucket).or_default() += count;
            }
        }
        sum
    }

    /// So many requests were planned.
    pub fn planned(&self) -> u64 {
        self.sent + self.unsent
    }

    /// The share of planned requests that were answered as wanted and in time, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "what is counted here is far below 2^53")]
    pub fn good_ratio(&self) -> Option<f64> {
        (self.planned() > 0).then(|| self.good as f64 / self.planned() as f64)
    }

    /// The share of planned requests that were answered otherwise than wanted, or not at all, or
    /// could not leave, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "what is counted here is far below 2^53")]
    pub fn error_ratio(&self) -> Option<f64> {
        let errors = self.failed + self.unsent;
        (self.planned() > 0).then(|| errors as f64 / self.planned() as f64)
    }

    /// The time in microseconds within which this many thousandths of all that ended did (nearest
    /// rank), at most a sixteenth too long.
    pub fn within_us(&self, thousandths: u64) -> Option<u64> {
        let all: u64 = self.times.values().sum();
        let rank = (all * thousandths).div_ceil(1_000).max(1);
        let mut seen = 0;
        self.times.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| upper_us(*bucket))
        })
    }
}

/// Steps within each doubling, as a power of two.
const FINE: u32 = 4;

/// The number of the bucket that a time in microseconds falls into: sixteen in each doubling.
pub fn bucket(us: u64) -> u16 {
    let doublings = (64 - us.leading_zeros()).saturating_sub(FINE + 1);
    let at = (u64::from(doublings) << FINE) + (us >> doublings);
    u16::try_from(at).unwrap_or(u16::MAX)
}

/// The longest time that falls into a bucket.
fn upper_us(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let steps = 1 << FINE;
    let doublings = (bucket / steps).saturating_sub(1);
    let at = bucket - doublings * steps;
    ((at + 1) << doublings.min(59)).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_time_and_is_narrow() {
        let mut before = 0;
        for us in (0..2_000).chain((11..36).flat_map(|it| [(1 << it) - 1, 1 << it, (1 << it) + 9]))
        {
            let it = bucket(us);
            assert!(it >= before, "{us}");
            before = it;
            let upper = upper_us(it);
            assert!(upper >= us && upper <= us + us / 16, "{us}: {upper}");
        }
    }

    #[test]
    fn percentiles_come_from_all_rows_together() {
        let row = |us: u64, count| LoadRow(0, 0, count, count, 0, 0, 0, vec![(bucket(us), count)]);
        let sum = Sum::of(&[row(1_000, 50), row(10_000, 49), row(1_000_000, 1)]);
        let within = |it| sum.within_us(it).unwrap();
        assert!((1_000..1_063).contains(&within(500)), "{}", within(500));
        assert!((10_000..10_630).contains(&within(990)), "{}", within(990));
        assert!((1_000_000..1_063_000).contains(&within(1_000)), "{}", within(1_000));
        assert_eq!(sum.good_ratio(), Some(1.0));
        assert_eq!(Sum::default().within_us(500), None);
    }
}
