//! Playing: the hypothesis before, the phases, back, the hypothesis after.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    engine::{
        ask,
        back::Left,
        conditions::guard,
        course,
        desk::Desk,
        load,
        observe::once,
        past, perform, residue,
        windows::{fault_windows, looked_during},
    },
    journal::entry::{Entry, Fact, Look, When},
    script::{
        course::Step,
        hypothesis::{Hypothesis, Sense},
        lines::{Declare, Item, Script, Wait, WitnessCue},
    },
    verdict::Verdict,
    world::host::HostError,
};

/// How long the witness may take to get ready.
const READY_MAX: Duration = Duration::from_secs(20);
/// How long the witness may take to read everything back.
const READ_BACK_MAX: Duration = Duration::from_mins(5);

/// How much longer than planned probes may take to answer for the first times.
const BASELINE_MORE: Duration = Duration::from_secs(10);

/// How often, at most and at least, what probes have seen is looked through.
const ROWS_EVERY: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));

/// Why a script was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// Nothing was touched.
    #[error("{0}")]
    Refused(String),
    /// Something was.
    #[error("{0}")]
    Aborted(String),
    /// The journal could not be written.
    #[error("the journal could not be written: {0}")]
    Journal(#[from] HostError),
}

/// How playing went.
#[derive(Debug)]
pub struct Played {
    /// Why it did not go to its end, if it did not.
    pub halt: Option<Halt>,
    /// What going back left.
    pub left: Left,
}

/// Plays a script. Going back is not a matter of success: it comes in every case.
pub async fn play(script: &Script, desk: &Desk) -> Played {
    tokio::select! {
        played = forth_and_back(script, desk) => played,
        () = desk.pump() => unreachable!("the pump runs until it is dropped"),
        () = watchdog(script, desk) => unreachable!("the watchdog waits until it is dropped"),
        () = hear(desk) => unreachable!("whoever hears goes on until dropped"),
    }
}

/// Looks out for what must stop the run, and says so once.
async fn watchdog(script: &Script, desk: &Desk) {
    guard(script, desk).await;
    std::future::pending::<()>().await;
}

/// Hears those who answer questions.
async fn hear(desk: &Desk) {
    desk.counter.serve(desk).await;
    std::future::pending::<()>().await;
}

async fn forth_and_back(script: &Script, desk: &Desk) -> Played {
    let max = script.max;
    let out_of_time = async {
        let before = Duration::from_micros(desk.fold(past::played_us));
        tokio::time::sleep(max.duration().saturating_sub(before)).await;
        desk.stop.say(format!("the run took longer than its `max` of {max}"));
        std::future::pending::<()>().await;
    };
    let forth = tokio::select! {
        forth = forth(script, desk) => forth,
        () = out_of_time => unreachable!("whoever heeds the word to stop ends first"),
    };
    let halt = match forth {
        Ok(()) => None,
        Err(Halt::Refused(why)) if desk.fold(nothing_begun) => Some(Halt::Refused(why)),
        Err(Halt::Aborted(why)) if desk.is_refused() && desk.fold(nothing_begun) => {
            Some(Halt::Refused(why))
        }
        Err(Halt::Refused(why)) => Some(Halt::Aborted(why)),
        Err(it) => Some(it),
    };
    if let Some(why) = &halt {
        note(desk, Fact::Aborted { why: why.to_string() });
    }
    let left = recover(desk).await;
    desk.with_observer(|it| it.reach(load::At::After));
    if halt.is_none()
        && let Err(why) = verify(script, desk).await
    {
        note(desk, Fact::Aborted { why: why.to_string() });
        return Played { halt: Some(why), left };
    }
    Played { halt, left }
}

pub(super) fn nothing_begun(entries: &[Entry]) -> bool {
    !entries.iter().any(|it| matches!(it.fact, Fact::Intent(_)))
}

/// Writes down what must not stop us from going on.
fn note(desk: &Desk, fact: Fact) {
    if let Err(why) = desk.write(fact) {
        tracing::error!("the journal could not be written: {why}");
    }
}

async fn forth(script: &Script, desk: &Desk) -> Result<(), Halt> {
    baseline(script, desk).await?;
    desk.with_observer(|it| it.reach(load::At::Method(0)));
    course::phases(script, desk).await?;
    // What still stands in the background stands for as long as the file says.
    Ok(())
}

/// Whether a run that was resumed had seen already that what must stay true was so.
fn seen_before(script: &Script, entries: &[Entry]) -> bool {
    let judged = |name: &str| {
        entries.iter().any(|it| {
            matches!(&it.fact, Fact::Judged { hypothesis, when: When::Before, verdict, .. }
                if hypothesis == name && *verdict == Verdict::Pass)
        })
    };
    let mut first = script.hypotheses.iter().filter(|it| it.when.contains(&When::Before));
    first.clone().next().is_some() && first.all(|it| judged(&it.name))
}

/// What must stay true is true before anything is done, or nothing is done.
async fn baseline(script: &Script, desk: &Desk) -> Result<(), Halt> {
    let is_idle = script.hypotheses.is_empty() && script.loads.is_empty();
    if is_idle || desk.fold(|entries| seen_before(script, entries)) {
        return Ok(());
    }
    course::begun(desk, "baseline")?;
    let from = desk.world.clock.now_us();
    let looks = script.hypotheses.iter().map(Hypothesis::three_looks).max().unwrap_or_default();
    pause(desk, script.baseline.duration().max(looks)).await?;
    looked_enough(script, desk, from).await?;
    let mut broken = Vec::new();
    for (n, it) in script.hypotheses.iter().enumerate() {
        if it.when.contains(&When::Before) {
            let (verdict, why) = judge(desk, (n, it), When::Before, |it| it.0 >= from)?;
            if verdict != Verdict::Pass {
                broken.push(format!("{}: {why}", it.name));
            }
        }
    }
    desk.write(Fact::PhaseEnded { phase: "baseline".to_owned() })?;
    if broken.is_empty() {
        return Ok(());
    }
    let all = broken.join("; ");
    Err(Halt::Refused(format!("what must stay true is not so before anything was done: {all}")))
}

/// Waits until every probe has answered three questions that were asked `from` then on: on a busy
/// machine that takes longer than the time that was planned for it, and a system must not be called
/// broken because we were slow.
async fn looked_enough(script: &Script, desk: &Desk, from: u64) -> Result<(), Halt> {
    let deadline = Instant::now() + BASELINE_MORE;
    loop {
        desk.rows()?;
        let judged = script.hypotheses.iter().enumerate();
        let judged = judged.filter(|it| it.1.when.contains(&When::Before));
        let fresh = |n| answered(desk, n).iter().filter(|it| it.0 >= from).count();
        if judged.map(|it| fresh(it.0)).min().is_none_or(|it| it >= 3) || Instant::now() > deadline
        {
            return Ok(());
        }
        pause(desk, patience(script)).await?;
    }
}

/// How long to wait until the rows are looked through again: no longer than between two questions,
/// as far as that is bearable.
fn patience(script: &Script) -> Duration {
    let often = script.hypotheses.iter().map(|it| it.every.duration()).min();
    often.unwrap_or(ROWS_EVERY.1).clamp(ROWS_EVERY.0, ROWS_EVERY.1)
}

fn judge(
    desk: &Desk,
    (n, it): (usize, &Hypothesis),
    when: When,
    counts: impl Fn(&Look) -> bool,
) -> Result<(Verdict, String), HostError> {
    let mut looks = if when == When::During { looks(desk, n) } else { answered(desk, n) };
    looks.retain(counts);
    let (verdict, why) = it.judge(&looks);
    let hypothesis = it.name.clone();
    desk.write(Fact::Judged { hypothesis, when, verdict, why: why.clone() })?;
    Ok((verdict, why))
}

/// All looks of a hypothesis that were answered so far.
fn answered(desk: &Desk, n: usize) -> Vec<Look> {
    let mut looks = Vec::new();
    desk.with_observer(|observer| looks = observer.looks(n));
    looks
}

/// All looks of a hypothesis so far; a question that has no answer yet is one that saw nothing.
fn looks(desk: &Desk, n: usize) -> Vec<Look> {
    let (mut looks, now) = (answered(desk, n), desk.world.clock.now_us());
    desk.with_observer(|observer| {
        looks.extend(observer.open(n).map(|sent| {
            let took = now.saturating_sub(sent);
            let note = "there was no answer by then".to_owned();
            Look(sent, took, Verdict::Inconclusive, note, Vec::new())
        }));
    });
    looks
}

async fn pause(desk: &Desk, length: Duration) -> Result<(), Halt> {
    desk.heed(tokio::time::sleep(length)).await.map_err(Halt::Aborted)
}

/// Plays one step; `number` is its act's.
pub(super) async fn play_item(step: &Step, number: Option<u32>, desk: &Desk) -> Result<(), Halt> {
    match &step.item {
        Item::Act(it) => {
            let number = number.unwrap_or_else(|| desk.next_act());
            perform::alone(it, number, desk).await
        }
        Item::Together(all) => perform::together(all, desk).await,
        Item::Branches(all) => course::side_by_side(all, desk).await,
        Item::Ask(it) => ask::ask(step, it, desk).await,
        Item::Pause(length) | Item::Dwell(length) => pause(desk, length.duration()).await,
        Item::Wait(it) => wait(it, desk).await,
        Item::Declare(Declare { note, delay, mark }) => {
            if let Some(delay) = delay {
                pause(desk, delay.duration()).await?;
            }
            Ok(desk.write(Fact::Marked { mark: *mark, note: note.clone() })?)
        }
        Item::Witness(WitnessCue::Start) => {
            desk.with_observer(|it| it.write());
            witness_ready(desk).await
        }
        Item::Witness(WitnessCue::ReadBack) => read_back(desk).await,
    }
}

async fn wait(it: &Wait, desk: &Desk) -> Result<(), Halt> {
    let deadline = Instant::now() + it.at_most.duration();
    let mut tick = tokio::time::interval(it.every.duration());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut row, mut last) = (0, "nobody looked".to_owned());
    while row < it.in_a_row {
        let late = format!("{} was not so within {}; the last: {last}", it.name, it.at_most);
        let look = async {
            tick.tick().await;
            once(desk.world.clock.now_us(), &*it.probe, (&it.expect, Sense::Always), &desk.world)
                .await
        };
        let look = match desk.heed(tokio::time::timeout_at(deadline, look)).await {
            Ok(Ok(look)) => look,
            Ok(Err(_)) => return Err(Halt::Aborted(late)),
            Err(why) => return Err(Halt::Aborted(why)),
        };
        row = if look.2 == Verdict::Pass { row + 1 } else { 0 };
        if !look.3.is_empty() {
            last = look.3;
        }
    }
    Ok(desk.write(Fact::Marked { mark: it.mark, note: it.name.clone() })?)
}

/// A drill without a witness measures nothing: it does not begin.
async fn witness_ready(desk: &Desk) -> Result<(), Halt> {
    let deadline = Instant::now() + READY_MAX;
    loop {
        let mut ready = None;
        desk.rows()?;
        desk.with_observer(|it| ready = it.ready());
        match ready {
            Some(Ok(())) => return Ok(()),
            Some(Err(why)) => return Err(Halt::Aborted(format!("the witness {why}"))),
            None if Instant::now() > deadline => {
                return Err(Halt::Aborted("the witness could not begin in time".to_owned()));
            }
            None => pause(desk, Duration::from_millis(5)).await?,
        }
    }
}

async fn read_back(desk: &Desk) -> Result<(), Halt> {
    desk.with_observer(|it| it.read_back());
    let deadline = Instant::now() + READ_BACK_MAX;
    loop {
        let mut all = false;
        desk.rows()?;
        desk.with_observer(|it| all = it.has_read_all());
        if all {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Halt::Aborted("the witness could not read everything back".to_owned()));
        }
        pause(desk, Duration::from_millis(20)).await?;
    }
}

/// Goes back. The word to stop is not heeded here: going back is what it asks for.
async fn recover(desk: &Desk) -> Left {
    let mut left = Left::default();
    if !desk.fold(crate::journal::fold::outstanding).is_empty() {
        note(desk, Fact::PhaseBegan { phase: "recover".to_owned() });
        left = desk.back_all().await;
        note(desk, Fact::PhaseEnded { phase: "recover".to_owned() });
    }
    left.and(check(desk).await)
}

/// Looks what still stands, after the last undo.
async fn check(desk: &Desk) -> Left {
    let entries = desk.fold(<[Entry]>::to_vec);
    let Some(found) = residue::check(&desk.run, &entries, &desk.world).await else {
        return Left::default();
    };
    let stuck = u32::try_from(found.left.len()).unwrap_or(u32::MAX);
    let written = residue::facts(found).into_iter().try_for_each(|it| desk.write(it));
    Left { stuck, unwritten: u32::from(written.is_err()) }
}

/// What must stay true was true while faults stood, and is true again afterwards.
async fn verify(script: &Script, desk: &Desk) -> Result<(), Halt> {
    if script.hypotheses.is_empty() && script.loads.is_empty() {
        return Ok(());
    }
    course::begun(desk, "verify")?;
    let from = desk.world.clock.now_us();
    let deadline = Instant::now() + script.settle.duration();
    let after = |it: &Hypothesis| it.when.contains(&When::After);
    loop {
        pause(desk, patience(script)).await?;
        desk.rows()?;
        let mut settled = true;
        desk.with_observer(|observer| {
            for (n, it) in script.hypotheses.iter().enumerate().filter(|it| after(it.1)) {
                let looks = observer.looks(n);
                let fresh: Vec<_> = looks.into_iter().filter(|it| it.0 >= from).collect();
                settled &= it.settled(&fresh);
            }
            // Questions that were asked while faults stood may have their answers still to come.
            for n in 0..script.hypotheses.len() {
                settled &= observer.open(n).all(|sent| sent >= from);
            }
        });
        settled &= script.loads.iter().all(|it| load::settled(it, desk, from));
        if settled || Instant::now() > deadline {
            break;
        }
    }
    let windows = desk.fold(fault_windows);
    script.loads.iter().try_for_each(|it| load::judge(it, desk, (&windows, from)))?;
    for (n, it) in script.hypotheses.iter().enumerate() {
        if it.when.contains(&When::During) {
            judge(desk, (n, it), When::During, |look| looked_during(it, look, &windows))?;
        }
        if after(it) {
            judge_after(desk, (n, it), from)?;
        }
    }
    Ok(desk.write(Fact::PhaseEnded { phase: "verify".to_owned() })?)
}

/// Afterwards is when it holds again; looks before that belong to the recovery.
fn judge_after(desk: &Desk, (n, it): (usize, &Hypothesis), from: u64) -> Result<(), HostError> {
    let mut looks = answered(desk, n);
    looks.retain(|it| it.0 >= from);
    let good = looks.iter().rposition(|it| it.2 != Verdict::Pass).map_or(0, |it| it + 1);
    let first_good = looks.get(good).map_or(from, |it| it.0);
    let from = if it.settled(&looks) { first_good } else { from };
    judge(desk, (n, it), When::After, |it| it.0 >= from).map(drop)
}
