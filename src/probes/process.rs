//! Do processes run?

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading},
    target::ProcessTarget,
    world::World,
};

/// Counts the processes that fit `target`, and how many of them are stopped.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessCount {
    target: ProcessTarget,
}

impl Probe for ProcessCount {
    const ABOUT: &'static About = &About {
        name: "process",
        summary: "counts processes, and those among them that are stopped",
        needs: &[],
        example: "target: { name: postgres }\n",
    };
    const READINGS: &'static [&'static str] = &["count", "stopped"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let found = self.target.look(&*world.host).map_err(|why| Blind(why.to_string()))?;
        let number = |n: usize| Datum::Number(u32::try_from(n).map_or(f64::MAX, f64::from));
        let stopped = found.iter().filter(|it| it.stopped).count();
        Ok(Reading([("count", number(found.len())), ("stopped", number(stopped))].into()))
    }
}
