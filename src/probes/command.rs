//! What does a command say?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    units::Span,
    world::World,
};

/// Runs `run` without a shell, for at most `timeout`. It must change nothing. Words `NAME=VALUE`
/// before the program go into its environment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    #[schemars(length(min = 1))]
    run: Vec<String>,
    #[serde(default = "five_seconds")]
    timeout: Span,
}

fn five_seconds() -> Span {
    Span::millis(5_000)
}

impl Probe for Command {
    const ABOUT: &'static About = &About {
        name: "command",
        summary: "runs a command that looks, without a shell: its exit code and what it prints",
        needs: &[],
        example: "run: [pg_lsclusters, --no-header]\ntimeout: 5s\n",
    };
    const READINGS: &'static [&'static str] = &["code", "stdout", "number", "said", "latency_ms"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        if self.run.is_empty() {
            return Err(Blind("`run` names no program".to_owned()));
        }
        let from = world.clock.now_us();
        // One that does not end has not said what it saw.
        let done = world.host.command(self.run.clone(), self.timeout.duration()).await;
        let done = done.map_err(|why| Blind(why.to_string()))?;
        let stdout = done.output.trim().to_owned();
        let mut reading = BTreeMap::from([("latency_ms", Datum::since(from, world))]);
        // A signal's end has no code; -1 is none that a program could choose.
        reading.insert("code", Datum::Number(done.code.map_or(-1.0, f64::from)));
        if let Some(number) = stdout.parse().ok().filter(|it: &f64| it.is_finite()) {
            reading.insert("number", Datum::Number(number));
        }
        reading.insert("stdout", Datum::Text(stdout));
        reading.insert("said", Datum::Text(done.said.trim().to_owned()));
        Ok(Reading(reading))
    }
}
