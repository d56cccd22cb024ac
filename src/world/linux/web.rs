//! Requests over real sockets, by reqwest.

use std::{sync::OnceLock, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::{Client, ClientBuilder, redirect::Policy};

use crate::world::{
    host::HostError,
    web::{Answer, Ask, BODY_MAX, Method, Web, WebError},
};

/// Makes real requests: each on a connection of its own, so that one request's trouble is not the
/// next one's; straight to the target, whatever proxy the environment names.
#[derive(Debug, Default)]
pub struct LinuxWeb {
    /// Made at the first request: most commands make none, and reading certificates takes time.
    client: OnceLock<Result<Client, String>>,
}

impl LinuxWeb {
    /// No connection is made yet.
    pub fn new() -> Result<Self, HostError> {
        Ok(Self::default())
    }

    fn client(&self) -> Result<&Client, WebError> {
        self.client
            .get_or_init(build)
            .as_ref()
            .map_err(|why| WebError::NotARequest(format!("no HTTP client: {why}")))
    }
}

fn builder() -> ClientBuilder {
    Client::builder()
        .pool_max_idle_per_host(0)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .tcp_nodelay(true)
        .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
}

fn build() -> Result<Client, String> {
    // Somebody may have installed one before: then that one serves as well.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::trace!("a TLS provider is installed already");
    }
    // A machine without any certificate store can still be asked over plain HTTP.
    builder()
        .build()
        .or_else(|why| {
            tracing::warn!("no certificates were found, so https will not be trusted: {why}");
            builder().tls_certs_only(std::iter::empty()).build()
        })
        .map_err(|why| chain(&why))
}

impl Web for LinuxWeb {
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, WebError>> {
        async move {
            let timeout = ask.timeout;
            let unix = ask.url.strip_prefix("unix:").and_then(|it| it.split_once(':'));
            let Some((socket, path)) = unix else {
                return within(timeout, exchange(self.client()?, ask)).await;
            };
            // Even a client that will speak in plain text wants a TLS provider to be there.
            self.client()?;
            let client = builder().tls_certs_only(std::iter::empty()).unix_socket(socket).build();
            let client = client.map_err(|why| WebError::NotARequest(chain(&why)))?;
            let url = format!("http://localhost{path}");
            within(timeout, exchange(&client, Ask { url, ..ask })).await
        }
        .boxed()
    }
}

async fn within(
    limit: Duration,
    answer: impl Future<Output = Result<Answer, WebError>>,
) -> Result<Answer, WebError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(WebError::NoAnswer(late(limit))),
    }
}

async fn exchange(client: &Client, ask: Ask) -> Result<Answer, WebError> {
    let mut request = client.request(method(ask.method), &ask.url);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    if let Some(body) = ask.body {
        request = request.body(body);
    }
    let mut response = request.send().await.map_err(|why| sort(&why))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(some) = response.chunk().await.map_err(|why| sort(&why))? {
        let room = BODY_MAX.saturating_sub(body.len());
        body.extend_from_slice(some.get(..room.min(some.len())).unwrap_or(&[]));
        if room <= some.len() {
            break;
        }
    }
    Ok(Answer { status, body })
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn sort(why: &reqwest::Error) -> WebError {
    if why.is_builder() {
        WebError::NotARequest(chain(why))
    } else if why.is_connect() {
        WebError::NotConnected(chain(why))
    } else {
        WebError::NoAnswer(chain(why))
    }
}

fn late(after: Duration) -> String {
    format!("nothing within {} ms", after.as_millis())
}

/// The innermost cause: the outer ones only say that something went wrong.
fn chain(why: &dyn std::error::Error) -> String {
    let mut inner = why;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
