//! Requests to services.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest body that is kept of an answer, in bytes.
pub const BODY_MAX: usize = 1 << 20;

/// HTTP methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Look.
    #[default]
    Get,
    /// Look at the headers.
    Head,
    /// Do.
    Post,
    /// Put in place.
    Put,
    /// Take away.
    Delete,
}

impl Method {
    /// As it goes over the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// How.
    pub method: Method,
    /// Where.
    pub url: String,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// What to send.
    pub body: Option<String>,
    /// When to give up.
    pub timeout: Duration,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, at most [`BODY_MAX`] bytes of it.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// Nobody took the call: the service has not seen the request.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// It may have been seen: the answer did not come, or not in time.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The request could not even be made here.
    #[error("not a request that can be made: {0}")]
    NotARequest(String),
}

/// Makes requests.
pub trait Web: Send + Sync {
    /// Asks once, over a connection of its own. No retries, no redirects.
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, WebError>>;
}
