//! Business events as JSON, `POST /v1/events`:
//! `{"events":[{"name":"…_total","labels":{"rail":"instant"},"value":1}]}`. Without a value it is 1.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::{
    about::About,
    manifest::words::calm,
    source::{Event, Events, Rejection, SourceKind, Unreadable},
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

/// A message has so many events at most, so that its memory has a bound, too.
pub const EVENTS_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    #[serde(deserialize_with = "bounded")]
    events: Events,
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

fn read(body: &[u8]) -> Result<Events, Unreadable> {
    let message: Message = serde_json::from_slice(body).map_err(|why| Unreadable(shorten(&why)))?;
    Ok(message.events)
}

/// Takes the events one by one, and stops where there are too many.
fn bounded<'de, D: Deserializer<'de>>(from: D) -> Result<Events, D::Error> {
    struct OneByOne;

    impl<'de> Visitor<'de> for OneByOne {
        type Value = Events;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of events")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Events, A::Error> {
            let mut events = Vec::new();
            while let Some(value) = list.next_element::<Value>()? {
                if events.len() == EVENTS_MAX {
                    let why = format!("more than {EVENTS_MAX} events: send them in parts");
                    return Err(A::Error::custom(why));
                }
                events.push(one(value));
            }
            Ok(events)
        }
    }

    from.deserialize_seq(OneByOne)
}

/// The complaint, which may quote a stranger at length.
fn shorten(why: &serde_json::Error) -> String {
    calm(&why.to_string(), 120)
}

fn one(value: Value) -> Result<Event, Rejection> {
    let Written { name, labels, value } =
        serde_json::from_value(value).map_err(|why| Rejection::Malformed(shorten(&why)))?;
    Ok(Event { name, labels, value })
}
