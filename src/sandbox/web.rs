//! What all processes of the sandbox share on the wire: serving, stopping, asking, complaining.

#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{future::IntoFuture, io, path::Path, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    serve::{Listener, ListenerExt as _},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

/// The largest body that any process reads, in bytes.
pub(super) const BODY_MAX: usize = 16 * 1024;
/// The header in which a process says to which sandbox it belongs. Ports are used again: without
/// it, a process could enter its payments with another sandbox that got a dead one's port.
pub(super) const MARK_HEADER: &str = "holdfast-sandbox";
const CONNECT_MAX: Duration = Duration::from_millis(250);
const LAST_REQUESTS_MAX: Duration = Duration::from_millis(1_800);

/// Told once, when the process shall stop.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A switch and what it switches.
    pub(super) fn new() -> (watch::Sender<bool>, Self) {
        let (switch, told) = watch::channel(false);
        (switch, Self(told))
    }

    /// Waits until the process shall stop.
    pub(super) async fn asked(mut self) {
        if self.0.wait_for(|it| *it).await.is_err() {
            tracing::debug!("the switch is gone, and with it the process");
        }
    }
}

/// Serves until told to stop, then finishes what has begun, in less than two seconds.
pub(super) async fn serve<L>(listener: L, app: Router, stop: Stop) -> io::Result<()>
where
    L: Listener<Io = tokio::net::TcpStream>,
    L::Addr: std::fmt::Debug,
{
    let listener = listener.tap_io(|io| {
        if let Err(why) = io.set_nodelay(true) {
            tracing::debug!(%why, "could not turn off Nagle's algorithm");
        }
    });
    let server = axum::serve(listener, app).with_graceful_shutdown(stop.clone().asked());
    until_stopped(server, stop).await
}

/// Bounds how long a server that was told to stop may take over its last requests.
pub(super) async fn until_stopped(
    server: impl IntoFuture<Output = io::Result<()>>,
    stop: Stop,
) -> io::Result<()> {
    let patience = async {
        stop.asked().await;
        tokio::time::sleep(LAST_REQUESTS_MAX).await;
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = patience => {
            tracing::warn!("some requests did not end in time and were cut off");
            Ok(())
        }
    }
}

/// The limit on bodies, as a layer.
pub(super) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_MAX)
}

/// An answer that says in a sentence why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// What kind of no.
    pub(super) status: StatusCode,
    /// Why.
    pub(super) said: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, said: impl Into<String>) -> Self {
        Self { status, said: said.into() }
    }

    pub(super) fn conflict(said: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, said)
    }

    pub(super) fn unprocessable(said: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, said)
    }

    pub(super) fn unavailable(said: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, said)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let again_later =
            matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
        let mut response = (self.status, Json(json!({ "error": self.said }))).into_response();
        if again_later {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Reads a JSON body, or says what is wrong with it.
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Problem> {
    let body = body.map_err(|why| match why.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {BODY_MAX} bytes"),
        ),
        other => Problem::new(other, why.body_text()),
    })?;
    serde_json::from_slice(&body).map_err(|why| {
        let status = match why.classify() {
            serde_json::error::Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, format!("the body is not what is expected here: {why}"))
    })
}

/// The mark of the sandbox in this folder.
pub(super) fn mark(dir: &Path) -> String {
    digest(dir.as_os_str().as_encoded_bytes())
}

/// Half a SHA-256, in hexadecimal: tells things apart, and is no secret.
pub(super) fn digest(of: &[u8]) -> String {
    let hash = Sha256::digest(of);
    let (half, _) = hash.split_at(16);
    half.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Whether a peer was not there, or was another sandbox's: then the address book knows more.
pub(super) fn is_elsewhere(why: &reqwest::Error) -> bool {
    why.is_connect() || why.status() == Some(StatusCode::MISDIRECTED_REQUEST)
}

/// A client for the peers of a process, which bears its sandbox's mark.
pub(super) fn client_of(dir: &Path) -> io::Result<reqwest::Client> {
    let value = HeaderValue::from_str(&mark(dir)).map_err(io::Error::other)?;
    build(HeaderMap::from_iter([(HeaderName::from_static(MARK_HEADER), value)]))
}

/// A client for plain HTTP on loopback: no proxy, no redirect, no certificate needed.
pub(super) fn client() -> io::Result<reqwest::Client> {
    build(HeaderMap::new())
}

fn build(headers: HeaderMap) -> io::Result<reqwest::Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .default_headers(headers)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_MAX)
        .pool_max_idle_per_host(512)
        .build()
        .map_err(io::Error::other)
}

/// What a failed request says down to its cause: reqwest hides it in the sources.
pub(super) fn cause(why: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = why;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if why.is_timeout() { "no answer in time".to_owned() } else { deepest.to_string() }
}
