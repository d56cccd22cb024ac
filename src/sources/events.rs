//! Business events as JSON, `POST /v1/events`:
//! `{"events":[{"name":"…_total","labels":{"rail":"instant"},"value":1}]}`. Without a value it is 1.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    about::About,
    source::{Event, Rejection, SourceKind, Unreadable},
};

/// Its entry in the list.
pub const KIND: SourceKind = SourceKind {
    about: &About {
        name: "events",
        summary: "business events as JSON over HTTP",
        needs: &[],
        example: "",
    },
    read,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    events: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default = "once")]
    value: f64,
}

fn once() -> f64 {
    1.0
}

fn read(body: &[u8]) -> Result<Vec<Result<Event, Rejection>>, Unreadable> {
    let message: Message =
        serde_json::from_slice(body).map_err(|why| Unreadable(why.to_string()))?;
    Ok(message.events.into_iter().map(one).collect())
}

/// The complaint, which may quote a stranger at length.
fn shorten(why: &serde_json::Error) -> String {
    why.to_string().chars().take(120).collect()
}

fn one(value: Value) -> Result<Event, Rejection> {
    let Written { name, labels, value } =
        serde_json::from_value(value).map_err(|why| Rejection::Malformed(shorten(&why)))?;
    Ok(Event { name, labels, value })
}
