//! Containers of Docker's, by its own interface on its own socket.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    action::{Failure, Plan, Refusal},
    world::{
        World,
        web::{Answer, Ask, Method, WebError},
    },
};

/// Where Docker listens unless it was told otherwise.
const SOCKET: &str = "/var/run/docker.sock";
/// Docker waits ten seconds before it kills; our way back may take thirty.
const LIMIT: Duration = Duration::from_secs(25);

/// A container as a user names it: by name or id, and the socket of its Docker.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Named {
    container: String,
    #[serde(default = "socket")]
    socket: String,
}

fn socket() -> String {
    SOCKET.to_owned()
}

/// One container: the socket of its Docker, and its whole id, which no later one bears.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Container {
    socket: String,
    id: String,
}

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// It runs; a paused one does, too.
    pub running: bool,
    /// It is paused.
    pub paused: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    state: State,
}

impl Named {
    /// Plans to `verb` it, and to `back` it afterwards. It must run, as nobody disturbs it.
    pub async fn plan(
        &self,
        (verb, back): (&str, &str),
        world: &World,
    ) -> Result<Plan<Container>, Refusal> {
        let (undo, state) = Container::find(&self.socket, &self.container, world).await?;
        if !state.running || state.paused {
            return Err(Refusal::NotReady(format!("{} does not run", self.container)));
        }
        Ok(Plan {
            will: format!("{verb} the container {} ({})", self.container, undo.short()),
            by_hand: vec![undo.by_hand(back)],
            undo,
        })
    }
}

impl Container {
    /// The one that `name` names, and how it is.
    async fn find(socket: &str, name: &str, world: &World) -> Result<(Self, State), Refusal> {
        if cfg!(not(feature = "docker")) {
            let why = "this program was built without its feature `docker`: \
                       build it with `--features docker`";
            return Err(Refusal::NotReady(why.to_owned()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Refusal::NotReady(format!("`{name}` is no container's name or id")));
        }
        let named = Self { socket: socket.to_owned(), id: name.to_owned() };
        let no = |why: String| {
            Refusal::NotReady(format!("Docker at {socket} does not tell of {name}: {why}"))
        };
        let answer = named.ask(Method::Get, "json", world).await;
        let answer = answer.map_err(|why| no(why.to_string()))?;
        if answer.status != 200 {
            return Err(no(said(&answer)));
        }
        let it: Inspected =
            serde_json::from_slice(&answer.body).map_err(|why| no(why.to_string()))?;
        Ok((Self { id: it.id, ..named }, it.state))
    }

    /// How it is; none if it is gone.
    pub async fn state(&self, world: &World) -> Result<Option<State>, Failure> {
        let answer = self.ask(Method::Get, "json", world).await?;
        match answer.status {
            200 => Ok(Some(serde_json::from_slice::<Inspected>(&answer.body)?.state)),
            404 => Ok(None),
            _ => Err(Failure::Wrong(format!("Docker said: {}", said(&answer)))),
        }
    }

    /// Tells Docker to `start`, `stop`, `pause` or `unpause` it. That it is so already is no error.
    pub async fn tell(&self, verb: &str, world: &World) -> Result<(), Failure> {
        let answer = self.ask(Method::Post, verb, world).await?;
        match answer.status {
            204 | 304 => Ok(()),
            _ => Err(Failure::Wrong(format!("Docker would not {verb}: {}", said(&answer)))),
        }
    }

    /// Tells Docker to `verb` it, unless it `is` so again. Whoever removed it has decided.
    pub async fn back(
        &self,
        verb: &str,
        is: impl Fn(State) -> bool + Send,
        world: &World,
    ) -> Result<(), Failure> {
        match self.state(world).await? {
            Some(it) if !is(it) => self.tell(verb, world).await,
            Some(_) | None => Ok(()),
        }
    }

    /// How a person does it.
    fn by_hand(&self, verb: &str) -> String {
        format!("docker -H unix://{} {verb} {}", self.socket, self.id)
    }

    /// Its id, as people write it.
    pub fn short(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    async fn ask(&self, method: Method, verb: &str, world: &World) -> Result<Answer, WebError> {
        let url = format!("unix:{}:/containers/{}/{verb}", self.socket, self.id);
        world.web.ask(Ask { method, url, headers: [].into(), body: None, timeout: LIMIT }).await
    }
}

/// Docker's own words.
fn said(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    format!("{} {}", answer.status, text.trim())
}
