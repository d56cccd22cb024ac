//! Asks a service to do something.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    units::Span,
    world::{
        World,
        web::{Ask, Method},
    },
};

/// Sends `body` to `url`, and expects an answer from 200 to 299.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    url: String,
    #[serde(default = "post")]
    method: Method,
    #[serde(default)]
    body: Option<String>,
    #[serde(default = "seconds")]
    timeout: Span,
}

fn post() -> Method {
    Method::Post
}

pub(super) fn seconds() -> Span {
    Span::millis(5_000)
}

/// There is no way back that we know.
#[derive(Serialize, Deserialize)]
pub(crate) struct Asked {}

impl Action for Http {
    const ABOUT: &'static About = &About {
        name: "http",
        summary: "asks a service to do something; it must answer with 200 to 299",
        needs: &[],
        example: "url: http://127.0.0.1:8080/rejoin\nmethod: POST\nbody: '{\"epoch\": 2}'\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Asked;

    async fn plan(&self, _: &World) -> Result<Plan<Asked>, Refusal> {
        let will = format!("{} {}", self.method.word(), self.url);
        Ok(Plan { undo: Asked {}, will, by_hand: vec![] })
    }

    async fn apply(&self, _: &Asked, world: &World) -> Result<(), Failure> {
        send(self.method, &self.url, self.body.clone(), self.timeout, world).await.map(drop)
    }

    async fn effect(_: &Asked, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("the service said that it was done".to_owned()))
    }

    async fn undo(_: &Asked, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}

/// Asks, and takes only an answer from 200 to 299; tells the body.
pub(super) async fn send(
    method: Method,
    url: &str,
    body: Option<String>,
    timeout: Span,
    world: &World,
) -> Result<String, Failure> {
    let json = ("content-type".to_owned(), "application/json".to_owned());
    let headers: BTreeMap<_, _> = body.iter().map(|_| json.clone()).collect();
    let timeout = timeout.duration();
    let ask = Ask { method, url: url.to_owned(), headers, body, timeout };
    let answer = world.web.ask(ask).await?;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    if (200..300).contains(&answer.status) {
        return Ok(said);
    }
    let said = said.chars().take(200).collect::<String>();
    Err(Failure::Wrong(format!(
        "{} {url} was answered with {}: {said}",
        method.word(),
        answer.status
    )))
}
