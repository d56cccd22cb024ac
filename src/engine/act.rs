//! Forward: plan, write down, apply, and look whether it acts.

use std::time::Duration;

use serde_json::Value;

use crate::{
    action::{ActionKind, AnyAction, Effect, Failure, Plan, Refusal},
    engine::residue,
    journal::entry::{Fact, Intent, OnVanish},
    verdict::Verdict,
    world::{World, host::HostError},
};

/// How long a look whether an act acts may take.
const EFFECT_MAX: Duration = Duration::from_secs(8);

/// Why an act does not stand.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Nothing was begun.
    #[error("{name} was refused: {why}")]
    Refused {
        /// The act.
        name: String,
        /// Why.
        why: Refusal,
    },
    /// It was begun, and is outstanding.
    #[error("{name} failed: {why}")]
    Failed {
        /// The act.
        name: String,
        /// Why.
        why: Failure,
    },
    /// It could not be written down, so nothing more is begun.
    #[error("the journal could not be written: {0}")]
    Journal(#[from] HostError),
}

/// One act, and how it is called.
pub struct Doing<'a> {
    /// Its number in the run.
    pub number: u32,
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: &'static ActionKind,
    /// Its settings.
    pub action: &'a dyn AnyAction,
    /// What becomes of it if we vanish.
    pub on_vanish: OnVanish,
    /// When it is to be done, by the journal's clock; none if as soon as it is written down.
    pub due_us: Option<u64>,
}

/// Plans, writes down, applies, looks. `write` returns when the fact would survive a power cut.
pub async fn act(
    doing: &Doing<'_>,
    world: &World,
    write: &mut impl FnMut(Fact) -> Result<(), HostError>,
) -> Result<(), Stopped> {
    let undo = prepare(doing, world, write).await?;
    strike(doing, &undo, world, write).await?;
    look(doing, &undo, world, write).await
}

/// Plans, and writes down how to go back. Nothing is touched; what was written counts as
/// outstanding from here on.
pub async fn prepare(
    doing: &Doing<'_>,
    world: &World,
    write: &mut impl FnMut(Fact) -> Result<(), HostError>,
) -> Result<Value, Stopped> {
    let Doing { number: act, name, kind, action, on_vanish, due_us } = doing;
    let plan = action.plan(world).await;
    let Plan { undo, will, by_hand } =
        plan.map_err(|why| Stopped::Refused { name: (*name).to_owned(), why })?;
    let traces = action.traces(&undo).map(|it| residue::watch(it, world));
    write(Fact::Intent(Box::new(Intent {
        act: *act,
        kind: kind.about.name.to_owned(),
        family: kind.family,
        name: (*name).to_owned(),
        will,
        undo: undo.clone(),
        by_hand,
        class: kind.class,
        on_vanish: *on_vanish,
        due_us: *due_us,
        traces,
    })))?;
    Ok(undo)
}

/// Applies what was prepared.
pub async fn strike(
    doing: &Doing<'_>,
    undo: &Value,
    world: &World,
    write: &mut impl FnMut(Fact) -> Result<(), HostError>,
) -> Result<(), Stopped> {
    let Doing { number, name, action, .. } = doing;
    let act = *number;
    let from_us = world.clock.now_us();
    let performed = action.perform(undo, world).await;
    let to_us = world.clock.now_us();
    // Others may be due at the same instant, and a sync would make them late.
    tokio::task::yield_now().await;
    match performed {
        Ok(None) => Ok(write(Fact::Applied { act, from_us, to_us })?),
        Ok(Some(showing)) => {
            write(Fact::Applied { act, from_us, to_us })?;
            Ok(write(Fact::Showed { act, showing: Box::new(showing) })?)
        }
        Err(why) => {
            if let Failure::Unmet(showing) = &why {
                write(Fact::Showed { act, showing: showing.clone() })?;
            }
            write(Fact::Failed { act, why: why.to_string() })?;
            Err(Stopped::Failed { name: (*name).to_owned(), why })
        }
    }
}

/// Looks whether it acts, and writes down what was seen.
pub async fn look(
    doing: &Doing<'_>,
    undo: &Value,
    world: &World,
    write: &mut impl FnMut(Fact) -> Result<(), HostError>,
) -> Result<(), Stopped> {
    if doing.kind.looks {
        return Ok(());
    }
    let looked = tokio::time::timeout(EFFECT_MAX, doing.action.effect(undo, world)).await;
    let (seen, how) = match looked {
        Ok(Ok(Effect::Seen(how))) => (Verdict::Pass, how),
        Ok(Ok(Effect::NotSeen(how))) => (Verdict::Fail, how),
        Ok(Err(why)) => (Verdict::Inconclusive, why.to_string()),
        Err(_) => (Verdict::Inconclusive, "looking took too long".to_owned()),
    };
    Ok(write(Fact::Effect { act: doing.number, seen, how })?)
}
