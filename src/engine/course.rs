//! Playing the phases: step by step, and after a resumption without repeating what was done.

use futures_util::{
    FutureExt as _,
    future::{LocalBoxFuture, try_join_all},
};
use tokio::time::Instant;

use crate::{
    engine::{
        desk::Desk,
        load::At,
        play::{Halt, play_item},
    },
    journal::{
        course::Course,
        entry::{Entry, Fact},
    },
    script::{
        course::{Branch, OnFail, Step, inside},
        lines::{Act, Item, Script, WitnessCue},
    },
};

/// Plays all phases.
pub(super) async fn phases(script: &Script, desk: &Desk) -> Result<(), Halt> {
    let reads = script.steps().filter(|it| matches!(it.item, Item::Witness(WitnessCue::ReadBack)));
    desk.past.has_read_back.set(reads.into_iter().any(|it| desk.past.is_done(&it.id)));
    for (n, phase) in script.phases.iter().enumerate() {
        let is_begun = || {
            let so_far = u32::try_from(n + 1).unwrap_or(u32::MAX);
            desk.with_observer(|it| it.reach(At::Method(so_far)));
        };
        if !phase.items.is_empty() && phase.items.iter().all(|it| desk.past.is_done(&it.id)) {
            is_begun();
            for it in &phase.items {
                again(it, desk).await?;
            }
            ended(desk, &phase.name)?;
            continue;
        }
        begun(desk, &phase.name)?;
        // Nothing that comes with it is earlier than it.
        is_begun();
        for it in &phase.items {
            step(it, desk).await?;
        }
        desk.write(Fact::PhaseEnded { phase: phase.name.clone() })?;
    }
    Ok(())
}

/// A phase begins, unless it is the one that a resumed run was in.
pub(super) fn begun(desk: &Desk, phase: &str) -> Result<(), Halt> {
    if desk.fold(open_phase).as_deref() == Some(phase) {
        return Ok(());
    }
    Ok(desk.write(Fact::PhaseBegan { phase: phase.to_owned() })?)
}

/// A phase that was done before ends, if nobody came to write it down.
fn ended(desk: &Desk, phase: &str) -> Result<(), Halt> {
    if desk.fold(open_phase).as_deref() != Some(phase) {
        return Ok(());
    }
    Ok(desk.write(Fact::PhaseEnded { phase: phase.to_owned() })?)
}

/// The phase that began last and has not ended.
fn open_phase(entries: &[Entry]) -> Option<String> {
    let mut open = None;
    for it in entries {
        match &it.fact {
            Fact::PhaseBegan { phase } => open = Some(phase.clone()),
            Fact::PhaseEnded { phase } if open.as_ref() == Some(phase) => open = None,
            _ => {}
        }
    }
    open
}

fn step<'a>(it: &'a Step, desk: &'a Desk) -> LocalBoxFuture<'a, Result<(), Halt>> {
    async move {
        if desk.past.is_done(&it.id) {
            return again(it, desk).await;
        }
        let number = matches!(it.item, Item::Act(_)).then(|| desk.next_act());
        if it.id.is_empty() {
            return play_item(it, number, desk).await;
        }
        desk.write(Fact::Course(Course::Began { step: it.id.clone(), act: number }))?;
        match play_item(it, number, desk).await {
            Ok(()) => Ok(desk.write(Fact::Course(Course::Ended { step: it.id.clone() }))?),
            Err(Halt::Refused(why) | Halt::Aborted(why))
                if it.on_fail == OnFail::GoOn && desk.stop.said().is_none() =>
            {
                Ok(desk.write(Fact::Course(Course::Passed { step: it.id.clone(), why }))?)
            }
            Err(why) => Err(why),
        }
    }
    .boxed_local()
}

/// Plays stretches of steps side by side; if one stops, so do the others.
pub(super) async fn side_by_side(all: &[Branch], desk: &Desk) -> Result<(), Halt> {
    let each = all.iter().map(|branch| async move {
        for it in &branch.steps {
            step(it, desk).await?;
        }
        Ok(())
    });
    try_join_all(each).await.map(drop)
}

/// What a step that was done before a resumption still asks for: the witness goes on to write, and
/// nothing follows before it can; what stands for a while is put back when that is over.
async fn again(it: &Step, desk: &Desk) -> Result<(), Halt> {
    for it in inside(it) {
        once_more(it, desk).await?;
    }
    Ok(())
}

async fn once_more(it: &Step, desk: &Desk) -> Result<(), Halt> {
    match &it.item {
        // A witness that has read back before has nothing more to do.
        Item::Witness(WitnessCue::Start) if !desk.past.has_read_back.get() => {
            return play_item(it, None, desk).await;
        }
        Item::Act(act) => rearm(&it.id, act, desk),
        Item::Together(_)
        | Item::Pause(_)
        | Item::Wait(_)
        | Item::Declare(_)
        | Item::Ask(_)
        | Item::Witness(_)
        | Item::Branches(_)
        | Item::Dwell(_) => {}
    }
    Ok(())
}

fn rearm(step: &str, act: &Act, desk: &Desk) {
    let Some((number, since_us)) = desk.past.stands(step) else { return };
    let Some(length) = act.length else { return };
    let stood = desk.world.clock.now_us().saturating_sub(since_us);
    let left = length.micros().saturating_sub(stood);
    desk.undo_after(number, Instant::now() + std::time::Duration::from_micros(left));
}
