//! Stops processes without killing them, as a long pause of the garbage collector or a hung disk
//! would.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    target::{Targets, named},
    world::{
        World,
        host::{ProcessId, Signal},
    },
};

/// Pauses the processes that fit `target`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessPause {
    target: Targets,
}

/// Those that we paused.
#[derive(Serialize, Deserialize)]
pub(crate) struct Paused(Vec<ProcessId>);

impl Action for ProcessPause {
    const ABOUT: &'static About = &About {
        name: "process_pause",
        summary: "stops processes without killing them (SIGSTOP), and lets them go on (SIGCONT)",
        needs: &[Need::Kill],
        example: "target: { name: postgres, max_targets: 4 }\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Paused;

    async fn plan(&self, world: &World) -> Result<Plan<Paused>, Refusal> {
        let mut found = self.target.choose(world)?;
        // Those that somebody else paused stay paused: they are not ours to wake.
        found.retain(|it| !it.stopped);
        if found.is_empty() {
            return Err(Refusal::NotReady(format!(
                "every {} is paused already",
                self.target.target
            )));
        }
        Ok(Plan {
            will: format!("pause {}", named(&found)),
            by_hand: found.iter().map(|it| format!("kill -CONT {}", it.id.pid)).collect(),
            undo: Paused(found.into_iter().map(|it| it.id).collect()),
        })
    }

    async fn apply(&self, paused: &Paused, world: &World) -> Result<(), Failure> {
        for who in &paused.0 {
            world.host.signal(who, Signal::Stop)?;
        }
        Ok(())
    }

    async fn effect(paused: &Paused, world: &World) -> Result<Effect, Failure> {
        for who in &paused.0 {
            // The signal is delivered at once, and takes hold when the process is next scheduled.
            let mut looks = 0;
            loop {
                match world.host.process(who)? {
                    Some(it) if it.stopped => break,
                    Some(_) if looks < 50 => looks += 1,
                    Some(_) => return Ok(Effect::NotSeen(format!("{} still runs", who.pid))),
                    None => return Ok(Effect::NotSeen(format!("{} has ended", who.pid))),
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
        Ok(Effect::Seen(format!("{} of {} stopped", paused.0.len(), paused.0.len())))
    }

    async fn undo(paused: &Paused, world: &World) -> Result<(), Failure> {
        for who in &paused.0 {
            world.host.signal(who, Signal::Cont)?;
        }
        Ok(())
    }
}
