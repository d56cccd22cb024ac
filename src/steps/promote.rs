//! Makes a standby the primary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    steps::http::{seconds, send},
    units::Span,
    world::{World, web::Method},
};

/// Sends `body` to `url`, and then looks whether `confirm` says that it is so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promote {
    url: String,
    #[serde(default)]
    body: Option<String>,
    confirm: Confirm,
    #[serde(default = "seconds")]
    timeout: Span,
}

/// What a promoted standby says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirm {
    url: String,
    contains: String,
}

/// A promotion has no undo: going back is a switch-over of its own, with its own steps.
#[derive(Serialize, Deserialize)]
pub(crate) struct Promoted {
    confirm: Confirm,
}

impl Action for Promote {
    const ABOUT: &'static About = &About {
        name: "promote",
        summary: "makes a standby the primary, and has it say so",
        needs: &[],
        example: "url: http://127.0.0.1:8080/promote\nbody: '{\"epoch\": 2}'\nconfirm: { url: \
                  'http://127.0.0.1:8080/status', contains: primary }\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    const CONFIRMS: bool = true;
    type Undo = Promoted;

    async fn plan(&self, _: &World) -> Result<Plan<Promoted>, Refusal> {
        let will = format!("promote by POST {}", self.url);
        Ok(Plan { undo: Promoted { confirm: self.confirm.clone() }, will, by_hand: vec![] })
    }

    async fn apply(&self, _: &Promoted, world: &World) -> Result<(), Failure> {
        send(Method::Post, &self.url, self.body.clone(), self.timeout, world).await.map(drop)
    }

    async fn effect(promoted: &Promoted, world: &World) -> Result<Effect, Failure> {
        let Confirm { url, contains } = &promoted.confirm;
        let said = send(Method::Get, url, None, seconds(), world).await?;
        Ok(if said.contains(contains) {
            Effect::Seen(format!("it says `{contains}`"))
        } else {
            Effect::NotSeen(format!("it does not say `{contains}`"))
        })
    }

    async fn undo(_: &Promoted, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}
