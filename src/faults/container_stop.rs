//! Stops a container, and starts it again.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    container::{Container, Named},
    journal::entry::UndoClass,
    world::World,
};

/// Stops `container`, by name or id, of the Docker that listens at `socket`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct ContainerStop(Named);

impl Action for ContainerStop {
    const ABOUT: &'static About = &About {
        name: "container_stop",
        summary: "stops a container of Docker's, and starts it again",
        needs: &[Need::Docker],
        example: "container: ledger\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Container;

    async fn plan(&self, world: &World) -> Result<Plan<Container>, Refusal> {
        self.0.plan(("stop", "start"), world).await
    }

    async fn apply(&self, container: &Container, world: &World) -> Result<(), Failure> {
        container.tell("stop", world).await
    }

    async fn effect(container: &Container, world: &World) -> Result<Effect, Failure> {
        let is = container.state(world).await?.is_some_and(|it| !it.running);
        let what = container.short();
        Ok(if is {
            Effect::Seen(format!("{what} does not run"))
        } else {
            Effect::NotSeen(format!("{what} still runs"))
        })
    }

    async fn undo(container: &Container, world: &World) -> Result<(), Failure> {
        container.back("start", |it| it.running, world).await
    }
}
