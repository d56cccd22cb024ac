//! What stories fold to.

use holdfast::{
    evidence::{
        energy::Energy,
        figures::figures,
        fold::{Evidence, fold},
        say::Answer,
        timeline::ActState,
    },
    journal::entry::{Entry, Fact, Family, Found, OnVanish, Outcome, ReadBack, UndoClass, Write},
    verdict::Verdict,
};

use super::stories::{ASYNC, Journal, SYNC, Story, intent, scenario, us};

fn whole(story: Story) -> Evidence {
    fold(&story.whole().entries)
}

#[test]
fn a_drill_that_loses_writes_fails_and_says_how_many() {
    let evidence = whole(ASYNC);
    let drill = evidence.drill.as_ref().unwrap();
    assert_eq!(evidence.verdict, Verdict::Fail);
    assert_eq!(drill.rto.answer, Answer::Pass);
    assert_eq!(drill.rpo.answer, Answer::Fail);
    assert_eq!(drill.rpo.classes.lost, 10);
    assert_eq!((drill.rpo.holes, drill.rpo.tail), (0, 10));
    assert_eq!(drill.rpo.lost_ranges, [(191, 200)]);
    assert_eq!(
        evidence.why[0],
        "data loss: fail, 10 of 351 acknowledged writes are gone, and 0 are allowed"
    );
}

#[test]
fn the_interval_of_a_drill_holds_the_instant_of_its_return() {
    let rto = whole(ASYNC).drill.unwrap().rto;
    // The last write that failed was sent at 5,980 ms, the first good one at 6,000 ms.
    assert_eq!(rto.lower_us, Some(5_980_000 - 4_006_000));
    let answered = rto.first_good.unwrap();
    assert_eq!(answered.from_us, 6_000_000);
    assert_eq!(rto.upper_us, Some(answered.to_us - 4_002_000));
    let names: Vec<&str> = rto.parts.iter().map(|it| it.name.as_str()).collect();
    let wanted = ["detection", "decision", "fence", "promote", "route", "warm-up", "verify"];
    assert_eq!(names[..7], wanted);
    assert_eq!(rto.verified.unwrap().to_us, 7_500_000 - 4_002_000);
    assert_eq!(rto.degraded_ratio, Some(0.0));
}

#[test]
fn a_drill_without_loss_passes_and_tells_its_exposure() {
    let evidence = whole(SYNC);
    assert_eq!(evidence.verdict, Verdict::Pass, "{:?}", evidence.why);
    let rpo = evidence.drill.unwrap().rpo;
    assert_eq!((rpo.classes.lost, rpo.exposed), (0, Some(51)));
    assert!((rpo.chance_at_most.unwrap() - 3.0 / 51.0).abs() < 1e-12);
    assert!(rpo.why.contains("below 5.9 % (95 %)"), "{}", rpo.why);
}

#[test]
fn an_objective_between_the_bounds_is_neither_met_nor_missed() {
    let answer = |rto| whole(Story { rto, ..SYNC }).drill.unwrap().rto.answer;
    assert_eq!(answer(2_001), Answer::Pass);
    assert_eq!(answer(1_990), Answer::Inconclusive);
    assert_eq!(answer(1_973), Answer::Fail);
}

#[test]
fn a_service_that_never_returns_fails_only_if_it_was_watched_for_long_enough() {
    let never = Story { back: None, ..SYNC };
    let evidence = whole(never);
    let rto = evidence.drill.as_ref().unwrap().rto.clone();
    assert_eq!((rto.answer, rto.upper_us), (Answer::Inconclusive, None));
    assert_eq!(figures(&evidence).unwrap().rto_seconds, None);
    let rto = whole(Story { rto: 4_900, ..never }).drill.unwrap().rto;
    assert_eq!((rto.answer, rto.lower_us), (Answer::Fail, Some(4_974_000)));
}

#[test]
fn an_outage_that_no_write_met_is_bounded_by_their_spacing() {
    let rto = whole(Story { struck: 20_000, back: Some(20_001), ..SYNC }).drill.unwrap().rto;
    assert!(!rto.outage_seen);
    assert_eq!((rto.answer, rto.lower_us), (Answer::Pass, Some(0)));
    assert!((20_000..30_000).contains(&rto.upper_us.unwrap()), "{rto:?}");
    assert!(rto.why.starts_with("no write failed"), "{}", rto.why);
}

#[test]
fn a_run_that_was_cut_off_is_at_best_inconclusive_and_says_what_still_stands() {
    let mut journal = Journal::new();
    let entries = SYNC.whole().entries;
    let cut = entries.iter().position(|it| matches!(it.fact, Fact::Applied { .. })).unwrap();
    for entry in entries.into_iter().take(cut) {
        journal.say(entry.fact);
    }
    let mut plan = intent(9, "cpu_burn", Family::Fault, "burn");
    plan.class = UndoClass::Kernel;
    journal.say(Fact::Intent(Box::new(plan)));
    let evidence = fold(&journal.entries);
    assert_eq!((evidence.verdict, evidence.stated.is_none()), (Verdict::Inconclusive, true));
    assert!(evidence.why.iter().any(|it| it == "“cpu_burn” stands in the world"));
    assert!(evidence.why.iter().any(|it| it.starts_with("the run has not ended")));
    assert_eq!(evidence.not_exercised.len(), 7);
    assert_eq!(evidence.drill.unwrap().rto.answer, Answer::NotExercised);
}

#[test]
fn every_prefix_of_a_journal_folds() {
    for journal in [ASYNC.whole(), scenario()] {
        for to in 0..journal.entries.len() {
            let evidence = fold(&journal.entries[..to]);
            assert_ne!(evidence.verdict, Verdict::Pass, "{to}");
        }
    }
}

#[test]
fn a_fault_that_could_not_be_undone_fails_the_run() {
    let mut journal = SYNC.told();
    let mut plan = intent(20, "process_pause", Family::Fault, "stop it");
    (plan.class, plan.on_vanish) = (UndoClass::Guardian, OnVanish::Heal);
    journal.say(Fact::Intent(Box::new(plan)));
    journal.say(Fact::Stuck { act: 20, why: "no such process".to_owned() });
    journal.end();
    let evidence = fold(&journal.entries);
    assert_eq!(evidence.verdict, Verdict::Fail);
    assert_eq!(evidence.why[0], "“process_pause” could not be undone: no such process");
    assert_eq!(evidence.timeline.acts.last().unwrap().state, ActState::Stuck);
}

#[test]
fn an_aborted_run_and_an_unseen_effect_are_at_best_inconclusive() {
    let mut journal = SYNC.told();
    journal.say(Fact::Aborted { why: "told to stop (SIGINT)".to_owned() }).end();
    let evidence = fold(&journal.entries);
    assert_eq!(evidence.verdict, Verdict::Inconclusive);
    assert_eq!(evidence.why[0], "the run was stopped early: told to stop (SIGINT)");
    let mut journal = SYNC.told();
    let how = "its state could not be read".to_owned();
    journal.say(Fact::Effect { act: 1, seen: Verdict::Fail, how }).end();
    assert_eq!(fold(&journal.entries).verdict, Verdict::Inconclusive);
}

#[test]
fn a_scenario_is_judged_by_its_hypotheses_alone() {
    let evidence = fold(&scenario().entries);
    assert_eq!(evidence.verdict, Verdict::Pass, "{:?}", evidence.why);
    assert!(evidence.drill.is_none() && figures(&evidence).is_none());
    assert_eq!(evidence.hypotheses[0].judgements.len(), 3);
}

#[test]
fn energy_is_shared_out_to_the_phases_and_adds_up() {
    let evidence = whole(SYNC);
    let joules = |it: &Energy| match it {
        Energy::Measured { figures, .. } => figures.joules,
        Energy::Unavailable { why } => panic!("{why}"),
    };
    let sum: f64 = evidence.phases.iter().map(|it| joules(&it.energy)).sum();
    assert!((sum - 9.4 * 21.5).abs() < 1e-6, "{sum}");
    assert!((joules(&evidence.whole.energy) - 9.5 * 21.5).abs() < 1e-6);
    let disrupt = &evidence.phases[1];
    assert!((joules(&disrupt.energy) - 0.05 * 21.5).abs() < 1e-6);
}

#[test]
fn amounts_of_two_methods_are_never_added() {
    let mut journal = SYNC.told();
    for entry in &mut journal.entries {
        if let Fact::Sampled(sample) = &mut entry.fact
            && sample.at_us > us(5_000)
        {
            sample.energy.as_mut().unwrap().method = "rapl".to_owned();
        }
    }
    let evidence = fold(&journal.entries);
    assert!(matches!(evidence.whole.energy, Energy::Unavailable { .. }));
}

#[test]
fn energy_between_two_runners_is_not_known_and_the_second_one_counts_from_nothing() {
    let mut journal = SYNC.told();
    // The readings of the first runner, and those of its successor.
    let mut read: [Vec<(i64, f64)>; 2] = [Vec::new(), Vec::new()];
    for entry in &mut journal.entries {
        let second = entry.at_us > us(7_000);
        entry.epoch += u32::from(second);
        let Fact::Sampled(sample) = &mut entry.fact else { continue };
        let energy = sample.energy.as_mut().unwrap();
        if second {
            for it in [&mut energy.joules, &mut energy.low, &mut energy.high] {
                *it /= 100.0;
            }
        }
        read[usize::from(second)].push((entry.at_us.cast_signed(), energy.joules));
    }
    let [first, second] = read.map(|it| (it[0], it[it.len() - 1]));
    let known = |entries: &[Entry]| match fold(entries).whole.energy {
        Energy::Measured { figures, covered_ratio, .. } => (figures.joules, covered_ratio),
        Energy::Unavailable { why } => panic!("{why}"),
    };
    let (_, whole) = known(&SYNC.told().entries);
    let (joules, covered) = known(&journal.entries);
    assert!((joules - (first.1.1 + second.1.1 - second.0.1)).abs() < 1e-6, "{joules}");
    let length = fold(&journal.entries).whole.window.length_us();
    #[expect(clippy::cast_precision_loss, reason = "a test's instants are small")]
    let hole = (second.0.0 - first.1.0) as f64 / length as f64;
    assert!(hole > 0.01 && (whole - covered - hole).abs() < 1e-9, "{covered} of {whole}, {hole}");
}

#[test]
fn a_machine_that_slept_or_restarted_is_told() {
    let mut journal = SYNC.told();
    journal.anchor();
    if let Fact::Anchor(anchor) = &mut journal.entries.last_mut().unwrap().fact {
        anchor.boot_us += 3_000_000;
    }
    let evidence = fold(&journal.entries);
    assert!(evidence.why.iter().any(|it| it.starts_with("the machine slept for 3.00 s")));
    if let Fact::Anchor(anchor) = &mut journal.entries.last_mut().unwrap().fact {
        anchor.boot_id = "b2".to_owned();
        anchor.mono_us = 5_000_000;
        anchor.wall_us += 60_000_000;
    }
    journal.entries.last_mut().unwrap().at_us = 5_000_000;
    let mut late = journal.entries.last().unwrap().clone();
    late.at_us = 6_000_000;
    late.fact = Fact::Aborted { why: "power cut".to_owned() };
    journal.entries.push(late);
    let evidence = fold(&journal.entries);
    // The anchor was taken 60 s after the last stamp of the boot before; one more second passed.
    assert_eq!(evidence.run.length_us, 9_500_000 + 60_000_000 + 1_000_000);
    assert_eq!(evidence.clocks.reboots, 1);
}

#[test]
fn writes_fall_into_the_classes_of_a_set_checker() {
    let outcomes = [Outcome::Acked, Outcome::Refused, Outcome::Unknown];
    let found =
        [Some(Found::Same), Some(Found::Altered), Some(Found::Absent), Some(Found::Blind), None];
    let mut journal = SYNC.told();
    let (mut writes, mut reads) = (Vec::new(), vec![ReadBack(999, Found::Same, 1)]);
    for (n, (outcome, found)) in
        outcomes.iter().flat_map(|o| found.iter().map(move |f| (*o, *f))).enumerate()
    {
        let seq = u64::try_from(n).unwrap() + 1_000;
        writes.push(Write(seq, us(8_000), 1, outcome));
        reads.extend(found.map(|it| ReadBack(seq, it, 1)));
    }
    journal
        .say(Fact::Writes { rows: writes })
        .say(Fact::Reads { side: String::new(), rows: reads });
    let plain = whole(SYNC).drill.unwrap().rpo.classes;
    let classes = fold(&journal.entries).drill.unwrap().rpo.classes;
    assert_eq!(classes.ok, plain.ok + 1);
    assert_eq!((classes.lost, classes.corrupt, classes.recovered), (1, 3, 1));
    assert_eq!((classes.unexpected, classes.not_judged, classes.not_looked_for), (2, 2, 4));
    assert_eq!(classes.absent, plain.absent + 2);
}
