//! Pauses a container: all its processes at once, by Docker's own means.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    container::{Container, Named},
    journal::entry::UndoClass,
    world::World,
};

/// Pauses `container`, by name or id, of the Docker that listens at `socket`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct ContainerPause(Named);

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
        self.0.plan(("pause", "unpause"), world).await
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
        container.back("unpause", |it| !it.paused, world).await
    }
}
