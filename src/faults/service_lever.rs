//! Has a service misbehave by a lever of its own, as test doubles and stand-ins of third parties
//! have them: GET tells how it behaves, PUT changes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal, quoted},
    journal::entry::UndoClass,
    units::Span,
    world::{
        World,
        web::{Ask, Method},
    },
};

/// Puts `set` to `url`. The fields that it changes are read before, and put back afterwards.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceLever {
    url: String,
    /// A JSON object.
    set: String,
    #[serde(default = "seconds")]
    timeout: Span,
}

fn seconds() -> Span {
    Span::millis(5_000)
}

/// Where the lever is, how we put it, and how it was.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pulled {
    url: String,
    ours: Map<String, Value>,
    was: Map<String, Value>,
    timeout: Span,
}

impl Action for ServiceLever {
    const ABOUT: &'static About = &About {
        name: "service_lever",
        summary: "has a service misbehave by its own lever: GET tells how it is, PUT changes it",
        needs: &[],
        example: "url: http://127.0.0.1:9002/behaviour\nset: '{\"role\": \"sluggard\"}'\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Pulled;

    async fn plan(&self, world: &World) -> Result<Plan<Pulled>, Refusal> {
        let not_ready = |why: String| Refusal::NotReady(format!("{}: {why}", self.url));
        let ours: Map<String, Value> = serde_json::from_str(&self.set)
            .map_err(|why| Refusal::NotReady(format!("`set` is no JSON object: {why}")))?;
        let now = state(&self.url, self.timeout, world).await;
        let now = now.map_err(|why| not_ready(why.to_string()))?;
        let was = only(&now, &ours);
        if let Some(strange) = ours.keys().find(|it| !was.contains_key(*it)) {
            return Err(not_ready(format!("it has no `{strange}` that could be put back")));
        }
        if was == ours {
            return Err(not_ready("it is so already, and not ours to put back".to_owned()));
        }
        let (url, timeout) = (self.url.clone(), self.timeout);
        Ok(Plan {
            will: format!("put {} to {url}, which has {}", text(&ours), text(&was)),
            by_hand: vec![format!(
                "curl -X PUT -H 'content-type: application/json' -d {} {}",
                quoted(&text(&was)),
                quoted(&url)
            )],
            undo: Pulled { url, ours, was, timeout },
        })
    }

    async fn apply(&self, it: &Pulled, world: &World) -> Result<(), Failure> {
        put(it, &it.ours, world).await
    }

    async fn effect(it: &Pulled, world: &World) -> Result<Effect, Failure> {
        let now = only(&state(&it.url, it.timeout, world).await?, &it.ours);
        Ok(if now == it.ours {
            Effect::Seen(format!("it says that it has {}", text(&now)))
        } else {
            Effect::NotSeen(format!("it says that it has {}", text(&now)))
        })
    }

    async fn undo(it: &Pulled, world: &World) -> Result<(), Failure> {
        let now = only(&state(&it.url, it.timeout, world).await?, &it.ours);
        if now == it.was {
            return Ok(());
        }
        // What somebody set after us is a decision, and not ours to take back.
        if now != it.ours {
            let (url, now, ours) = (&it.url, text(&now), text(&it.ours));
            return Err(Failure::Wrong(format!("{url} now has {now}, which is not our {ours}")));
        }
        put(it, &it.was, world).await
    }
}

/// What of `all` has a name in `like`.
fn only(all: &Map<String, Value>, like: &Map<String, Value>) -> Map<String, Value> {
    let named = all.iter().filter(|it| like.contains_key(it.0));
    named.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn text(fields: &Map<String, Value>) -> String {
    serde_json::to_string(fields).expect("JSON has only text keys")
}

async fn state(url: &str, timeout: Span, world: &World) -> Result<Map<String, Value>, Failure> {
    let said = ask(Method::Get, url, (None, timeout), world).await?;
    serde_json::from_slice(&said)
        .map_err(|_| Failure::Wrong(format!("GET {url} is not answered with a JSON object")))
}

async fn put(it: &Pulled, fields: &Map<String, Value>, world: &World) -> Result<(), Failure> {
    ask(Method::Put, &it.url, (Some(text(fields)), it.timeout), world).await.map(drop)
}

/// Asks, and takes only an answer from 200 to 299.
async fn ask(
    method: Method,
    url: &str,
    (body, timeout): (Option<String>, Span),
    world: &World,
) -> Result<Vec<u8>, Failure> {
    let json = ("content-type".to_owned(), "application/json".to_owned());
    let headers = body.iter().map(|_| json.clone()).collect();
    let (url, timeout) = (url.to_owned(), timeout.duration());
    let answer = world.web.ask(Ask { method, url: url.clone(), headers, body, timeout }).await?;
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let said: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
    let (method, status) = (method.word(), answer.status);
    Err(Failure::Wrong(format!("{method} {url} was answered with {status}: {said}")))
}
