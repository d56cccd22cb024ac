//! Cuts the network between this machine and others, as a broken switch or a wrong firewall rule
//! does.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    traffic::{HeldTable, Traffic},
    world::{World, net::Harm},
};

/// Lets nothing through that fits `traffic`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkPartition {
    traffic: Traffic,
    #[serde(default)]
    how: How,
}

/// What the two sides notice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    /// Nothing: whoever waits, waits until it gives up.
    #[default]
    Drop,
    /// At once, that it is not wanted.
    Reject,
}

impl Action for NetworkPartition {
    const ABOUT: &'static About = &About {
        name: "network_partition",
        summary: "lets no packet through that fits: drops them silently, or rejects them aloud",
        needs: &[Need::Network],
        example: "traffic: { address: 10.0.0.0/24, direction: both }\nhow: drop\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = HeldTable;

    async fn plan(&self, world: &World) -> Result<Plan<HeldTable>, Refusal> {
        let (word, harm) = match self.how {
            How::Drop => ("drop", Harm::Lose(10_000)),
            How::Reject => ("reject", Harm::Refuse),
        };
        let undo = HeldTable::plan(&self.traffic, harm, world)?;
        Ok(Plan {
            will: format!("{word} every packet {}{}", self.traffic, undo.note()),
            by_hand: undo.by_hand(),
            undo,
        })
    }

    async fn apply(&self, it: &HeldTable, world: &World) -> Result<(), Failure> {
        it.stand(Self::ABOUT.name, &(), world).await
    }

    async fn effect(it: &HeldTable, world: &World) -> Result<Effect, Failure> {
        it.effect("packets did not get through", world).await
    }

    async fn undo(it: &HeldTable, world: &World) -> Result<(), Failure> {
        it.end(world).await
    }
}
