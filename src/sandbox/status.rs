//! A look at every process of the sandbox.

use std::{net::SocketAddr, path::Path, time::Duration};

use reqwest::Client;
use serde::Serialize;
use serde_json::Value;

use super::{
    bank::{UpError, book, client},
    web,
};

/// How long a process may take to answer a look.
pub(super) const LOOK_MAX: Duration = Duration::from_millis(500);

/// What `status` tells of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// `up`, `down` or `stopped`.
    pub state: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its number.
    pub pid: i32,
    /// A core's role.
    pub role: Option<String>,
    /// A core's epoch.
    pub epoch: Option<u64>,
    /// Why it is down, if it can say so.
    pub why: Option<String>,
}

/// Looks at every process of the book.
pub async fn status(dir: &Path) -> Result<Vec<Seen>, UpError> {
    let book = book(dir)?;
    let client = client()?;
    let mut seen = Vec::new();
    for (name, process) in book.processes {
        let mut it = Seen {
            name,
            state: "stopped",
            address: process.address,
            pid: process.pid,
            role: None,
            epoch: None,
            why: None,
        };
        if process.identity().alive() {
            it.why = look(&client, process.address, "/healthz").await.err();
            it.state = if it.why.is_none() { "up" } else { "down" };
            if let (true, Ok(status)) =
                (it.name.starts_with("core"), look(&client, process.address, "/status").await)
            {
                it.role = status.get("role").and_then(Value::as_str).map(str::to_owned);
                it.epoch = status.get("epoch").and_then(Value::as_u64);
            }
        } else if !process.stopped {
            it.state = "down";
            it.why = Some("its process has ended".to_owned());
        }
        seen.push(it);
    }
    Ok(seen)
}

/// Asks for something that must answer 200 with JSON; else why it did not.
pub(super) async fn look(
    client: &Client,
    address: SocketAddr,
    path: &str,
) -> Result<Value, String> {
    let asked = client.get(format!("http://{address}{path}")).timeout(LOOK_MAX).send().await;
    let response = asked.map_err(|why| web::cause(&why))?;
    let ok = response.status().is_success();
    let body: Value = response.json().await.map_err(|why| web::cause(&why))?;
    if ok {
        return Ok(body);
    }
    Err(body.get("error").and_then(Value::as_str).unwrap_or("it is unwell").to_owned())
}
