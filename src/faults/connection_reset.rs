//! Resets connections that stand, as a firewall that lost its memory or a failing load balancer
//! does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    target::one,
    traffic::Traffic,
    world::{World, net::Connection},
};

/// Resets the TCP connections that fit `traffic`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionReset {
    traffic: Traffic,
    #[serde(default = "one")]
    max_targets: u32,
}

/// Those that were reset. There is no way back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reset(Vec<Connection>);

impl Action for ConnectionReset {
    const ABOUT: &'static About = &About {
        name: "connection_reset",
        summary: "resets TCP connections that stand; both sides are told that they are broken",
        needs: &[Need::Network],
        example: "traffic: { address: '10.0.0.7:5432' }\nmax_targets: 20\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Reset;

    async fn plan(&self, world: &World) -> Result<Plan<Reset>, Refusal> {
        let fits = self.traffic.connections(world)?;
        world.net.can_reset()?;
        let mut found = world.net.connections()?;
        found.retain(|it| fits.fit(it));
        if found.is_empty() {
            return Err(Refusal::NoTarget(format!("connections {}", self.traffic)));
        }
        if found.len() > usize::try_from(self.max_targets).unwrap_or(usize::MAX) {
            return Err(Refusal::NotReady(format!(
                "{} connections match {}, and `max_targets` allows {}",
                found.len(),
                self.traffic,
                self.max_targets
            )));
        }
        let shown: Vec<_> = found.iter().map(|it| format!("{} to {}", it.local, it.peer)).collect();
        Ok(Plan {
            will: format!("reset {}", shown.join(", ")),
            by_hand: vec!["connect again, as the client does".to_owned()],
            undo: Reset(found),
        })
    }

    async fn apply(&self, reset: &Reset, world: &World) -> Result<(), Failure> {
        for it in &reset.0 {
            world.net.reset(it)?;
        }
        Ok(())
    }

    async fn effect(reset: &Reset, world: &World) -> Result<Effect, Failure> {
        let stand = world.net.connections()?;
        let standing = reset.0.iter().filter(|it| stand.contains(it)).count();
        let all = reset.0.len();
        Ok(match standing {
            0 => Effect::Seen(format!("{all} of {all} were reset")),
            n => Effect::NotSeen(format!("{n} of {all} connections still stand")),
        })
    }

    async fn undo(_: &Reset, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}
