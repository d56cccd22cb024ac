//! Stops a service of systemd's, and starts it again.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal, quoted},
    journal::entry::UndoClass,
    world::{World, host::HostError},
};

/// Stops `unit`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceStop {
    unit: String,
}

/// The unit, which ran.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stopped {
    unit: String,
}

/// systemd gives a unit 90 seconds to stop; our way back may not take so long.
const LIMIT: Duration = Duration::from_secs(25);

impl Action for ServiceStop {
    const ABOUT: &'static About = &About {
        name: "service_stop",
        summary: "stops a unit of systemd's, and starts it again",
        needs: &[Need::Systemd],
        example: "unit: postgres\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Stopped;

    async fn plan(&self, world: &World) -> Result<Plan<Stopped>, Refusal> {
        let first = world.host.read("/proc/1/comm")?.unwrap_or_default();
        let first = String::from_utf8_lossy(&first);
        if first.trim() != "systemd" {
            return Err(Refusal::NotReady(format!(
                "process 1 is `{}`, not systemd, so there are no units to stop: \
                 use process_kill or process_restart",
                first.trim()
            )));
        }
        if !is_active(&self.unit, world).await? {
            return Err(Refusal::NotReady(format!("the unit {} does not run", self.unit)));
        }
        Ok(Plan {
            will: format!("stop the unit {}", self.unit),
            by_hand: vec![format!("systemctl start {}", quoted(&self.unit))],
            undo: Stopped { unit: self.unit.clone() },
        })
    }

    async fn apply(&self, stopped: &Stopped, world: &World) -> Result<(), Failure> {
        tell("stop", &stopped.unit, world).await
    }

    async fn effect(stopped: &Stopped, world: &World) -> Result<Effect, Failure> {
        let unit = &stopped.unit;
        Ok(if is_active(unit, world).await? {
            Effect::NotSeen(format!("{unit} runs"))
        } else {
            Effect::Seen(format!("{unit} does not run"))
        })
    }

    async fn undo(stopped: &Stopped, world: &World) -> Result<(), Failure> {
        if is_active(&stopped.unit, world).await? {
            return Ok(());
        }
        tell("start", &stopped.unit, world).await
    }
}

async fn is_active(unit: &str, world: &World) -> Result<bool, HostError> {
    let argv = ["systemctl", "is-active", unit].map(str::to_owned).to_vec();
    let told = world.host.asked(argv, LIMIT).await?;
    Ok(told.said.trim() == "active")
}

async fn tell(verb: &str, unit: &str, world: &World) -> Result<(), Failure> {
    let argv = ["systemctl", verb, unit].map(str::to_owned).to_vec();
    let done = world.host.command(argv, LIMIT).await?;
    if done.code == Some(0) {
        return Ok(());
    }
    Err(Failure::Wrong(format!("`systemctl {verb} {unit}` said: {}", done.said.trim())))
}
