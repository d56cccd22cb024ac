//! Stops processes without killing them, as a long pause of the garbage collector or a hung disk
//! would.

use std::{convert::Infallible, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Held,
    journal::{census::Trace, entry::UndoClass},
    target::{Targets, may_signal, named},
    world::{
        World,
        host::{Process, ProcessId, Signal},
        linux::held::still,
    },
};

/// How often it is looked again when everybody stands still, and the time between two looks: what
/// another run has just let go may be seen to stand until the kernel is through with its tracer.
const STILL: (u32, Duration) = (25, Duration::from_millis(2));

/// Pauses the processes that fit `target`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessPause {
    target: Targets,
    #[serde(default)]
    by: By,
}

/// How they are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    /// By tracing where the kernel permits it, else by signals.
    #[default]
    Either,
    /// By tracing: the kernel lets them go when our child is gone.
    Trace,
    /// By STOP and CONT, which everybody sees who watches over them.
    Signal,
}

/// Those that we paused, and the child that holds them, if one does.
#[derive(Serialize, Deserialize)]
pub(crate) struct Paused {
    paused: Vec<ProcessId>,
    child: Option<Held>,
}

impl ProcessPause {
    /// Those that can be paused. Those that somebody else paused stay paused: they are not ours to
    /// wake.
    async fn running(&self, world: &World) -> Result<Vec<Process>, Refusal> {
        for looks in 0..=STILL.0 {
            if looks > 0 {
                tokio::time::sleep(STILL.1).await;
            }
            let mut found = self.target.choose(world)?;
            found.retain(|it| !it.stopped);
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(Refusal::NotReady(format!("every {} is paused already", self.target.target)))
    }

    /// Whether they are traced; why not, if that is not as it was asked for.
    fn traced(&self, found: &[Process], world: &World) -> Result<Result<(), String>, Refusal> {
        let may = || found.iter().try_for_each(|it| world.host.may_trace(&it.id));
        match (self.by, may()) {
            (By::Signal, _) => Ok(Err("as the file says".to_owned())),
            (By::Trace, Err(why)) => {
                Err(Refusal::NotReady(format!("{why}: {}", Need::Trace.remedy())))
            }
            (By::Either | By::Trace, may) => Ok(may),
        }
    }
}

impl Action for ProcessPause {
    const ABOUT: &'static About = &About {
        name: "process_pause",
        summary: "stops processes without killing them, by tracing or by STOP, and lets them go on",
        needs: &[Need::Kill],
        example: "target: { name: postgres, max_targets: 4 }\nby: signal\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Paused;

    async fn plan(&self, world: &World) -> Result<Plan<Paused>, Refusal> {
        let found = self.running(world).await?;
        let who = named(&found);
        let traced = self.traced(&found, world)?;
        if traced.is_err() {
            may_signal(&found, world)?;
        }
        let child = traced.is_ok().then(|| Held::of(world));
        let (will, by_hand) = match (&child, traced) {
            (Some(child), _) => {
                (format!("pause {who} by tracing; the kernel wakes them"), vec![child.by_hand()])
            }
            (None, why) => (
                format!(
                    "pause {who} by signals ({}); the guardian wakes them",
                    why.err().unwrap_or_default()
                ),
                found.iter().map(|it| format!("kill -CONT {}", it.id.pid)).collect(),
            ),
        };
        let paused = found.into_iter().map(|it| it.id).collect();
        Ok(Plan { will, by_hand, undo: Paused { paused, child } })
    }

    async fn apply(&self, undo: &Paused, world: &World) -> Result<(), Failure> {
        if let Some(child) = &undo.child {
            let args = still::words(undo.paused.iter());
            return child.stand(Self::ABOUT.name, &args, world).await;
        }
        for who in &undo.paused {
            world.host.signal(who, Signal::Stop)?;
        }
        Ok(())
    }

    async fn effect(undo: &Paused, world: &World) -> Result<Effect, Failure> {
        let all = undo.paused.len();
        for who in &undo.paused {
            // The signal is delivered at once, and takes hold when the process is next scheduled.
            let mut looks = 0;
            loop {
                match world.host.process(who)? {
                    Some(it) if it.stopped => break,
                    Some(_) if looks < 50 => looks += 1,
                    Some(_) => return Ok(Effect::NotSeen(format!("{} still runs", who.pid))),
                    None => return Ok(Effect::NotSeen(format!("{} has ended", who.pid))),
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Ok(Effect::Seen(format!("{all} of {all} stopped")))
    }

    fn traces(undo: &Paused) -> Option<Vec<Trace>> {
        Some(undo.paused.iter().cloned().map(Trace::Stopped).collect())
    }

    async fn undo(undo: &Paused, world: &World) -> Result<(), Failure> {
        if let Some(child) = &undo.child {
            return child.end(world).await;
        }
        for who in &undo.paused {
            world.host.signal(who, Signal::Cont)?;
        }
        Ok(())
    }
}

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    still::hold(&still::targets(args)?)
}
