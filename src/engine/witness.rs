//! The witness: writes numbered records through the disaster, each once, on a fixed schedule and
//! lines of its own, and afterwards asks for every one of them.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Duration, MissedTickBehavior},
};

use crate::{
    engine::rows::{Cue, Row, Rows},
    journal::entry::{Peek, Write},
    ledger::{OpenLedger, Side, Terms},
    script::lines::Witness,
    world::World,
};

/// Writes that are under way at once; a service that hangs has as many of ours as fit the deadline.
const FLIGHT_MAX: usize = 512;
/// A standby is asked how far it is with every fifth write.
const PEEK_EVERY: u32 = 5;

/// Waits for its cues, writes, and reads back.
pub(super) async fn witness(
    it: Witness,
    (run, first, prepared): (String, u64, bool),
    (world, rows): (World, Rows),
    mut cue: watch::Receiver<Cue>,
) {
    if cue.wait_for(|it| *it != Cue::Wait).await.is_err() {
        return;
    }
    let terms = Terms { run, every: it.every.duration(), deadline: it.deadline.duration() };
    let ledger = it.ledger.open(terms.clone(), &world);
    // One that goes on had prepared before, and the service may be down just now.
    let ready = if prepared { Ok(()) } else { ledger.prepare().await };
    let failed = ready.is_err();
    rows.put(Row::Ready(ready));
    if !failed {
        let peeks = async {
            if it.ledger.has_standby() {
                peeks(&*ledger, terms.every * PEEK_EVERY, &world, &rows).await;
            }
            std::future::pending::<()>().await;
        };
        let written = tokio::select! {
            written = writes((&*ledger, first), &terms, (&world, &rows), &mut cue) => written,
            () = peeks => None,
        };
        let Some(written) = written else { return };
        let sides = it.ledger.sides();
        let others = sides.iter().map(|it| Side::Other(it));
        for side in [Side::Recovered].into_iter().chain(others) {
            read(&*ledger, side, written, &rows).await;
        }
        rows.put(Row::ReadAll);
    }
    // Ending would be as good, but then the thread's other tasks would seem to have ended, too.
    std::future::pending::<()>().await;
}

/// Writes until it is told to read back, and says how many it wrote; none if nobody listens.
async fn writes(
    (ledger, first): (&dyn OpenLedger, u64),
    terms: &Terms,
    (world, rows): (&World, &Rows),
    cue: &mut watch::Receiver<Cue>,
) -> Option<u64> {
    let mut tick = tokio::time::interval(terms.every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut flight = FuturesUnordered::new();
    let mut next = first;
    loop {
        let over = *cue.borrow() == Cue::ReadBack;
        if over && flight.is_empty() {
            return Some(next);
        }
        tokio::select! {
            _ = tick.tick(), if !over && flight.len() < FLIGHT_MAX => {
                let record = terms.record(next);
                next += 1;
                flight.push(async move {
                    let (seq, sent) = (record.seq, world.clock.now_us());
                    let outcome = ledger.write(record).await;
                    Write(seq, sent, world.clock.now_us().saturating_sub(sent), outcome)
                });
            }
            Some(done) = flight.next() => rows.put(Row::Write(done)),
            told = cue.changed(), if !over => {
                if told.is_err() {
                    return None;
                }
            }
        }
    }
}

/// Asks the standby how far it is, one question at a time.
async fn peeks(ledger: &dyn OpenLedger, every: Duration, world: &World, rows: &Rows) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let sent = world.clock.now_us();
        // A standby that cannot be asked says nothing of the lag.
        if let Ok(newest) = ledger.newest().await {
            let took = world.clock.now_us().saturating_sub(sent);
            rows.put(Row::Peek(Peek(sent, took, newest)));
        }
    }
}

/// Reads everything back, no faster than it is written down.
async fn read(ledger: &dyn OpenLedger, side: Side<'_>, records: u64, rows: &Rows) {
    let name = match side {
        Side::Recovered => "",
        Side::Other(name) => name,
    };
    let mut found = ledger.read(side, records);
    while let Some(it) = found.next().await {
        rows.wait(Row::Read(name.into(), it)).await;
    }
}
