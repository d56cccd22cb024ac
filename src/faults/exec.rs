//! Runs a command that does harm, and another one that takes it back: for all that has no kind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal, quoted},
    journal::entry::UndoClass,
    units::Span,
    world::{World, secrets::assignment},
};

/// Runs `run`; later `undo`, which must be right after all, a part or nothing of `run`, and twice.
/// `verify`, if it is written, must end with 0 while the fault stands. No shell is
/// between; words `NAME=VALUE` before the program go into its environment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exec {
    run: Words,
    undo: Words,
    #[serde(default)]
    verify: Option<Words>,
    #[serde(default = "ten")]
    timeout: Span,
}

/// A program and its arguments.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
struct Words(Vec<String>);

impl TryFrom<Vec<String>> for Words {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        match words.first() {
            Some(it) if !it.trim().is_empty() => Ok(Self(words)),
            Some(_) | None => Err("no program is named: write `[program, argument]`".to_owned()),
        }
    }
}

fn ten() -> Span {
    Span::millis(10_000)
}

/// The way back, and how to see that it is not needed yet.
#[derive(Serialize, Deserialize)]
pub(crate) struct Executed {
    undo: Words,
    verify: Option<Words>,
    timeout: Span,
}

impl Action for Exec {
    const ABOUT: &'static About = &About {
        name: "exec",
        summary: "runs a command that does harm, and `undo`, a command that takes it back",
        needs: &[],
        example: "run: [systemctl, stop, postgres]\nundo: [systemctl, start, postgres]\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Executed;

    async fn plan(&self, _: &World) -> Result<Plan<Executed>, Refusal> {
        let line = |it: &Words| {
            let known = it.0.first().is_some_and(|it| assignment(it).is_some());
            let words = it.0.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(" ");
            if known { format!("env {words}") } else { words }
        };
        Ok(Plan {
            will: format!("run {}", line(&self.run)),
            by_hand: vec![line(&self.undo)],
            undo: Executed {
                undo: self.undo.clone(),
                verify: self.verify.clone(),
                timeout: self.timeout,
            },
        })
    }

    async fn apply(&self, _: &Executed, world: &World) -> Result<(), Failure> {
        done(&self.run, self.timeout, world).await
    }

    async fn effect(executed: &Executed, world: &World) -> Result<Effect, Failure> {
        let Some(verify) = &executed.verify else {
            return Ok(Effect::Seen("it ended with 0; `verify` would say more".to_owned()));
        };
        let limit = executed.timeout.duration();
        let told = world.host.asked(verify.0.clone(), limit).await?;
        let said = told.said.trim().to_owned();
        Ok(if told.code == Some(0) { Effect::Seen(said) } else { Effect::NotSeen(said) })
    }

    async fn undo(executed: &Executed, world: &World) -> Result<(), Failure> {
        done(&executed.undo, executed.timeout, world).await
    }
}

/// Runs a command that must end with 0.
async fn done(words: &Words, timeout: Span, world: &World) -> Result<(), Failure> {
    let done = world.host.command(words.0.clone(), timeout.duration()).await?;
    if done.code == Some(0) {
        return Ok(());
    }
    let how = done.code.map_or("was ended by a signal".to_owned(), |it| format!("ended with {it}"));
    Err(Failure::Wrong(format!("`{}` {how}: {}", words.0.join(" "), done.said.trim())))
}
