//! Bounds hold whatever the outage, the schedule and the delays.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use holdfast::{
    evidence::{
        fold::fold,
        rto::{Attempt, Outage, outage},
        scale::Window,
    },
    journal::entry::{Fact, Found, Outcome, ReadBack, Write},
};
use proptest::prelude::*;

use super::stories::{SYNC, us};

/// A service that is down from `down` to `up` (microseconds), a client that sends on a schedule,
/// and delays that differ from write to write.
fn attempts(down: i64, up: i64, period: i64, delays: &[(i64, i64)]) -> Vec<Attempt> {
    let mut sent_us = -2_000_000;
    let mut attempts = Vec::new();
    for (seq, (there, back)) in delays.iter().cycle().take(8_000).enumerate() {
        let met = sent_us + there;
        let (outcome, took) = if (down..up).contains(&met) {
            // Some connections are refused, some hang until they are given up.
            if there % 2 == 0 { (Outcome::Refused, *there) } else { (Outcome::Unknown, 500_000) }
        } else {
            (Outcome::Acked, there + back)
        };
        let seq = u64::try_from(seq).unwrap();
        attempts.push(Attempt {
            seq,
            sent_us,
            took_us: u64::try_from(took).unwrap(),
            outcome,
            found: None,
            copies: 1,
            elsewhere: None,
        });
        sent_us += period;
    }
    attempts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_interval_holds_the_true_recovery_time(
        call in 1..20_000_i64,
        within in 0.0..1.0_f64,
        lasts in 1..3_000_000_i64,
        period in 1_000..50_000_i64,
        delays in prop::collection::vec((0..9_000_i64, 0..9_000_i64), 1..40),
        in_a_row in 1..5_u32,
    ) {
        let fault = Window { from_us: 1_000_000, to_us: 1_000_000 + call };
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small")]
        let down = fault.from_us + (call as f64 * within) as i64;
        let up = down + lasts;
        let attempts = attempts(down, up, period, &delays);
        prop_assume!(attempts.last().unwrap().sent_us > up + 1_000_000);
        let truth = up - down;
        match outage(fault, &attempts, in_a_row, &[]) {
            Outage::Restored { last_failed_us, first_good } => {
                let lower = (last_failed_us - fault.to_us).max(0);
                let upper = first_good.to_us - fault.from_us;
                prop_assert!((lower..=upper).contains(&truth), "{truth} in {lower}..={upper}");
            }
            Outage::Unseen { upper_us } => prop_assert!(truth <= upper_us, "{truth} {upper_us}"),
            seen @ (Outage::Lasting { .. } | Outage::Blind) => prop_assert!(false, "{seen:?}"),
        }
    }

    #[test]
    fn the_interval_is_no_wider_than_period_answer_and_call(
        call in 1..20_000_i64,
        lasts in 100_000..3_000_000_i64,
        period in 1_000..50_000_i64,
        delay in 0..900_i64,
    ) {
        let fault = Window { from_us: 1_000_000, to_us: 1_000_000 + call };
        let up = fault.to_us + lasts;
        let attempts = attempts(fault.to_us, up, period, &[(delay, delay)]);
        let Outage::Restored { last_failed_us, first_good } = outage(fault, &attempts, 3, &[]) else {
            return Err(TestCaseError::fail("not restored"));
        };
        let width = (first_good.to_us - fault.from_us) - (last_failed_us - fault.to_us);
        prop_assert!(width <= period + 2 * delay + call, "{width}");
    }

    #[test]
    fn classes_count_what_two_sets_would(
        rows in prop::collection::vec((0..3_u8, 0..5_u8), 1..200),
    ) {
        let outcomes = [Outcome::Acked, Outcome::Refused, Outcome::Unknown];
        let found = [Found::Same, Found::Altered, Found::Absent, Found::Blind];
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        let (mut acked, mut refused) = (BTreeSet::new(), BTreeSet::new());
        let mut unknown = BTreeSet::new();
        let mut at = BTreeMap::new();
        for (seq, (o, f)) in (0_u64..).zip(&rows) {
            let outcome = outcomes[usize::from(*o)];
            [&mut acked, &mut refused, &mut unknown][usize::from(*o)].insert(seq);
            writes.push(Write(seq, us(seq), 100, outcome));
            if let Some(it) = found.get(usize::from(*f)) {
                reads.push(ReadBack(seq, *it, 1));
                at.entry(usize::from(*f)).or_insert_with(BTreeSet::new).insert(seq);
            }
        }
        let empty = BTreeSet::new();
        let of = |n: usize| at.get(&n).unwrap_or(&empty);
        let both = |a: &BTreeSet<u64>, b: &BTreeSet<u64>| {
            u64::try_from(a.intersection(b).count()).unwrap()
        };
        let mut entries = SYNC.told().entries;
        for entry in &mut entries {
            if let Fact::Writes { rows } = &mut entry.fact {
                rows.clone_from(&writes);
            }
            if let Fact::Reads { rows, .. } = &mut entry.fact {
                rows.clone_from(&reads);
            }
        }
        let classes = fold(&entries).drill.unwrap().rpo.classes;
        prop_assert_eq!(classes.ok, both(&acked, of(0)));
        prop_assert_eq!(classes.lost, both(&acked, of(2)));
        prop_assert_eq!(classes.recovered, both(&unknown, of(0)));
        prop_assert_eq!(classes.unexpected, both(&refused, of(0)));
        prop_assert_eq!(classes.corrupt, u64::try_from(of(1).len()).unwrap());
        let judged = both(&acked, of(0)) + both(&acked, of(1)) + both(&acked, of(2));
        prop_assert_eq!(classes.not_judged, u64::try_from(acked.len()).unwrap() - judged);
        let all = [
            classes.ok, classes.lost, classes.corrupt, classes.recovered, classes.unexpected,
            classes.not_judged, classes.absent, classes.not_looked_for,
        ];
        prop_assert_eq!(all.iter().sum::<u64>(), u64::try_from(rows.len()).unwrap());
    }
}
