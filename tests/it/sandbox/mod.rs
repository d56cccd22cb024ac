//! The miniature bank, as real processes: what it promises, and what it does when it is hurt.
#![cfg(test)]
#![expect(
    clippy::disallowed_types,
    reason = "the wall around effects is for the house, not for those who inspect it"
)]

mod command_line;
mod failover;
mod payments;
mod screening;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use holdfast::sandbox::{
    bank::{self, Settings},
    book::{Book, Process},
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// The executable under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// A running bank, which is taken down whatever becomes of the test.
struct Bank {
    folder: TempDir,
    client: Client,
}

impl Drop for Bank {
    fn drop(&mut self) {
        // By the command line, since a test that panics cannot wait for a future.
        let down = Command::new(PROGRAM)
            .args(["sandbox", "down", "--purge", "--dir"])
            .arg(self.dir())
            .output()
            .unwrap();
        if !std::thread::panicking() {
            assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
        }
    }
}

/// A loopback address at which nobody hears datagrams yet.
fn free_for_datagrams() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Bank {
    /// The settings that tests start from.
    fn settings(folder: &TempDir) -> Settings {
        let program = PathBuf::from(PROGRAM);
        Settings { program, ..Settings::new(folder.path().join("bank")) }
    }

    /// A bank with other settings than the usual.
    async fn up_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Self::settings(&folder);
        change(&mut settings);
        // The guard stands before the bank does.
        let this = Self { folder, client: bank::client().unwrap() };
        bank::up(&settings).await.unwrap();
        this
    }

    /// A bank whose link takes no time.
    async fn up() -> Self {
        Self::up_with(|it| it.link_delay = Duration::ZERO).await
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("bank")
    }

    fn book(&self) -> Book {
        bank::book(&self.dir()).unwrap()
    }

    fn process(&self, name: &str) -> Process {
        self.book().processes.remove(name).unwrap()
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.process(name).address
    }

    async fn kill(&self, name: &str) {
        assert!(bank::stop(&self.dir(), name, true).await.unwrap());
    }

    async fn start(&self, name: &str) -> Process {
        bank::start_with(&self.dir(), name, Path::new(PROGRAM)).await.unwrap()
    }

    fn url(&self, name: &str, path: &str) -> String {
        format!("http://{}{path}", self.address(name))
    }

    async fn get(&self, name: &str, path: &str) -> (StatusCode, Value) {
        answer(self.client.get(self.url(name, path))).await
    }

    async fn post(&self, name: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.client.post(self.url(name, path)).json(body)).await
    }

    async fn put(&self, name: &str, path: &str, body: &Value) {
        let (status, said) = answer(self.client.put(self.url(name, path)).json(body)).await;
        assert_eq!(status, StatusCode::OK, "{said}");
    }

    async fn pay(&self, key: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.client.post(self.url("gateway", "/payments"));
        answer(request.header("idempotency-key", key).json(body)).await
    }

    /// The whole ledger of a core, as it says it.
    async fn log(&self, name: &str) -> String {
        let mut whole = String::new();
        loop {
            let from = whole.lines().count();
            let url = self.url(name, &format!("/log?from={from}"));
            let page = self.client.get(url).send().await.unwrap().text().await.unwrap();
            if page.is_empty() {
                return whole;
            }
            whole.push_str(&page);
        }
    }

    /// Waits until a core has so many durable entries.
    async fn until_durable(&self, name: &str, at_least: u64) {
        poll_until(async || {
            let (_, status) = self.get(name, "/status").await;
            status["durable"].as_u64() >= Some(at_least)
        })
        .await;
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.timeout(Duration::from_secs(10)).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Looks again and again, for ten seconds at most.
async fn poll_until(look: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !look().await {
        assert!(Instant::now() < deadline, "it did not come to pass within 10 s");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A payment as a client sends it to the gateway.
fn payment(amount_minor: u64) -> Value {
    json!({
        "debtor": "Ann Example",
        "creditor": "XX001",
        "creditor_name": "Grocer Example",
        "amount_minor": amount_minor,
        "currency": "EUR",
    })
}

/// An order as the gateway sends it to the core.
fn order(id: &str, amount_minor: u64) -> Value {
    let mut payment = payment(amount_minor);
    payment["value_date"] = json!("2026-11-23");
    json!({ "id": id, "payment": payment })
}
