//! What a run showed that was resumed, and what nobody can have seen.

use holdfast::{
    evidence::{
        fold::fold,
        lag::{Peeked, lag},
        rto::Attempt,
    },
    journal::entry::{Fact, Found, Outcome, ReadBack},
};

use super::stories::{SYNC, us};

#[test]
fn an_hour_in_which_nobody_looked_weighs_nothing() {
    const HOUR_US: u64 = 3_600_000_000;
    let mut journal = SYNC.told();
    for entry in &mut journal.entries {
        let second = entry.at_us > us(7_000);
        if second {
            entry.epoch += 1;
            entry.at_us += HOUR_US;
        }
        if let Fact::Sampled(sample) = &mut entry.fact {
            sample.at_us += if second { HOUR_US } else { 0 };
            sample.cpu_ratio = if second { 0.9 } else { 0.1 };
        }
    }
    let whole = fold(&journal.entries).whole;
    assert!(whole.window.length_us() > HOUR_US.cast_signed());
    let mean = whole.cpu_mean_ratio.unwrap();
    assert!((0.15..0.45).contains(&mean), "most of what was seen was idle: {mean}");
}

#[test]
fn what_was_read_back_twice_is_what_the_last_look_found() {
    let mut journal = SYNC.told();
    let plain = fold(&journal.entries).drill.unwrap().rpo;
    let at = journal.entries.iter().position(|it| matches!(it.fact, Fact::Reads { .. })).unwrap();
    let mut first = journal.entries[at].clone();
    let Fact::Reads { rows, .. } = &mut first.fact else { unreachable!() };
    // The first time the service was not there, but for a record that nobody wrote.
    for it in rows.iter_mut() {
        it.1 = Found::Blind;
    }
    let stranger = ReadBack(77_777, Found::Same, 1);
    rows.push(stranger.clone());
    journal.entries.insert(at, first);
    let Fact::Reads { rows, .. } = &mut journal.entries[at + 1].fact else { unreachable!() };
    rows.push(stranger);
    let twice = fold(&journal.entries).drill.unwrap().rpo;
    let mut wanted = plain.classes;
    wanted.unexpected += 1;
    assert_eq!(twice.classes, wanted);
}

#[test]
fn what_could_not_be_tried_is_no_failure_of_the_service() {
    let mut journal = SYNC.told();
    let plain = fold(&journal.entries).drill.unwrap().rto;
    let (fault, good) = (plain.fault.unwrap(), plain.first_good.unwrap());
    let mut blind = 0;
    for entry in &mut journal.entries {
        let Fact::Writes { rows } = &mut entry.fact else { continue };
        for it in rows.iter_mut().filter(|it| it.1 > us(0)) {
            let sent_us = (it.1 - us(0)).cast_signed();
            let during = (fault.to_us..plain.last_failed_sent_us.unwrap()).contains(&sent_us);
            if during && it.0 % 2 == 0 || sent_us > good.to_us + 1_000_000 {
                it.3 = Outcome::Blind;
                blind += 1;
            }
        }
    }
    assert!(blind > 10, "{blind}");
    let seen = fold(&journal.entries).drill.unwrap().rto;
    assert_eq!((plain.failed_again, seen.failed_again), (0, 0));
    assert!(seen.degraded_attempts < plain.degraded_attempts, "only what was tried counts");
}

#[test]
fn the_oldest_write_that_a_standby_lacks_is_the_one_that_was_acknowledged_first() {
    let write = |seq, sent_us, took_us| Attempt {
        seq,
        sent_us,
        took_us,
        outcome: Outcome::Acked,
        found: None,
        copies: 1,
        elsewhere: None,
    };
    let attempts = [write(0, 0, 500_000), write(1, 20_000, 10_000)];
    let peek = Peeked { sent_us: 600_000, took_us: 5_000, newest: None };
    let seen = lag(&attempts, &[peek], 700_000).unwrap();
    assert_eq!((seen.behind_writes_max, seen.behind_us_max), (2, 605_000 - 30_000));
}
