//! Acts on the run's clock: one after the other, or together, each at its instant.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use crate::{
    engine::{
        act::{Doing, Stopped, look, prepare, strike},
        desk::Desk,
        play::Halt,
    },
    script::lines::Act,
    units::Span,
};

/// So long before its instant an act is planned and written down: enough for a busy disk, and
/// little enough that its targets are still those that there are.
const AHEAD: Duration = Duration::from_millis(250);

/// Plays one act; its `after` counts from now.
pub(super) async fn alone(it: &Act, number: u32, desk: &Desk) -> Result<(), Halt> {
    let due = it.after.map(|after| Instant::now() + after.duration());
    at(it, (number, due), desk).await
}

/// Plays acts side by side; each one's `after` counts from the same instant, by which all that are
/// due then have been written down.
pub(super) async fn together(all: &[Act], desk: &Desk) -> Result<(), Halt> {
    let start = Instant::now() + AHEAD;
    let each = all.iter().map(|it| {
        let due = start + it.after.map_or(Duration::ZERO, Span::duration);
        at(it, (desk.next_act(), Some(due)), desk)
    });
    try_join_all(each).await.map(drop)
}

async fn at(it: &Act, (number, due): (u32, Option<Instant>), desk: &Desk) -> Result<(), Halt> {
    let world = desk.world.marked(&desk.run, number);
    let write = &mut |fact| desk.write(fact);
    if let Some(due) = due {
        desk.appoint(due);
        heed(desk, tokio::time::sleep_until(due.checked_sub(AHEAD).unwrap_or(due))).await?;
    }
    let doing = Doing {
        number,
        name: &it.name,
        kind: it.kind,
        action: &*it.action,
        on_vanish: it.on_vanish,
        due_us: due.map(|due| desk.on_clock(due)),
    };
    let undo = heed(desk, prepare(&doing, &world, write)).await?.map_err(halt)?;
    if let Some(due) = due {
        heed(desk, tokio::time::sleep_until(due)).await?;
    }
    heed(desk, strike(&doing, &undo, &world, write)).await?.map_err(halt)?;
    let struck = Instant::now();
    heed(desk, look(&doing, &undo, &world, write)).await?.map_err(halt)?;
    let Some(length) = it.length.map(Span::duration) else { return Ok(()) };
    if !it.waits {
        desk.undo_after(number, struck + length);
        return Ok(());
    }
    heed(desk, tokio::time::sleep_until(struck + length)).await?;
    let left = desk.undo(|it| it.act == number).await;
    if left.clean() {
        Ok(())
    } else {
        Err(Halt::Aborted(format!("{} could not be undone", it.name)))
    }
}

async fn heed<T>(desk: &Desk, what: impl Future<Output = T>) -> Result<T, Halt> {
    desk.heed(what).await.map_err(Halt::Aborted)
}

fn halt(why: Stopped) -> Halt {
    match why {
        Stopped::Journal(why) => Halt::Journal(why),
        Stopped::Refused { .. } => Halt::Refused(why.to_string()),
        Stopped::Failed { .. } => Halt::Aborted(why.to_string()),
    }
}
