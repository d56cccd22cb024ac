//! The worked example of `docs/measurement.md`, and what two databases show, recomputed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use holdfast::{
    evidence::{
        fold::{Drill, fold},
        say::Answer,
    },
    journal::{
        began::Began,
        entry::{Fact, Family, Found, Outcome, Peek, ReadBack, Write},
    },
};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::stories::{Journal, SYNC, began, intent, us};

/// A fault within `[4.002, 4.006]` s, and a promotion that ends at 5 s.
fn told(began: Began) -> Journal {
    let mut journal = Journal::new();
    journal.at(0).anchor().say(Fact::Began(Box::new(began)));
    let acts = [(1, "process_kill", Family::Fault, 4_002), (2, "promote", Family::Step, 4_996)];
    for (act, kind, family, at) in acts {
        journal.at(at).say(Fact::Intent(Box::new(intent(act, kind, family, "it"))));
        let (from_us, to_us) = (us(at), us(at + 4));
        journal.at(at + 4).say(Fact::Applied { act, from_us, to_us });
    }
    journal.at(9_000);
    journal
}

fn drill(journal: &Journal) -> Drill {
    fold(&journal.entries).drill.unwrap()
}

#[test]
fn the_worked_example_of_the_page_is_what_is_computed() {
    let mut journal = told(began(&SYNC));
    let write = |seq: u64| {
        let sent = seq * 20;
        let (took, outcome) = match sent {
            4_001..6_000 => (1, Outcome::Refused),
            _ => (3, Outcome::Acked),
        };
        Write(seq, us(sent), took * 1_000, outcome)
    };
    let found = |seq: u64| match seq {
        0..=190 | 300.. => Found::Same,
        _ => Found::Absent,
    };
    let reads = (0..400).map(|seq| ReadBack(seq, found(seq), 1)).collect();
    journal
        .say(Fact::Writes { rows: (0..400).map(write).collect() })
        .say(Fact::Reads { side: String::new(), rows: reads });
    let drill = drill(&journal);
    let page = include_str!("../../../docs/measurement.md");
    let (_, page) = page.split_once("## A worked example").unwrap();
    let result = |figure: &str| {
        let row = page.lines().find(|it| it.starts_with(&format!("| {figure} |"))).unwrap();
        let last = row.trim_end_matches(" |").rsplit("| ").next().unwrap();
        let number: f64 = last.split(' ').next().unwrap().parse().unwrap();
        number
    };
    let seconds = |us: i64| f64::from(i32::try_from(us).unwrap()) / 1e6;
    let age = drill.rpo.loss_age.unwrap();
    let lost = u32::try_from(drill.rpo.classes.lost).unwrap();
    for (figure, computed) in [
        ("RTO_service, lower bound", seconds(drill.rto.lower_us.unwrap())),
        ("RTO_service, upper bound", seconds(drill.rto.upper_us.unwrap())),
        ("lost", f64::from(lost)),
        ("loss window", seconds(drill.rpo.loss_window_us.unwrap())),
        ("age of the loss, lower bound", seconds(age.from_us)),
        ("age of the loss, upper bound", seconds(age.to_us)),
    ] {
        assert!((result(figure) - computed).abs() < 1e-9, "{figure}: {computed}");
    }
}

#[test]
fn a_standby_that_was_never_in_sync_shows_in_the_lag_and_exposes_every_write() {
    let mut journal = told(began(&SYNC));
    let write = |seq: u64| Write(seq, us(seq * 20), 3_000, Outcome::Acked);
    let peek = |n: u64| Peek(us(n * 100), 1_000, None);
    let reads = (0..200).map(|seq| ReadBack(seq, Found::Absent, 1)).collect();
    journal
        .say(Fact::Writes { rows: (0..200).map(write).collect() })
        .say(Fact::Peeks { rows: (0..40).map(peek).collect() })
        .say(Fact::Reads { side: String::new(), rows: reads });
    let rpo = drill(&journal).rpo;
    let lag = rpo.lag.unwrap();
    // The first look came before any acknowledgement; at 3.9 s nothing of 195 writes was there.
    assert_eq!((lag.looks, lag.stale, lag.behind_writes_max), (40, 39, 195));
    assert_eq!(lag.behind_us_max, 3_900_000 + 1_000 - 3_000);
    assert_eq!(rpo.exposed, Some(200));
    assert_eq!((rpo.classes.lost, rpo.answer), (200, Answer::Fail));
}

#[test]
fn a_witness_that_was_blind_all_the_while_tells_nothing() {
    let mut journal = told(began(&SYNC));
    let write = |seq: u64| Write(seq, us(seq * 20), 10, Outcome::Blind);
    journal.say(Fact::Writes { rows: (0..400).map(write).collect() });
    let drill = drill(&journal);
    assert_eq!(drill.rto.answer, Answer::Inconclusive, "{}", drill.rto.why);
    assert_ne!(drill.rpo.answer, Answer::Pass, "{}", drill.rpo.why);
}

#[test]
fn the_other_objectives_are_judged_by_their_bounds() {
    let story = |rpo_ms: u64, mtpd_ms: u64, percent: u8| {
        let mut began = began(&SYNC);
        let objectives = began.objectives.as_mut().unwrap();
        objectives.rpo_us = Some(rpo_ms * 1_000);
        objectives.mtpd_us = Some(mtpd_ms * 1_000);
        objectives.service_level_percent = Some(percent);
        let mut journal = told(began);
        let write = |seq: u64| {
            let bad = (4_001..6_000).contains(&(seq * 20)) && seq.is_multiple_of(2);
            let outcome = if bad { Outcome::Refused } else { Outcome::Acked };
            Write(seq, us(seq * 20), 3_000, outcome)
        };
        let found = |seq| if seq == 191 { Found::Absent } else { Found::Same };
        let reads = (0..400).map(|seq| ReadBack(seq, found(seq), 1)).collect();
        journal
            .say(Fact::Writes { rows: (0..400).map(write).collect() })
            .say(Fact::Reads { side: String::new(), rows: reads });
        drill(&journal).terms.into_iter().map(|it| it.answer).collect::<Vec<_>>()
    };
    // The loss is 179 to 183 ms old, the outage 1,954 to 1,981 ms long, and half was served.
    assert_eq!(story(183, 1_990, 49), [Answer::Pass; 3]);
    assert_eq!(story(181, 1_970, 50), [Answer::Inconclusive, Answer::Inconclusive, Answer::Pass]);
    assert_eq!(story(178, 1_900, 52), [Answer::Fail; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What two databases hold, counted by sets: the classes say the same.
    #[test]
    fn classes_are_what_two_databases_show(
        rows in prop::collection::vec((0_u8..4, any::<bool>(), any::<bool>(), 1_u32..3), 1..300),
    ) {
        let outcomes = [Outcome::Acked, Outcome::Refused, Outcome::Unknown, Outcome::Blind];
        let (mut new, mut old) = (BTreeMap::new(), BTreeSet::new());
        let (mut acked, mut late) = (BTreeSet::new(), BTreeSet::new());
        let mut writes = Vec::new();
        for (seq, (outcome, in_new, in_old, copies)) in rows.iter().enumerate() {
            let seq = u64::try_from(seq).unwrap();
            let outcome = *outcomes.get(usize::from(*outcome)).unwrap();
            writes.push(Write(seq, us(seq * 30), 1_000, outcome));
            if outcome == Outcome::Acked {
                acked.insert(seq);
            }
            if *in_new {
                new.insert(seq, *copies);
            }
            if *in_old {
                old.insert(seq);
            }
            // The promotion has ended at 5 s.
            if seq * 30 >= 5_000 {
                late.insert(seq);
            }
        }
        let all = 0..u64::try_from(rows.len()).unwrap();
        let there = |yes: bool| if yes { Found::Same } else { Found::Absent };
        let here = all.clone().map(|seq| {
            ReadBack(seq, there(new.contains_key(&seq)), new.get(&seq).copied().unwrap_or(1))
        });
        let other = all.map(|seq| ReadBack(seq, there(old.contains(&seq)), 1));
        let mut journal = told(began(&SYNC));
        journal
            .say(Fact::Writes { rows: writes })
            .say(Fact::Reads { side: String::new(), rows: here.collect() })
            .say(Fact::Reads { side: "former primary".to_owned(), rows: other.collect() });
        let classes = drill(&journal).rpo.classes;
        let lost = acked.iter().filter(|it| !new.contains_key(it)).copied();
        let lost: BTreeSet<u64> = lost.collect();
        let stranded: BTreeSet<u64> = lost.intersection(&old).copied().collect();
        let count = |it: usize| u64::try_from(it).unwrap();
        assert_eq!(classes.lost, count(lost.len()));
        assert_eq!(classes.ok, count(acked.len() - lost.len()));
        assert_eq!(classes.stranded, count(stranded.len()));
        assert_eq!(classes.split_brain, count(stranded.intersection(&late).count()));
        assert_eq!(classes.duplicated, count(new.values().filter(|it| **it > 1).count()));
    }
}
