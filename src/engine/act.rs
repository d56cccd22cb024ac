//! Forward: plan, write down, apply, and look whether it acts.

use std::time::Duration;

use crate::{
    action::{ActionKind, AnyAction, Effect, Failure, Plan, Refusal},
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
}

/// Plans, writes down, applies, looks. `write` returns when the fact would survive a power cut.
pub async fn act(
    doing: &Doing<'_>,
    world: &World,
    write: &mut impl FnMut(Fact) -> Result<(), HostError>,
) -> Result<(), Stopped> {
    let Doing { number: act, name, kind, action, on_vanish } = doing;
    let named = || (*name).to_owned();
    let plan = action.plan(world).await;
    let Plan { undo, will, by_hand } =
        plan.map_err(|why| Stopped::Refused { name: named(), why })?;
    write(Fact::Intent(Box::new(Intent {
        act: *act,
        kind: kind.about.name.to_owned(),
        family: kind.family,
        name: named(),
        will,
        undo: undo.clone(),
        by_hand,
        class: kind.class,
        on_vanish: *on_vanish,
    })))?;
    let from_us = world.clock.now_us();
    if let Err(why) = action.apply(&undo, world).await {
        write(Fact::Failed { act: *act, why: why.to_string() })?;
        return Err(Stopped::Failed { name: named(), why });
    }
    let to_us = world.clock.now_us();
    write(Fact::Applied { act: *act, from_us, to_us })?;
    let (seen, how) = match tokio::time::timeout(EFFECT_MAX, action.effect(&undo, world)).await {
        Ok(Ok(Effect::Seen(how))) => (Verdict::Pass, how),
        Ok(Ok(Effect::NotSeen(how))) => (Verdict::Fail, how),
        Ok(Err(why)) => (Verdict::Inconclusive, why.to_string()),
        Err(_) => (Verdict::Inconclusive, "looking took too long".to_owned()),
    };
    write(Fact::Effect { act: *act, seen, how })?;
    Ok(())
}
