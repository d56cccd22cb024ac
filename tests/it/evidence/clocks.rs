//! Clocks that are set, sleep and begin anew, people who attest what they saw, and stretches in
//! which nobody looked: a recovery time is as wide as what is known.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use holdfast::{
    evidence::{
        fold::{Drill, Evidence, fold},
        origin::Since,
        say::Answer,
    },
    journal::{
        began::Began,
        course::{Answered, Attested, Course, Dial, Resumed, Voice, Word},
        entry::{Anchor, Fact, Family, Found, Mark, Outcome, ReadBack, Successor, Write},
    },
    reports::{html, markdown},
    verdict::Verdict,
};

use super::forms::show;
use super::stories::{Journal, SYNC, began, intent, us};

/// The time of day at the beginning of every journal here.
const WALL_US: u64 = 1_790_000_000_000_000;
/// The fault is applied from 4.002 s to 4.006 s.
const FAULT: u64 = 4_002;

/// What the clocks say at a place of the story, in milliseconds.
#[derive(Clone, Copy)]
struct Clocks {
    error_us: Option<u64>,
    boot: &'static str,
    mono_ms: u64,
    slept_ms: u64,
    /// Of the time of day, since the story began.
    wall_ms: i64,
}

impl Clocks {
    fn right(ms: u64) -> Self {
        let wall_ms = i64::try_from(ms).unwrap();
        Self { error_us: Some(1_500), boot: "b1", mono_ms: ms, slept_ms: 0, wall_ms }
    }

    fn anchor(self) -> Fact {
        Fact::Anchor(Anchor {
            mono_us: us(self.mono_ms),
            boot_us: us(self.mono_ms + self.slept_ms),
            wall_us: WALL_US.strict_add_signed(self.wall_ms * 1_000),
            boot_id: self.boot.to_owned(),
            wall_error_us: self.error_us,
        })
    }
}

fn writes(from_ms: u64, to_ms: u64, outcome: Outcome) -> Vec<Write> {
    let seqs = from_ms.div_ceil(20)..to_ms.div_ceil(20);
    seqs.map(|seq| Write(seq, us(seq * 20), 3_000, outcome)).collect()
}

fn plan() -> Began {
    let mut began = began(&SYNC);
    began.hypotheses.clear();
    began.plan.clear();
    began
}

fn start(began: Began) -> Journal {
    let mut journal = Journal::new();
    journal.at(0).say(Fact::Began(Box::new(began))).say(Clocks::right(0).anchor());
    journal
}

fn strike(journal: &mut Journal) {
    let plan = intent(1, "process_kill", Family::Fault, "it");
    journal.at(FAULT).say(Fact::Intent(Box::new(plan)));
    let (from_us, to_us) = (us(FAULT), us(FAULT + 4));
    journal.at(FAULT + 4).say(Fact::Applied { act: 1, from_us, to_us });
}

/// Good to 4 s, failed to 5.98 s, and good again to 9 s.
fn whole_outage(journal: &mut Journal) {
    let rows = [
        writes(0, 4_000, Outcome::Acked),
        writes(4_000, 5_980, Outcome::Refused),
        writes(5_980, 9_000, Outcome::Acked),
    ];
    journal.at(9_000).say(Fact::Writes { rows: rows.concat() });
}

fn read_back(journal: &mut Journal, writes: u64) {
    let rows = (0..writes).map(|seq| ReadBack(seq, Found::Same, 1)).collect();
    journal.say(Fact::Reads { side: String::new(), rows });
}

fn resumed(journal: &mut Journal, died_ms: u64, gap_us: u64) {
    let why = "the runner died".to_owned();
    journal.at(died_ms).say(Fact::TakenOver { by: Successor::Guardian, why });
    journal.at(died_ms + gap_us / 1_000).say(Fact::Course(Course::Resumed(Resumed {
        operator: "li.na".to_owned(),
        gap_us,
        restarted: false,
        unwritten: None,
        settled: Vec::new(),
    })));
}

fn drill(evidence: &Evidence) -> &Drill {
    evidence.drill.as_ref().unwrap()
}

/// The bounds of the recovery time, in milliseconds.
fn bounds(evidence: &Evidence) -> (Option<f64>, Option<f64>) {
    let rto = &drill(evidence).rto;
    let ms = |us| f64::from(i32::try_from(us).unwrap()) / 1e3;
    (rto.lower_us.map(ms), rto.upper_us.map(ms))
}

/// Good to 4 s, failed to 5.98 s, two good ones, and then nobody looks for so long.
fn cut_off(gap_ms: u64, then: Outcome) -> Evidence {
    let mut journal = start(plan());
    strike(&mut journal);
    journal.at(6_030).say(Fact::Writes {
        rows: [
            writes(0, 4_000, Outcome::Acked),
            writes(4_000, 5_980, Outcome::Refused),
            writes(5_980, 6_020, Outcome::Acked),
        ]
        .concat(),
    });
    resumed(&mut journal, 6_040, gap_ms * 1_000);
    let back = 6_040 + gap_ms;
    journal.at(back + 2_000).say(Fact::Writes {
        rows: [writes(back, back + 100, then), writes(back + 100, back + 1_000, Outcome::Acked)]
            .concat(),
    });
    fold(&journal.entries)
}

#[test]
fn a_row_of_good_writes_does_not_reach_across_a_time_in_which_nobody_looked() {
    // Two of three good ones, and then nobody knows: it may have failed again until 26.04 s.
    let seen = cut_off(20_000, Outcome::Acked);
    assert_eq!(bounds(&seen), (Some(5_960.0 - 4_006.0), Some(26_043.0 - 4_002.0)));
    assert_eq!(drill(&seen).rto.answer, Answer::Inconclusive, "{}", drill(&seen).rto.why);
    // What is seen to fail afterwards tells more.
    let seen = cut_off(20_000, Outcome::Refused);
    assert_eq!(bounds(&seen), (Some(26_120.0 - 4_006.0), Some(26_143.0 - 4_002.0)));
    assert_eq!(drill(&seen).rto.answer, Answer::Fail);
}

#[test]
fn what_was_back_before_the_runner_died_stays_so() {
    let mut journal = start(plan());
    strike(&mut journal);
    let rows = [
        writes(0, 4_000, Outcome::Acked),
        writes(4_000, 5_980, Outcome::Refused),
        writes(5_980, 6_040, Outcome::Acked),
    ];
    journal.at(6_050).say(Fact::Writes { rows: rows.concat() });
    resumed(&mut journal, 6_060, 60_000_000);
    journal.at(70_000).say(Fact::Writes { rows: writes(66_080, 67_000, Outcome::Acked) });
    let seen = fold(&journal.entries);
    assert_eq!(bounds(&seen), (Some(5_960.0 - 4_006.0), Some(5_983.0 - 4_002.0)));
}

#[test]
fn a_row_of_good_writes_does_not_reach_across_a_blind_one() {
    let mut journal = start(plan());
    strike(&mut journal);
    let rows = [
        writes(0, 4_000, Outcome::Acked),
        writes(4_000, 5_980, Outcome::Refused),
        writes(5_980, 6_020, Outcome::Acked),
        writes(6_020, 8_020, Outcome::Blind),
        writes(8_020, 9_000, Outcome::Acked),
    ];
    journal.at(9_000).say(Fact::Writes { rows: rows.concat() });
    let seen = fold(&journal.entries);
    assert_eq!(bounds(&seen), (Some(5_960.0 - 4_006.0), Some(8_023.0 - 4_002.0)));
}

/// The machine is restarted in the outage: its steady clock begins anew, at 1 s, when by the time
/// of day 30 s of the story have passed. The service is back 10 s later.
fn restarted(before: Option<u64>, after: Option<u64>, wall_ms: i64) -> Evidence {
    let mut journal = start(plan());
    strike(&mut journal);
    let rows = [writes(0, 4_000, Outcome::Acked), writes(4_000, 5_000, Outcome::Refused)];
    journal.at(5_000).say(Fact::Writes { rows: rows.concat() });
    journal.say(Clocks { error_us: before, ..Clocks::right(5_000) }.anchor());
    let late = Clocks { boot: "b2", error_us: after, wall_ms, ..Clocks::right(1_000) };
    journal.at(1_000).say(late.anchor());
    let why = "it was cut off".to_owned();
    journal.say(Fact::TakenOver { by: Successor::Recover, why });
    resumed(&mut journal, 1_010, 0);
    let numbered = |it: Vec<Write>| it.into_iter().map(|it| Write(it.0 + 10_000, it.1, it.2, it.3));
    let rows = numbered(writes(1_020, 11_000, Outcome::Refused)).chain(numbered(writes(
        11_000,
        12_000,
        Outcome::Acked,
    )));
    journal.at(12_000).say(Fact::Writes { rows: rows.collect() });
    fold(&journal.entries)
}

#[test]
fn after_a_restart_the_bounds_are_wider_by_what_the_time_of_day_may_be_wrong() {
    // 5 s of the first boot, then by the time of day 25 s, then 10 s of the second boot.
    let seen = restarted(Some(40_000), Some(60_000), 30_000);
    let (last_failed, first_good) = (30_000.0 + 9_980.0, 30_000.0 + 10_003.0);
    let wider = 40.0 + 60.0;
    let wanted = (Some(last_failed - 4_006.0 - wider), Some(first_good - 4_002.0 + wider));
    assert_eq!(bounds(&seen), wanted);
    assert_eq!(drill(&seen).rto.answer, Answer::Fail, "5 s are allowed");
    let told = show(&markdown::KIND, &seen);
    assert!(told.contains("100 ms wider"), "{told}");
}

#[test]
fn after_a_restart_without_a_reference_only_what_was_counted_is_known() {
    for (before, after, wall) in [
        (None, Some(1_000), 30_000),
        (Some(1_000), None, 30_000),
        // The clock came back as it had been long before.
        (Some(1_000), Some(1_000), -3_600_000),
    ] {
        let seen = restarted(before, after, wall);
        // 1 s of the first boot and 9.98 s of the second were counted, and no upper bound is known.
        let counted = (5_000.0 - 4_006.0) + 9_980.0;
        assert_eq!(bounds(&seen), (Some(counted), None), "{before:?} {after:?} {wall}");
        assert_eq!(drill(&seen).rto.answer, Answer::Fail, "it lasted longer than 5 s all the same");
        assert!(seen.why.iter().any(|it| it.contains("followed no reference")), "{:?}", seen.why);
        assert!(seen.timeline.moments.is_sorted_by_key(|it| it.at_us), "nothing goes back");
    }
}

/// A whole outage, with such clocks at its end.
fn with_clocks(clocks: Clocks) -> Evidence {
    let mut journal = start(plan());
    strike(&mut journal);
    journal.at(5_000).say(Clocks { mono_ms: 5_000, ..clocks }.anchor());
    whole_outage(&mut journal);
    read_back(&mut journal, 450);
    journal.say(Clocks { mono_ms: 9_000, wall_ms: clocks.wall_ms + 4_000, ..clocks }.anchor());
    fold(&journal.entries)
}

#[test]
fn a_time_of_day_that_is_set_during_the_run_is_told_and_moves_no_recovery_time() {
    let still = with_clocks(Clocks::right(5_000));
    for moved in [3_600_000_i64, -3_600_000, 700] {
        let moved_by = Clocks { wall_ms: 5_000 + moved, ..Clocks::right(5_000) };
        let seen = with_clocks(moved_by);
        assert_eq!(bounds(&seen), bounds(&still));
        assert_eq!(drill(&seen).rto, drill(&still).rto);
        assert_eq!(seen.clocks.wall_stepped_us, moved * 1_000);
        for form in [&markdown::KIND, &html::KIND] {
            let told = show(form, &seen);
            let said = ["back", "forward"].map(|it| format!("The time of day was moved {it} by"));
            assert!(told.contains(&said[usize::from(moved > 0)]), "{told}");
            assert!(told.contains("was right to 1.5 ms"), "{told}");
        }
    }
    assert_eq!(still.clocks.wall_stepped_us, 0);
}

#[test]
fn a_machine_that_sleeps_during_the_run_measures_nothing_and_says_so() {
    let seen = with_clocks(Clocks { slept_ms: 90_000, ..Clocks::right(5_000) });
    assert_eq!(seen.clocks.slept_us, 90_000_000);
    assert!(seen.verdict >= Verdict::Inconclusive);
    assert!(seen.why.iter().any(|it| it.starts_with("the machine slept for 90.00 s")));
}

fn answer(attested: Attested) -> Fact {
    Fact::Course(Course::Answered(Answered {
        step: "1.1".to_owned(),
        by: "li.na".to_owned(),
        on_behalf: None,
        word: Word::Done,
        note: "pulled the plug".to_owned(),
        voice: Voice::Command,
        attested: Some(attested),
        attachment: None,
        signed: None,
    }))
}

/// Somebody says at 4.5 s when the fault was; the clock may be wrong by so much.
fn attested(all: &[Attested], error_us: Option<u64>) -> Evidence {
    let mut journal = start(plan());
    if let Fact::Anchor(it) = &mut journal.entries.last_mut().unwrap().fact {
        it.wall_error_us = error_us;
    }
    for it in all {
        journal.at(4_500).say(answer(*it));
    }
    whole_outage(&mut journal);
    read_back(&mut journal, 450);
    journal.say(Clocks { error_us, ..Clocks::right(9_000) }.anchor());
    fold(&journal.entries)
}

#[test]
fn a_fault_that_people_attest_is_as_wide_as_they_say() {
    let ago = |from, to| Attested { clock: Dial::Run, from_us: us(from), to_us: us(to) };
    // How long ago it was is reckoned by the run's own clock, whatever the time of day is worth.
    let seen = attested(&[ago(3_000, 4_200)], None);
    assert_eq!(drill(&seen).rto.since, Since::Attested);
    assert_eq!(bounds(&seen), (Some(5_960.0 - 4_200.0), Some(5_983.0 - 3_000.0)));
    assert_eq!(drill(&seen).rto.answer, Answer::Pass, "{}", drill(&seen).rto.why);
    assert_ne!(drill(&seen).rpo.answer, Answer::NotExercised, "a loss was exercised, too");
    // Two who differ: both may be right. And nobody tells of what is still to come.
    let seen = attested(&[ago(3_000, 3_500), ago(3_900, 60_000)], None);
    assert_eq!(bounds(&seen), (Some(5_960.0 - 4_500.0), Some(5_983.0 - 3_000.0)));
    for form in [&markdown::KIND, &html::KIND] {
        let told = show(form, &seen);
        assert!(told.contains("people attest"), "{told}");
        assert!(told.contains("人员证实的故障"), "{told}");
    }
}

#[test]
fn an_attested_time_of_day_is_worth_no_more_than_the_clock_it_is_read_from() {
    let wall = |from: u64, to: u64| Attested {
        clock: Dial::Wall,
        from_us: WALL_US + from * 1_000,
        to_us: WALL_US + to * 1_000,
    };
    let seen = attested(&[wall(3_900, 4_100)], Some(50_000));
    assert_eq!(bounds(&seen), (Some(5_960.0 - 4_150.0), Some(5_983.0 - 3_850.0)));
    assert_eq!(drill(&seen).rto.answer, Answer::Pass);
    let seen = attested(&[wall(3_900, 4_100)], None);
    assert_eq!(drill(&seen).rto.answer, Answer::Inconclusive);
    assert!(drill(&seen).rto.why.contains("followed no reference"), "{}", drill(&seen).rto.why);
}

#[test]
fn a_planned_switch_over_counts_from_its_declared_start_and_from_no_fault() {
    let mut journal = start(plan());
    journal.at(1_000).say(Fact::PhaseBegan { phase: "cut over".to_owned() });
    journal.at(2_000).say(Fact::Marked { mark: Mark::Started, note: "go".to_owned() });
    // What makes the old side read-only is a fault by its kind, and not what is counted from.
    strike(&mut journal);
    journal.at(5_900).say(Fact::PhaseEnded { phase: "cut over".to_owned() });
    whole_outage(&mut journal);
    let seen = fold(&journal.entries);
    assert_eq!(drill(&seen).rto.since, Since::Declared);
    assert_eq!(bounds(&seen), (Some(5_960.0 - 2_000.0), Some(5_983.0 - 2_000.0)));
    assert!(drill(&seen).rto.why.contains("declared start"), "{}", drill(&seen).rto.why);
    let parts: Vec<_> =
        drill(&seen).rto.parts.iter().map(|it| (it.name.as_str(), it.window.from_us)).collect();
    assert_eq!(parts, [("cut over", 2_000_000), ("warm-up", 5_900_000)]);
    let told = show(&html::KIND, &seen);
    assert!(told.contains("宣布的切换开始") && told.contains("From the declared start"), "{told}");
}

#[test]
fn the_service_while_degraded_is_judged_by_its_worst_second() {
    let judged = |percent: u8, hole: Outcome| {
        let mut began = plan();
        began.objectives.as_mut().unwrap().service_level_percent = Some(percent);
        began.witness.as_mut().unwrap().good_in_a_row = 5;
        let mut journal = start(began);
        strike(&mut journal);
        let phase = || "degraded".to_owned();
        journal.at(4_010).say(Fact::PhaseBegan { phase: phase() });
        // Every fourth write fails until 9 s, and from 6.006 s on for half a second all of them.
        let row = |it: Write| {
            let ms = (it.1 - us(0)) / 1_000;
            let outcome = match ms {
                6_006..6_506 => hole,
                4_002..9_000 if it.0.is_multiple_of(4) => Outcome::Refused,
                _ => Outcome::Acked,
            };
            Write(it.0, it.1, it.2, outcome)
        };
        let rows = writes(0, 12_000, Outcome::Acked).into_iter().map(row).collect();
        journal.at(12_000).say(Fact::Writes { rows }).say(Fact::PhaseEnded { phase: phase() });
        let seen = fold(&journal.entries);
        let drill = drill(&seen);
        let term = drill.terms.first().unwrap();
        (term.answer, term.why.clone(), drill.levels.first().unwrap().worst.unwrap())
    };
    // 38 of 50 or 37 of 50 in most seconds, and half of that in the third.
    let (answer, why, worst) = judged(50, Outcome::Refused);
    assert_eq!(answer, Answer::Fail, "on average more than 50 % were served: {why}");
    assert!(why.contains("in the worst second 3"), "{why}");
    assert!((0.35..0.40).contains(&worst), "{worst}");
    assert_eq!(judged(30, Outcome::Refused).0, Answer::Pass);
    // What the witness could not try may have been served, or not.
    assert_eq!(judged(50, Outcome::Blind).0, Answer::Inconclusive);
}
