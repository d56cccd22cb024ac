//! Sends clients elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal, quoted},
    journal::entry::UndoClass,
    steps::http::{seconds, send},
    world::{
        World,
        web::{Ask, Method},
    },
};

/// Puts `to` at `url`. What stood there before is kept, and is the way back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    url: String,
    to: String,
}

/// Where, what it was, and what we made of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Routed {
    url: String,
    was: String,
    to: String,
}

impl Action for Route {
    const ABOUT: &'static About = &About {
        name: "route",
        summary: "sends clients elsewhere: GET tells the route that is, PUT makes another",
        needs: &[],
        example: "url: http://127.0.0.1:8080/route\nto: '{\"core\": \"127.0.0.1:9001\"}'\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    const CONFIRMS: bool = true;
    type Undo = Routed;

    async fn plan(&self, world: &World) -> Result<Plan<Routed>, Refusal> {
        let (url, timeout) = (self.url.clone(), seconds().duration());
        let ask = Ask { method: Method::Get, url, headers: [].into(), body: None, timeout };
        let was = match world.web.ask(ask).await {
            Ok(it) if it.status == 200 => String::from_utf8_lossy(&it.body).into_owned(),
            Ok(it) => {
                let (url, status) = (&self.url, it.status);
                return Err(Refusal::NotReady(format!("{url} tells no route: it says {status}")));
            }
            Err(why) => {
                return Err(Refusal::NotReady(format!("{} tells no route: {why}", self.url)));
            }
        };
        Ok(Plan {
            will: format!("route {} to {}", self.url, self.to),
            by_hand: vec![format!(
                "curl -X PUT -H 'content-type: application/json' -d {} {}",
                quoted(&was),
                quoted(&self.url)
            )],
            undo: Routed { url: self.url.clone(), was, to: self.to.clone() },
        })
    }

    async fn apply(&self, routed: &Routed, world: &World) -> Result<(), Failure> {
        send(Method::Put, &routed.url, Some(routed.to.clone()), seconds(), world).await.map(drop)
    }

    async fn effect(routed: &Routed, world: &World) -> Result<Effect, Failure> {
        let is = send(Method::Get, &routed.url, None, seconds(), world).await?;
        Ok(if same(&is, &routed.was) && !same(&routed.was, &routed.to) {
            Effect::NotSeen(format!("the route is still {is}"))
        } else {
            Effect::Seen(format!("the route is {is}"))
        })
    }

    async fn undo(routed: &Routed, world: &World) -> Result<(), Failure> {
        let is = send(Method::Get, &routed.url, None, seconds(), world).await?;
        if same(&is, &routed.was) {
            return Ok(());
        }
        // A route that somebody made after us is a decision, and not ours to take back.
        if !same(&is, &routed.to) {
            let (url, to) = (&routed.url, &routed.to);
            return Err(Failure::Wrong(format!("{url} is now {is}, which is not our {to}")));
        }
        send(Method::Put, &routed.url, Some(routed.was.clone()), seconds(), world).await.map(drop)
    }
}

/// The same JSON, whatever its spaces; or the same text.
fn same(one: &str, other: &str) -> bool {
    let json = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || json(one).is_some_and(|it| Some(it) == json(other))
}
