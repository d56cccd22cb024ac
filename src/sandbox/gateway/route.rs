//! To which core the gateway sends payments. It survives a restart.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Gateway;
use crate::sandbox::{
    book::{Book, replace},
    web::{self, Problem, cause},
};

/// How long the core may take over a look.
pub(super) const CORE_MAX: Duration = Duration::from_secs(1);
/// How long it may take when its health is asked.
pub(super) const HEALTH_MAX: Duration = Duration::from_millis(300);

/// Where payments go.
#[derive(Debug)]
pub(super) struct Route {
    file: PathBuf,
    to: Mutex<Target>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Target {
    core: SocketAddr,
    /// Its name in the address book, to find it again when it had to move.
    name: Option<String>,
}

/// What the world sets and sees.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Routed {
    core: SocketAddr,
}

impl Route {
    /// The route as it was left, else to `core-a`.
    pub(super) fn open(home: &Path, book: &Book) -> io::Result<Self> {
        let file = home.join("route.json");
        let mut to = match fs::read(&file) {
            Ok(text) => serde_json::from_slice::<Target>(&text).map_err(|why| {
                let said = format!("{} is no route: {why}", file.display());
                io::Error::new(io::ErrorKind::InvalidData, said)
            })?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                let core = book.address("core-a").ok_or_else(|| {
                    io::Error::other("the gateway needs a core: start core-a before it")
                })?;
                Target { core, name: Some("core-a".to_owned()) }
            }
            Err(why) => return Err(why),
        };
        to.core = to.name.as_deref().and_then(|it| book.address(it)).unwrap_or(to.core);
        Ok(Self { file, to: Mutex::new(to) })
    }

    /// Where payments go now.
    pub(super) fn core(&self) -> SocketAddr {
        self.to.lock().expect("no holder panics").core
    }

    /// Looks where the core is now, after it could not be reached.
    pub(super) fn find_again(&self, gateway: &Gateway) {
        gateway.peers.refresh();
        let mut to = self.to.lock().expect("no holder panics");
        let moved = to.name.as_deref().and_then(|it| gateway.peers.address(it));
        to.core = moved.unwrap_or(to.core);
    }

    /// Asks the routed core for something.
    pub(super) async fn get(
        &self,
        gateway: &Gateway,
        path: &str,
        within: Duration,
    ) -> Result<reqwest::Response, Problem> {
        let url = format!("http://{}{path}", self.core());
        match timeout(within, gateway.client.get(url).send()).await {
            Ok(Ok(response)) => {
                if response.status() == StatusCode::MISDIRECTED_REQUEST {
                    self.find_again(gateway);
                }
                Ok(response)
            }
            Ok(Err(why)) => {
                if why.is_connect() {
                    self.find_again(gateway);
                }
                Err(Problem::unavailable(format!("core: {}", cause(&why))))
            }
            Err(_) => Err(Problem::unavailable("core: no answer in time")),
        }
    }
}

pub(super) async fn show(State(gateway): super::This) -> Json<Routed> {
    Json(Routed { core: gateway.route.core() })
}

pub(super) async fn change(
    State(gateway): super::This,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Routed>, Problem> {
    let Routed { core } = web::read(body)?;
    if !core.ip().is_loopback() {
        return Err(Problem::unprocessable("the sandbox does not leave loopback"));
    }
    gateway.peers.refresh();
    let target = Target { core, name: gateway.peers.name_of(core) };
    let text = serde_json::to_vec(&target).expect("a route has only text keys");
    let mut to = gateway.route.to.lock().expect("no holder panics");
    replace(&gateway.route.file, &text)
        .map_err(|why| Problem::unavailable(format!("could not keep the route: {why}")))?;
    *to = target;
    drop(to);
    tracing::info!(%core, "routes payments");
    Ok(Json(Routed { core }))
}
