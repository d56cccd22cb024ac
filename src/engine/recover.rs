//! Recovery: whatever a run left standing is taken down from its journal alone.

use std::{sync::Arc, time::Duration};

use crate::{
    engine::{
        back::{Left, back},
        index::Keeper,
        kit::Kit,
        residue,
        veil::veiled,
    },
    evidence::{fold as evidence, folder, seal},
    journal::{
        book::Journal,
        chain::{self, Broken},
        entry::{Anchor, Fact, OnVanish, Successor},
        fold::{self, Open},
        index::RunKind,
    },
    verdict::Verdict,
    world::{
        World,
        host::HostError,
        linux::{
            secrets,
            state::{JOURNAL, StateError, StateFolder},
            store::{FileStore, OpenError},
        },
        secrets::Secrets,
    },
};

/// How long recovery waits for a guardian that is at work.
const BUSY_MAX: Duration = Duration::from_secs(40);

/// What became of one run.
#[derive(Debug)]
pub enum Healed {
    /// It had ended already.
    Ended,
    /// Nothing had been begun.
    Nothing,
    /// Everything was taken down.
    Clean {
        /// So many acts were taken down.
        undone: usize,
    },
    /// It is a drill, and waits: everything that had to be was taken down, and what was done on
    /// purpose stands until somebody resumes or ends it.
    Suspended {
        /// So many acts were taken down.
        undone: usize,
    },
    /// Nothing stands, but it could not be sealed, as the rest of "could not": that is tried again.
    Unsealed(String),
    /// Something still stands; what a person must do, line by line.
    Stuck {
        /// By hand.
        by_hand: Vec<String>,
    },
    /// Its journal cannot be believed, so nothing was guessed.
    Broken(Broken),
    /// Its journal could not be opened or written.
    Unwritable(String),
    /// Its runner lives.
    Alive,
}

impl Healed {
    /// Nothing of that run stands in the world any more.
    pub fn clean(&self) -> bool {
        match self {
            Self::Ended
            | Self::Nothing
            | Self::Clean { .. }
            | Self::Suspended { .. }
            | Self::Unsealed(_) => true,
            Self::Stuck { .. } | Self::Broken(_) | Self::Unwritable(_) | Self::Alive => false,
        }
    }
}

/// What becomes of a drill whose runner is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It waits to be resumed.
    Wait,
    /// It ends, as scenarios always do.
    End,
}

/// Heals every run of the state folder that has not ended. The caller holds the folder's lock.
pub async fn recover(
    state: &StateFolder,
    world: &World,
    kit: &Kit,
) -> Result<Vec<(String, Healed)>, StateError> {
    let mut all = Vec::new();
    for run in state.open_runs()? {
        let healed = one(state, &run, Then::Wait, (world, kit)).await;
        all.push((run, healed));
    }
    Ok(all)
}

/// Heals one run; the caller holds the folder's lock.
pub async fn one(
    state: &StateFolder,
    run: &str,
    then: Then,
    (world, kit): (&World, &Kit),
) -> Healed {
    let path = state.run(run).join(JOURNAL);
    let deadline = tokio::time::Instant::now() + BUSY_MAX;
    loop {
        match FileStore::open(&path) {
            Ok(opened) => {
                let why = (Successor::Recover, "the run had not ended, and nobody was at it", then);
                return take_over((state, run), opened, why, (world, kit)).await;
            }
            Err(OpenError::Busy(_)) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(OpenError::Busy(_)) => return Healed::Alive,
            // The power went between the run's folder and its journal: nothing was touched.
            Err(OpenError::Host(_)) if !is_there(&path.display().to_string(), world) => {
                return close(state, run, Healed::Nothing);
            }
            Err(OpenError::Host(why)) => return Healed::Unwritable(why.to_string()),
        }
    }
}

fn is_there(path: &str, world: &World) -> bool {
    !matches!(world.host.read(path), Ok(None))
}

/// Takes over a run whose runner is gone: cuts a torn line off, goes back, and ends the run.
pub(super) async fn take_over(
    (state, run): (&StateFolder, &str),
    (mut store, bytes): (FileStore, Vec<u8>),
    (by, why, then): (Successor, &str, Then),
    (world, kit): (&World, &Kit),
) -> Healed {
    let lines = match chain::read(&bytes) {
        Ok(it) => it,
        Err(why) => return Healed::Broken(why),
    };
    let Some(began) = fold::began(&lines.entries) else {
        return close(state, run, Healed::Nothing);
    };
    // A drill that was ended has only lost its last word: there is nothing to resume.
    let waits =
        then == Then::Wait && began.kind == RunKind::Drill && !fold::aborted(&lines.entries);
    // The power may have gone between the journal's line and the index's.
    let mut keeper = Keeper::open(state, run, world.clock.stamp());
    for it in &lines.entries {
        keeper.note(it, || crate::evidence::figures::figures(&evidence::fold(&lines.entries)));
    }
    if fold::ended(&lines.entries) {
        return sealed_and_closed((state, run), (world, kit), Healed::Ended);
    }
    if lines.torn > 0
        && let Err(why) = store.cut(lines.whole)
    {
        return Healed::Unwritable(why.to_string());
    }
    if waits && lines.torn == 0 && fold::suspended(&lines.entries) {
        return Healed::Suspended { undone: 0 };
    }
    let mut open = fold::outstanding(&lines.entries);
    if waits {
        // What was done on purpose stands until somebody resumes or ends the run.
        open.retain(Open::goes_back);
    }
    // Undoing may need secrets: they are where they were, and the journal says where.
    let world = &world.clone().knowing(Arc::new(
        fold::began(&lines.entries).map_or_else(Secrets::default, |it| secrets::again(&it.secrets)),
    ));
    let undone = open.iter().filter(|it| it.goes_back()).count();
    let clock = std::sync::Arc::clone(&world.clock);
    let mut journal = Journal::take_over(Box::new(store), clock, lines);
    let mut write = |fact: Fact| put(veiled(fact, &world.secrets), (&mut journal, &mut keeper));
    // A disk that is full must not keep us from going back: the world comes first.
    let told = write(Fact::TakenOver { by, why: why.to_owned() })
        .and_then(|()| write(Fact::Anchor(Anchor::now(world))));
    let names = (run, kit.actions.as_slice());
    let Left { stuck, mut unwritten } = back(open, names, world, &mut write).await;
    if stuck > 0 {
        let mut still = fold::outstanding(journal.entries());
        still.retain(|it| it.on_vanish == OnVanish::Heal);
        return Healed::Stuck { by_hand: still.into_iter().flat_map(|it| it.by_hand).collect() };
    }
    // What a drill did on purpose stands until it ends, and is looked for then.
    if !waits && let Some(found) = residue::check(run, journal.entries(), world).await {
        let by_hand: Vec<String> = found.left.iter().flat_map(|it| it.by_hand.clone()).collect();
        let mut write = |fact| put(veiled(fact, &world.secrets), (&mut journal, &mut keeper));
        let all = residue::facts(found);
        unwritten += u32::from(all.into_iter().try_for_each(&mut write).is_err());
        if !by_hand.is_empty() {
            return Healed::Stuck { by_hand };
        }
    }
    if waits {
        return match told {
            Ok(()) if unwritten == 0 => Healed::Suspended { undone },
            Ok(()) => Healed::Unwritable("it could not be written down".to_owned()),
            Err(why) => Healed::Unwritable(why.to_string()),
        };
    }
    let ended = told.and_then(|()| end(&mut journal, &mut keeper, why));
    match ended {
        Ok(()) if unwritten == 0 => {
            sealed_and_closed((state, run), (world, kit), Healed::Clean { undone })
        }
        Ok(()) => Healed::Unwritable("it could not be written down".to_owned()),
        Err(why) => Healed::Unwritable(why.to_string()),
    }
}

/// Says the last word: at best inconclusive, because nobody saw the run through.
fn end(journal: &mut Journal, keeper: &mut Keeper, why: &str) -> Result<(), HostError> {
    let (verdict, mut reasons) = evidence::outcome(journal.entries());
    let verdict = verdict.max(Verdict::Inconclusive);
    if reasons.is_empty() {
        reasons.push(why.to_owned());
    }
    put(Fact::Ended { verdict, why: reasons }, (journal, keeper))
}

/// Writes a fact into the journal, and from there into the index.
fn put(fact: Fact, (journal, keeper): (&mut Journal, &mut Keeper)) -> Result<(), HostError> {
    journal.append(fact)?;
    let entries = journal.entries();
    if let Some(it) = entries.last() {
        keeper.note(it, || crate::evidence::figures::figures(&evidence::fold(entries)));
    }
    Ok(())
}

/// Writes the reports and the seal; a run that cannot be sealed is still a run that has healed.
/// Tells why it is not sealed, as the rest of "could not".
pub(super) fn seal(
    state: &StateFolder,
    run: &str,
    (world, kit): (&World, &Kit),
) -> Result<(), String> {
    let now_us = i64::try_from(world.clock.stamp().wall_us).unwrap_or(i64::MAX);
    let sealed = folder::key(state.root())
        .map_err(Into::into)
        .and_then(|key| seal::finish(&state.run(run), &key, kit.reports, now_us));
    sealed.map(drop).map_err(|why| why.to_string()).inspect_err(|why| {
        tracing::error!("run {run} is not sealed: could not {why}");
    })
}

fn sealed_and_closed(
    (state, run): (&StateFolder, &str),
    (world, kit): (&World, &Kit),
    healed: Healed,
) -> Healed {
    match seal(state, run, (world, kit)) {
        Ok(()) => close(state, run, healed),
        Err(why) => Healed::Unsealed(why),
    }
}

fn close(state: &StateFolder, run: &str, healed: Healed) -> Healed {
    match state.close(run) {
        Ok(()) => healed,
        Err(why) => Healed::Unwritable(why.to_string()),
    }
}
