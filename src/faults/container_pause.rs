//! Pauses a container: all its processes at once, by Docker's own means.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    container::{Container, SOCKET},
    journal::entry::UndoClass,
    world::World,
};

/// Pauses `container`, by name or id, of the Docker that listens at `socket`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContainerPause {
    container: String,
    #[serde(default = "socket")]
    socket: String,
}

fn socket() -> String {
    SOCKET.to_owned()
}

impl Action for ContainerPause {
    const ABOUT: &'static About = &About {
        name: "container_pause",
        summary: "pauses all processes of a container of Docker's, and lets them go on",
        needs: &[Need::Docker],
        example: "container: ledger\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Container;

    async fn plan(&self, world: &World) -> Result<Plan<Container>, Refusal> {
        let (undo, state) = Container::find(&self.socket, &self.container, world).await?;
        if !state.running || state.paused {
            return Err(Refusal::NotReady(format!("{} does not run", self.container)));
        }
        Ok(Plan {
            will: format!("pause the container {} ({})", self.container, undo.short()),
            by_hand: vec![undo.by_hand("unpause")],
            undo,
        })
    }

    async fn apply(&self, container: &Container, world: &World) -> Result<(), Failure> {
        container.tell("pause", world).await
    }

    async fn effect(container: &Container, world: &World) -> Result<Effect, Failure> {
        let is = container.state(world).await?.is_some_and(|it| it.paused);
        let what = container.short();
        Ok(if is {
            Effect::Seen(format!("{what} is paused"))
        } else {
            Effect::NotSeen(format!("{what} is not paused"))
        })
    }

    async fn undo(container: &Container, world: &World) -> Result<(), Failure> {
        match container.state(world).await? {
            Some(it) if !it.paused => Ok(()),
            Some(_) => container.tell("unpause", world).await,
            // Whoever removed it has decided.
            None => Ok(()),
        }
    }
}
