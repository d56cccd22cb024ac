//! Tells people or programs of what happens: over HTTP, by a command, or in a file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    steps::http::seconds,
    units::Span,
    world::{
        World, clock,
        web::{Ask, Method},
    },
};

/// Hands `say` over in one of three ways. In it `{run}`, `{time}` and `{host}` stand for the run's
/// id, the time of day (RFC 3339, UTC) and the machine's name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notify {
    /// How it goes.
    by: Way,
    /// What is said.
    say: String,
    #[serde(default = "seconds")]
    timeout: Span,
}

/// One of three ways.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Way {
    /// As the body of a request.
    Http {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// As the last argument of a command.
    Command(Vec<String>),
    /// As the text of a file, which is replaced.
    File(String),
}

/// What was said cannot be unsaid.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {}

impl Action for Notify {
    const ABOUT: &'static About = &About {
        name: "notify",
        summary: "tells people or programs, over HTTP, by a command or in a file",
        needs: &[],
        example: "by: { http: { url: 'https://chat.example/hook', headers: { Content-Type: \
                  application/json } } }\nsay: '{\"text\": \"drill {run}: the standby serves since \
                  {time}\"}'\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Told;

    async fn plan(&self, _: &World) -> Result<Plan<Told>, Refusal> {
        let how = match &self.by {
            Way::Http { url, .. } => format!("by POST {url}"),
            Way::Command(all) if all.is_empty() => {
                return Err(Refusal::NotReady("`command` names no program".to_owned()));
            }
            Way::Command(all) => format!("by `{}`", all.join(" ")),
            Way::File(path) => format!("in {path}"),
        };
        Ok(Plan { undo: Told {}, will: format!("tell {how}"), by_hand: vec![] })
    }

    async fn apply(&self, _: &Told, world: &World) -> Result<(), Failure> {
        let said = filled(&self.say, world);
        let timeout = self.timeout.duration();
        match &self.by {
            Way::Http { url, headers } => {
                let (method, url, headers) = (Method::Post, url.clone(), headers.clone());
                let ask = Ask { method, url: url.clone(), headers, body: Some(said), timeout };
                let answer = world.web.ask(ask).await?;
                if (200..300).contains(&answer.status) {
                    return Ok(());
                }
                Err(Failure::Wrong(format!("{url} answered {}", answer.status)))
            }
            Way::Command(all) => {
                let words = all.iter().cloned().chain([said]).collect();
                let done = world.host.command(words, timeout).await?;
                if done.code == Some(0) {
                    return Ok(());
                }
                let (name, said) = (all.join(" "), done.said.trim().to_owned());
                Err(Failure::Wrong(format!("`{name}` did not end with 0, and said: {said}")))
            }
            Way::File(path) => Ok(world.host.write_alone(path, said.as_bytes())?),
        }
    }

    async fn effect(_: &Told, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("it was taken".to_owned()))
    }

    async fn undo(_: &Told, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}

fn filled(text: &str, world: &World) -> String {
    let run = world.mark.split('/').next().unwrap_or_default();
    let time = clock::rfc3339(world.clock.stamp().wall_us);
    let host = crate::world::linux::facts::hostname();
    text.replace("{run}", run).replace("{time}", &time).replace("{host}", &host)
}
