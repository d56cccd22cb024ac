//! The witness: writes numbered records through the disaster, each once, on a fixed schedule and a
//! connection of its own, and afterwards asks for every one of them.

use futures_util::{StreamExt as _, stream, stream::FuturesUnordered};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::{
    engine::rows::{Cue, Row, Rows},
    journal::entry::{Found, Outcome, ReadBack, Write},
    script::lines::Witness,
    world::{World, web::WebError},
};

/// Writes that are under way at once; a service that hangs has as many of ours as fit the deadline.
const FLIGHT_MAX: usize = 512;
/// Reads that are under way at once.
const READS_AT_ONCE: usize = 16;
/// How often a record is asked for before it counts as unreadable.
const READ_TRIES: u32 = 3;

/// Waits for its cues, writes, and reads back.
pub(super) async fn witness(
    it: Witness,
    (run, (past, first)): (String, (u64, u64)),
    (world, rows): (World, Rows),
    mut cue: watch::Receiver<Cue>,
) {
    if cue.wait_for(|it| *it != Cue::Wait).await.is_err() {
        return;
    }
    let mut tick = tokio::time::interval(it.every.duration());
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut flight = FuturesUnordered::new();
    let mut next = first;
    loop {
        let over = *cue.borrow() == Cue::ReadBack;
        if over && flight.is_empty() {
            break;
        }
        tokio::select! {
            _ = tick.tick(), if !over && flight.len() < FLIGHT_MAX => {
                flight.push(write(&it, &run, next, &world));
                next += 1;
            }
            Some(done) = flight.next() => rows.put(Row::Write(done)),
            told = cue.changed(), if !over => {
                if told.is_err() {
                    return;
                }
            }
        }
    }
    // Before a resumption others were written; some between the two nobody wrote down.
    let all = (0..past).chain(first..next);
    let reads = stream::iter(all).map(|seq| read(&it, &run, seq, &world));
    let mut reads = reads.buffer_unordered(READS_AT_ONCE);
    while let Some(done) = reads.next().await {
        rows.put(Row::Read(done));
    }
    rows.put(Row::ReadAll);
    // Ending would be as good, but then the thread's other tasks would seem to have ended, too.
    std::future::pending::<()>().await;
}

/// The name of a record.
fn id(run: &str, seq: u64) -> String {
    format!("{run}-{seq}")
}

async fn write(it: &Witness, run: &str, seq: u64, world: &World) -> Write {
    let ask = it.write.ask(&id(run, seq), seq, it.deadline.duration());
    let sent = world.clock.now_us();
    let answer = world.web.ask(ask).await;
    let took = world.clock.now_us().saturating_sub(sent);
    let outcome = match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Outcome::Acked,
        // A gateway that lost its backend does not know either.
        Ok(answer) if matches!(answer.status, 500 | 502 | 504) => Outcome::Unknown,
        Ok(_) | Err(WebError::NotConnected(_) | WebError::NotARequest(_)) => Outcome::Refused,
        Err(WebError::NoAnswer(_)) => Outcome::Unknown,
    };
    Write(seq, sent, took, outcome)
}

async fn read(it: &Witness, run: &str, seq: u64, world: &World) -> ReadBack {
    let id = id(run, seq);
    let contains = it.read_contains.replace("{id}", &id).replace("{seq}", &seq.to_string());
    let timeout = it.deadline.duration() * 4;
    let mut tries = 0;
    let found = loop {
        tries += 1;
        match world.web.ask(it.read.ask(&id, seq, timeout)).await {
            Ok(answer) if answer.status == 404 => break Found::Absent,
            Ok(answer) if (200..300).contains(&answer.status) => {
                let body = String::from_utf8_lossy(&answer.body);
                break if body.contains(&contains) { Found::Same } else { Found::Altered };
            }
            Ok(_) | Err(_) if tries == READ_TRIES => break Found::Blind,
            Ok(_) | Err(_) => tokio::time::sleep(it.every.duration()).await,
        }
    };
    ReadBack(seq, found)
}
