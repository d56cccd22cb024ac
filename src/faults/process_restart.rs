//! Ends processes and sees them come back: by a command, or by whatever watches over them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal, quoted},
    journal::entry::UndoClass,
    target::{ProcessTarget, Targets, may_signal, named},
    units::Span,
    world::{
        World,
        host::{Process, ProcessId, Signal},
    },
};

/// Ends the processes that fit `target`, and runs `start`; without it, their supervisor is waited
/// for. `start` must return when it has started them, and leave them running. It must do nothing
/// where they run already, as `systemctl start` does: whoever goes back may run it again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessRestart {
    target: Targets,
    #[serde(default)]
    start: Option<Vec<String>>,
    #[serde(default = "ten")]
    timeout: Span,
}

fn ten() -> Span {
    Span::millis(10_000)
}

/// How long a killed process may take to go: looks, and the time between two.
const GOES: (u32, Duration) = (400, Duration::from_millis(5));

/// Who was ended, and what starts them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Restarted {
    target: ProcessTarget,
    killed: Vec<ProcessId>,
    start: Option<Vec<String>>,
    timeout: Span,
}

impl Action for ProcessRestart {
    const ABOUT: &'static About = &About {
        name: "process_restart",
        summary: "ends processes, and starts them again or waits for their supervisor to",
        needs: &[Need::Kill],
        example: "target: { name: postgres, max_targets: 4 }\nstart: [systemctl, start, postgres]\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Restarted;

    async fn plan(&self, world: &World) -> Result<Plan<Restarted>, Refusal> {
        let found = self.target.choose(world)?;
        may_signal(&found, world)?;
        let who = named(&found);
        let (will, by_hand) = match &self.start {
            Some(start) if start.is_empty() => {
                return Err(Refusal::NotReady("`start` names no program".to_owned()));
            }
            Some(start) => {
                let line: Vec<String> = start.iter().map(|it| quoted(it)).collect();
                (format!("kill {who}, and run {}", line.join(" ")), line.join(" "))
            }
            None => (
                format!("kill {who}, and wait for what watches over them"),
                format!("start {} again, as its service does", self.target.target),
            ),
        };
        let killed = found.into_iter().map(|it| it.id).collect();
        let (target, start, timeout) =
            (self.target.target.clone(), self.start.clone(), self.timeout);
        let undo = Restarted { target, killed, start, timeout };
        Ok(Plan { will, by_hand: vec![by_hand], undo })
    }

    async fn apply(&self, undo: &Restarted, world: &World) -> Result<(), Failure> {
        for who in &undo.killed {
            world.host.signal(who, Signal::Kill)?;
        }
        for who in &undo.killed {
            let mut looks = 0;
            while world.host.process(who)?.is_some() {
                if looks == GOES.0 {
                    return Err(Failure::Wrong(format!("process {} does not die", who.pid)));
                }
                looks += 1;
                tokio::time::sleep(GOES.1).await;
            }
        }
        undo.start(world).await
    }

    async fn effect(undo: &Restarted, world: &World) -> Result<Effect, Failure> {
        for _ in 0..undo.timeout.duration().as_millis().div_ceil(20) {
            let back = undo.standing(world)?;
            if back.len() >= undo.killed.len() {
                return Ok(Effect::Seen(format!("{} came back", named(&back))));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Effect::NotSeen(format!("nobody came back as {}", undo.target)))
    }

    async fn undo(undo: &Restarted, world: &World) -> Result<(), Failure> {
        undo.start(world).await
    }
}

impl Restarted {
    /// Those that fit, in so far as they live.
    fn standing(&self, world: &World) -> Result<Vec<Process>, Failure> {
        Ok(self.target.look(&*world.host)?)
    }

    /// Starts them if fewer stand than there were.
    async fn start(&self, world: &World) -> Result<(), Failure> {
        let Some(start) = &self.start else { return Ok(()) };
        if self.standing(world)?.len() >= self.killed.len() {
            return Ok(());
        }
        let done = world.host.command(start.clone(), self.timeout.duration()).await?;
        if done.code == Some(0) {
            return Ok(());
        }
        let (line, said) = (start.join(" "), done.said.trim());
        Err(Failure::Wrong(format!("`{line}` ended with {:?}, and said: {said}", done.code)))
    }
}
