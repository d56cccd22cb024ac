//! Runs a command: for all that has no step of its own yet, also on another machine (`ssh`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    units::Span,
    world::World,
};

/// Runs `run` without a shell, and expects it to end well within `timeout`. Words `NAME=VALUE`
/// before the program go into its environment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    run: Vec<String>,
    #[serde(default = "minute")]
    timeout: Span,
}

fn minute() -> Span {
    Span::millis(60_000)
}

/// There is no way back that we know.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ran {}

impl Action for Command {
    const ABOUT: &'static About = &About {
        name: "command",
        summary: "runs a command without a shell; it must end with 0",
        needs: &[],
        example: "run: [ssh, standby.example, systemctl, start, ledger]\ntimeout: 30s\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Ran;

    async fn plan(&self, _: &World) -> Result<Plan<Ran>, Refusal> {
        if self.run.is_empty() {
            return Err(Refusal::NotReady("`run` names no program".to_owned()));
        }
        Ok(Plan { undo: Ran {}, will: format!("run `{}`", self.run.join(" ")), by_hand: vec![] })
    }

    async fn apply(&self, _: &Ran, world: &World) -> Result<(), Failure> {
        let done = world.host.command(self.run.clone(), self.timeout.duration()).await?;
        if done.code == Some(0) {
            return Ok(());
        }
        let how =
            done.code.map_or("was ended by a signal".to_owned(), |it| format!("ended with {it}"));
        let said = done.said.trim();
        let said = if said.is_empty() { "nothing" } else { said };
        Err(Failure::Wrong(format!("`{}` {how}, and said: {said}", self.run.join(" "))))
    }

    async fn effect(_: &Ran, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("it ended with 0".to_owned()))
    }

    async fn undo(_: &Ran, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}
