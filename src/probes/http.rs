//! What does a service answer?

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    units::Span,
    world::{
        World,
        web::{Ask, Method, WebError},
    },
};

/// Asks `url` once. No answer is a reading, too: `status` 0 and why in `error`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    url: String,
    #[serde(default)]
    method: Method,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default = "second")]
    timeout: Span,
}

fn second() -> Span {
    Span::millis(1_000)
}

impl Probe for Http {
    const ABOUT: &'static About = &About {
        name: "http",
        summary: "asks a service over HTTP; the connection is the look's own",
        needs: &[],
        example: "url: http://127.0.0.1:8080/healthz\nmethod: GET\ntimeout: 500ms\n",
    };
    const READINGS: &'static [&'static str] = &["status", "latency_ms", "body", "error"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let timeout = self.timeout.duration();
        let ask = Ask {
            method: self.method,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            timeout,
        };
        let from = world.clock.now_us();
        let answer = world.web.ask(ask).await;
        let took = Duration::from_micros(world.clock.now_us().saturating_sub(from));
        let mut reading = BTreeMap::new();
        reading.insert("latency_ms", Datum::Number(took.as_secs_f64() * 1_000.0));
        match answer {
            Ok(it) => {
                reading.insert("status", Datum::Number(f64::from(it.status)));
                let body = String::from_utf8_lossy(&it.body).into_owned();
                reading.insert("body", Datum::Text(body));
            }
            Err(why @ (WebError::NotConnected(_) | WebError::NoAnswer(_))) => {
                reading.insert("status", Datum::Number(0.0));
                reading.insert("error", Datum::Text(why.to_string()));
            }
            Err(WebError::NotARequest(why)) => return Err(Blind(why)),
        }
        Ok(Reading(reading))
    }
}
