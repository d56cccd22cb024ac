//! A look at every process of the sandbox.

use std::{net::SocketAddr, path::Path, time::Duration};

use reqwest::Client;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    bank::{UpError, book, client},
    web,
};

/// How long a process may take to answer a look.
pub(super) const LOOK_MAX: Duration = Duration::from_millis(500);

/// Between two looks of [`caught_up`].
const CATCH_UP_EVERY: Duration = Duration::from_millis(20);

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

/// Waits until the core `name` has as many durable entries as the core `with`, which should be
/// fenced, or it runs away. Tells how many that are.
pub async fn caught_up(
    dir: &Path,
    (name, with): (&str, &str),
    at_most: Duration,
) -> Result<u64, UpError> {
    let book = book(dir)?;
    let client = client()?;
    let entries = async |name: &str| -> Option<u64> {
        let status = look(&client, book.address(name)?, "/status").await.ok()?;
        status.get("durable").and_then(Value::as_u64)
    };
    let deadline = Instant::now() + at_most;
    loop {
        let (has, wants) = (entries(name).await, entries(with).await);
        if let (Some(has), Some(wants)) = (has, wants)
            && has == wants
        {
            return Ok(has);
        }
        if Instant::now() > deadline {
            let count =
                |it: Option<u64>| it.map_or("an unknown number of".into(), |it| it.to_string());
            let why = format!("it has {} entries, and `{with}` {}", count(has), count(wants));
            let log = book.processes.get(name).map(|it| it.log.clone()).unwrap_or_default();
            return Err(UpError::NotReady { name: name.to_owned(), why, log });
        }
        sleep(CATCH_UP_EVERY).await;
    }
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
