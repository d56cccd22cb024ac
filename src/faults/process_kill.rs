//! Ends processes. What brings them back is the target's business, and what a drill looks at.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    target::{Targets, may_signal, named},
    world::{
        World,
        host::{ProcessId, Sent, Signal},
    },
};

/// A process that was asked to end may take its time, and this is what it gets.
const ENDS_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Sends `signal` to the processes that fit `target`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessKill {
    target: Targets,
    #[serde(default)]
    signal: Ending,
}

/// Signals that end a process.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Ending {
    #[default]
    Kill,
    Term,
    Int,
}

/// Those that were ended. There is no way back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Killed(Vec<ProcessId>);

impl Action for ProcessKill {
    const ABOUT: &'static About = &About {
        name: "process_kill",
        summary: "ends processes with KILL, TERM or INT",
        needs: &[Need::Kill],
        example: "target: { name: postgres, max_targets: 4 }\nsignal: KILL\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    const CONFIRMS: bool = true;
    type Undo = Killed;

    async fn plan(&self, world: &World) -> Result<Plan<Killed>, Refusal> {
        let found = self.target.choose(world)?;
        may_signal(&found, world)?;
        Ok(Plan {
            will: format!("send {} to {}", self.signal.signal().word(), named(&found)),
            by_hand: vec![format!("start {} again, as its service does", self.target.target)],
            undo: Killed(found.into_iter().map(|it| it.id).collect()),
        })
    }

    async fn apply(&self, killed: &Killed, world: &World) -> Result<(), Failure> {
        let (mut hit, mut missed) = (false, Vec::new());
        for who in &killed.0 {
            match world.host.signal(who, self.signal.signal())? {
                Sent::Delivered => hit = true,
                // The end of one may be the end of others, such as a server's workers.
                Sent::Gone if hit => {}
                Sent::Gone => missed.push(who.pid.to_string()),
            }
        }
        if missed.is_empty() {
            return Ok(());
        }
        let missed = missed.join(", ");
        Err(Failure::Wrong(format!("{missed} had ended before our signal came, and not by us")))
    }

    async fn effect(killed: &Killed, world: &World) -> Result<Effect, Failure> {
        for who in &killed.0 {
            let gone = async {
                while world.host.process(who)?.is_some() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Ok::<_, Failure>(())
            };
            match tokio::time::timeout(ENDS_MAX, gone).await {
                Ok(looked) => looked?,
                Err(_) => return Ok(Effect::NotSeen(format!("{} still runs", who.pid))),
            }
        }
        Ok(Effect::Seen(format!("{} of {} ended", killed.0.len(), killed.0.len())))
    }

    async fn undo(_: &Killed, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}

impl Ending {
    fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::Kill,
            Self::Term => Signal::Term,
            Self::Int => Signal::Int,
        }
    }
}
