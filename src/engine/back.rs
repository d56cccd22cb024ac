//! Back: whatever may stand is taken down, newest first. After success, failure, abort and signal,
//! by the runner, the guardian and `recover` alike.

use std::time::Duration;

use crate::{
    action::ActionKind,
    journal::{
        entry::{Fact, OnVanish, UndoClass},
        fold::Open,
    },
    world::{World, host::HostError},
};

/// How long one way back may take before a person is called.
const UNDO_MAX: Duration = Duration::from_secs(30);

/// What going back left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Acts that could not be undone.
    pub stuck: u32,
    /// Facts that could not be written down; the world is right, the journal does not say so.
    pub unwritten: u32,
}

impl Left {
    /// Nothing of ours stands in the world.
    pub fn clean(self) -> bool {
        self.stuck == 0
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let unwritten = self.unwritten + other.unwritten;
        Self { stuck: self.stuck + other.stuck, unwritten }
    }
}

/// Undoes `open` in its order. What stands on purpose is kept; what cannot be undone is written
/// down as stuck, and the rest still goes.
pub async fn back(
    open: Vec<Open>,
    (run, kinds): (&str, &[&'static ActionKind]),
    world: &World,
    write: &mut impl FnMut(Fact) -> Result<(), HostError>,
) -> Left {
    let mut left = Left::default();
    for it in open {
        // What cannot be undone is not said to have been: its recovery is the target's business.
        let fact = match (it.on_vanish, it.class) {
            (OnVanish::Keep, _) | (_, UndoClass::OneShot) => Fact::Kept { act: it.act },
            (OnVanish::Heal, UndoClass::Kernel | UndoClass::Guardian) => {
                undo(&it, (run, kinds), world).await
            }
        };
        left.stuck += u32::from(matches!(fact, Fact::Stuck { .. }));
        if let Err(why) = write(fact) {
            tracing::error!("act {} is dealt with, but the journal does not say so: {why}", it.act);
            left.unwritten += 1;
        }
    }
    left
}

async fn undo(it: &Open, (run, kinds): (&str, &[&'static ActionKind]), world: &World) -> Fact {
    let act = it.act;
    let Some(kind) = kinds.iter().find(|kind| kind.about.name == it.kind) else {
        return Fact::Stuck { act, why: format!("no action is called `{}`", it.kind) };
    };
    let world = world.marked(run, act);
    let from_us = world.clock.now_us();
    match tokio::time::timeout(UNDO_MAX, kind.undo(&it.undo, &world)).await {
        Ok(Ok(())) => Fact::Undone { act, from_us, to_us: world.clock.now_us() },
        Ok(Err(why)) => Fact::Stuck { act, why: why.to_string() },
        Err(_) => Fact::Stuck { act, why: format!("it took longer than {UNDO_MAX:?}") },
    }
}
