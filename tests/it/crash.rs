//! The real thing: real processes, the real binary, and death at any instant. Afterwards the
//! machine is as it was.
#![expect(
    clippy::print_stdout,
    reason = "a seed that was rolled is said, so that it can be said again"
)]

mod cases;
mod docker;
mod every;
mod starved;
mod table;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Child,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use holdfast::{
    journal::{
        chain,
        entry::{Entry, Fact},
    },
    world::dice::Dice,
};
use rustix::process::Signal;

use every::GUARDIAN_MAX;
use starved::{Promise, Reference};

use super::ground::{Ground, quiet, send, state, wait, within};

/// For what has no promise, but must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// The runner's lease.
const LEASE: Duration = holdfast::engine::guardian::LEASE;

/// All that a scenario can be in: start, baseline, an act with the guardian's way back, one with
/// the kernel's, and the end; about a second and a half.
const SCENARIO: &str = "\
title: die at any instant
baseline: 100ms
settle: 2s
hypothesis:
  - name: the victims are there
    process: { target: { cmdline: 'sleep TAG' } }
    expect: { count: { min: 2 } }
    every: 40ms
method:
  - process_pause: { target: { cmdline: 'sleep TAG', max_targets: 3 }, by: signal }
    for: 400ms
  - cpu_burn: { percent: 20, cores: 2 }
    for: 300ms
  - process_pause: { target: { cmdline: 'sleep TAG', max_targets: 3 } }
    for: 100ms
";

/// A pause that lasts until somebody ends it.
const LONG: &str = "\
title: a long pause
max: 10m
method:
  - process_pause: { target: { cmdline: 'sleep TAG', max_targets: 3 }, by: signal }
    for: 5m
";

/// A chance of its own for a test; what is printed can be said again.
fn dice(name: &str) -> Dice {
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|it| it.parse().ok());
    let seed = seed.unwrap_or_else(Dice::fresh_seed);
    println!("{name}: HOLDFAST_SEED={seed}");
    Dice::new(seed).fork(name)
}

/// How many instants of a kind; a soak has ten times as many.
fn instants(usual: u64) -> u64 {
    if std::env::var_os("HOLDFAST_SOAK").is_some() { usual * 10 } else { usual }
}

/// A long pause that stands: victims, and the runner that paused them.
pub(super) fn paused(victims: usize) -> (Ground, Child) {
    let ground = Ground::new(victims);
    let file = ground.file("long.yaml", LONG);
    let runner = ground.play(&file);
    let acts = |it: &Fact| matches!(it, Fact::Effect { .. });
    assert!(within(PATIENCE, || ground.has(acts)), "it was paused");
    assert!(ground.stopped().iter().all(|it| *it), "all are stopped: {:?}", ground.stopped());
    (ground, runner)
}

#[test]
fn sigkill_at_any_instant_leaves_nothing_standing() {
    let mut dice = dice("sigkill");
    let mut instant = |n: u64| match n % 2 {
        0 => Instants::AfterStart(Duration::from_millis(dice.below(1_300))),
        _ => Instants::AfterFact(dice.below(28), Duration::from_micros(dice.below(3_000))),
    };
    let at: Vec<Instants> = (0..instants(50)).map(&mut instant).collect();
    let (queue, ends) = (Mutex::new(at), Mutex::new(BTreeMap::<String, u32>::new()));
    let worst = Mutex::new(Duration::ZERO);
    let work = |reference: &Reference| {
        while let Some(at) = { queue.lock().expect("no panic").pop() } {
            let (last, took) = die_at(at, reference);
            *ends.lock().expect("no panic").entry(last).or_default() += 1;
            let mut worst = worst.lock().expect("no panic");
            *worst = took.max(*worst);
        }
    };
    Reference::beside(|reference| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| work(reference));
            }
        });
    });
    let worst = worst.into_inner().expect("no panic");
    println!("the last word before death: {:#?}", ends.into_inner().expect("no panic"));
    println!("the slowest to heal: {worst:?}");
}

/// When a runner dies.
#[derive(Debug, Clone, Copy)]
enum Instants {
    /// So long after its start.
    AfterStart(Duration),
    /// So long after it wrote so many facts that are no measurements.
    AfterFact(u64, Duration),
}

impl Instants {
    fn wait(self, ground: &Ground, runner: &mut Child) {
        match self {
            Self::AfterStart(length) => thread::sleep(length),
            Self::AfterFact(n, length) => {
                let told = || {
                    let all = ground.journals();
                    let read = all.first().and_then(|it| chain::read(&it.1).ok());
                    let facts = read.map_or_else(Vec::new, |it| it.entries);
                    let counts =
                        |it: &&Entry| !matches!(it.fact, Fact::Looks { .. } | Fact::Sampled(_));
                    u64::try_from(facts.iter().filter(counts).count()).is_ok_and(|it| it > n)
                };
                let ended = |it: &mut Child| it.try_wait().expect("a child of ours").is_some();
                assert!(within(PATIENCE, || told() || ended(runner)), "it goes on");
                thread::sleep(length);
            }
        }
    }
}

/// Kills a runner; tells its last word, and how long healing took.
fn die_at(at: Instants, reference: &Reference) -> (String, Duration) {
    let ground = Ground::new(2);
    let file = ground.file("die.yaml", SCENARIO);
    let mut runner = ground.play(&file);
    at.wait(&ground, &mut runner);
    let ended = runner.try_wait().expect("a child of ours").is_some();
    send(runner.id(), Signal::KILL);
    let last = last_word(&ground, ended);
    let death = Instant::now();
    let story = format!("killed {at:?}, {last}");
    let holds = || ground.helpers().into_iter().any(|it| Some(it) != ground.guardian());
    let promise = Promise { lease: Duration::ZERO, limit: GUARDIAN_MAX };
    let took = promise.hold((death, reference), &story, || ground.is_healed() && !holds());
    runner.wait().expect("a child of ours");
    assert!(within(PATIENCE, || ground.helpers().is_empty()), "{story}: the guardian lives");
    if ground.open() > 0 {
        let done = ground.run(&["recover"]);
        assert_eq!(done.code, Some(0), "{story}: {done:?}");
    }
    ground.assert_settled(&story);
    (last, took)
}

/// The kind of the last fact that a runner wrote.
fn last_word(ground: &Ground, ended: bool) -> String {
    if ended {
        return "it had ended".to_owned();
    }
    let all = ground.journals();
    let lines = all.first().map(|it| chain::read(&it.1).expect("a journal"));
    let last = lines.and_then(|it| it.entries.last().map(|it| format!("{:?}", it.fact)));
    let word = |it: String| it.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
    last.map_or("nothing".to_owned(), word)
}

#[test]
fn a_runner_that_is_asked_to_stop_goes_back_and_says_its_last_word() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (ground, mut runner) = paused(2);
        send(runner.id(), signal);
        let code = wait(&mut runner, PATIENCE);
        assert_eq!(code, Some(4), "{signal:?}: nobody saw it through");
        ground.assert_settled(&format!("{signal:?}"));
        assert!(ground.has(|it| matches!(it, Fact::Aborted { why } if why.contains("SIG"))));
    }
}

#[test]
fn a_runner_that_is_asked_to_stop_at_any_instant_leaves_nothing_standing() {
    let mut dice = dice("sigterm");
    for _ in 0..instants(6) {
        let at = Duration::from_millis(dice.below(1_500));
        let signal = [Signal::TERM, Signal::INT, Signal::HUP]
            [usize::try_from(dice.below(3)).expect("it is small")];
        let ground = Ground::new(2);
        let file = ground.file("die.yaml", SCENARIO);
        let mut runner = ground.play(&file);
        // Before its first line it has touched nothing, and may just die.
        assert!(within(PATIENCE, || ground.has(|it| matches!(it, Fact::Began(_)))));
        thread::sleep(at);
        send(runner.id(), signal);
        let code = wait(&mut runner, PATIENCE);
        let story = format!("{signal:?} after {at:?}: {code:?}");
        assert!(code.is_some_and(|it| it != 5), "{story}");
        ground.assert_settled(&story);
    }
}

#[test]
fn a_runner_that_hangs_is_fenced_and_healed_for() {
    let (ground, mut runner) = paused(2);
    Reference::beside(|reference| {
        send(runner.id(), Signal::STOP);
        let promise = Promise { lease: LEASE, limit: GUARDIAN_MAX };
        promise.hold((Instant::now(), reference), "a hang", || ground.is_healed());
    });
    assert_eq!(wait(&mut runner, PATIENCE), None, "it was killed, so that it never wakes up");
    assert!(within(PATIENCE, || ground.helpers().is_empty()), "the guardian went home");
    ground.assert_settled("hung");
    assert!(ground.has(|it| matches!(it, Fact::TakenOver { why, .. } if why.contains("hung"))));
}

#[test]
fn a_runner_without_its_guardian_goes_back() {
    for signal in [Signal::KILL, Signal::TERM] {
        let (ground, mut runner) = paused(2);
        send(ground.guardian().expect("a guardian"), signal);
        let code = wait(&mut runner, PATIENCE);
        if signal == Signal::KILL {
            assert_eq!(code, Some(4), "the runner noticed by itself");
        }
        assert!(within(PATIENCE, || ground.helpers().is_empty()), "the guardian went home");
        ground.assert_settled(&format!("the guardian got {signal:?}"));
    }
}

#[test]
fn both_told_to_stop_at_once_end_well_and_do_not_wait_for_each_other() {
    let (ground, mut runner) = paused(2);
    send(ground.guardian().expect("a guardian"), Signal::TERM);
    send(runner.id(), Signal::TERM);
    assert_eq!(wait(&mut runner, Duration::from_secs(8)), Some(4), "it was not killed");
    ground.assert_settled("both told");
}

#[test]
fn a_guardian_that_hangs_does_not_hold_its_runner_up() {
    let (ground, mut runner) = paused(2);
    send(ground.guardian().expect("a guardian"), Signal::STOP);
    send(runner.id(), Signal::TERM);
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    ground.assert_settled("the guardian hung");
}

/// Leaves victims stopped and nobody who cares: the guardian is stopped before the runner dies.
pub(super) fn abandoned() -> Ground {
    let (ground, mut runner) = paused(2);
    let guardian = ground.guardian().expect("a guardian");
    send(guardian, Signal::STOP);
    assert!(within(PATIENCE, || state(guardian) == Some('T')));
    send(runner.id(), Signal::KILL);
    send(guardian, Signal::KILL);
    runner.wait().expect("a child of ours");
    assert!(within(PATIENCE, || ground.helpers().is_empty()));
    assert!(ground.stopped().iter().all(|it| *it), "nobody healed");
    assert_eq!(ground.open(), 1);
    ground
}

#[test]
fn recover_heals_when_runner_and_guardian_are_dead() {
    let ground = abandoned();
    let done = ground.run(&["recover"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("1 acts were taken down"), "{done:?}");
    ground.assert_settled("recovered");
    let again = ground.run(&["recover"]);
    assert_eq!((again.code, again.out.trim()), (Some(0), "nothing was left to take down"));
}

#[test]
fn the_next_run_heals_what_the_last_one_left() {
    let ground = abandoned();
    let file = ground.file(
        "next.yaml",
        "title: next\nmethod:\n  - cpu_burn: { percent: 5, cores: 1 }\n    for: 50ms\n",
    );
    let done = ground.run(&["chaos", "run", &file.display().to_string()]);
    assert!(matches!(done.code, Some(0 | 4)), "{done:?}");
    ground.assert_settled("healed by the next run");
}

#[test]
fn a_recovery_that_is_killed_is_finished_by_the_next() {
    let mut dice = dice("recover");
    for _ in 0..instants(4) {
        let ground = abandoned();
        for _ in 0..3 {
            let mut it = quiet(&mut ground.holdfast(&["recover"])).spawn().expect("it starts");
            thread::sleep(Duration::from_millis(dice.below(60)));
            it.kill().expect("a child of ours");
            it.wait().expect("a child of ours");
        }
        let done = ground.run(&["recover"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        ground.assert_settled("recovered after deaths");
    }
}

#[test]
fn who_was_paused_by_somebody_else_stays_paused() {
    for death in [Signal::KILL, Signal::TERM] {
        let ground = Ground::new(3);
        let theirs = ground.pids()[1];
        send(theirs, Signal::STOP);
        assert!(within(PATIENCE, || state(theirs) == Some('T')));
        let file: PathBuf = ground.file("long.yaml", LONG);
        let mut runner = ground.play(&file);
        assert!(within(PATIENCE, || ground.stopped().iter().all(|it| *it)), "all are stopped");
        send(runner.id(), death);
        let healed = || ground.stopped() == [false, true, false];
        assert!(within(PATIENCE, healed), "{death:?}: {:?}", ground.stopped());
        runner.wait().expect("a child of ours");
        assert!(within(PATIENCE, || ground.helpers().is_empty()));
        assert!(healed(), "and it stays so: {:?}", ground.stopped());
        let done = ground.run(&["recover"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(healed(), "recover leaves it alone, too: {:?}", ground.stopped());
    }
}
