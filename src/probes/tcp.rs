//! Does somebody take the call?

use std::{collections::BTreeMap, sync::Arc};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    units::Span,
    world::{
        World,
        dial::{DialError, Enough, Talk},
    },
};

/// Connects to `address`, says `send` if anything, and listens until it has heard `hear`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tcp {
    /// As `host:port`.
    address: String,
    #[serde(default)]
    send: String,
    #[serde(default)]
    hear: Option<String>,
    #[serde(default = "second")]
    timeout: Span,
}

fn second() -> Span {
    Span::millis(1_000)
}

impl Probe for Tcp {
    const ABOUT: &'static About = &About {
        name: "tcp",
        summary: "connects over TCP, and may say something and listen for an answer",
        needs: &[],
        example: "address: 127.0.0.1:6379\nsend: \"PING\\r\\n\"\nhear: PONG\ntimeout: 500ms\n",
    };
    const READINGS: &'static [&'static str] =
        &["open", "heard", "text", "connect_ms", "latency_ms", "error"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let enough = self.hear.clone().map(|wanted| -> Enough {
            Arc::new(move |heard| String::from_utf8_lossy(heard).contains(&wanted))
        });
        let talk = Talk {
            to: self.address.clone(),
            say: self.send.clone().into_bytes(),
            enough,
            timeout: self.timeout.duration(),
        };
        let from = world.clock.now_us();
        let answer = world.dial.talk(talk).await;
        let mut reading = BTreeMap::from([("latency_ms", Datum::since(from, world))]);
        match answer {
            Ok(it) => {
                reading.insert("open", Datum::Number(1.0));
                reading.insert("heard", Datum::count(u64::from(it.short.is_none())));
                reading.insert("connect_ms", Datum::millis(it.connected_in));
                let text = String::from_utf8_lossy(&it.heard).into_owned();
                reading.insert("text", Datum::Text(text));
                reading.extend(it.short.map(|why| ("error", Datum::Text(why))));
            }
            Err(why @ (DialError::NotConnected(_) | DialError::NoAnswer(_))) => {
                reading.insert("open", Datum::Number(0.0));
                reading.insert("heard", Datum::Number(0.0));
                reading.insert("error", Datum::Text(why.to_string()));
            }
            Err(DialError::NotACall(why)) => return Err(Blind(why)),
        }
        Ok(Reading(reading))
    }
}
