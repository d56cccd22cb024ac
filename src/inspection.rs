//! Looking on purpose: a step of a drill that changes nothing, and is judged.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::{entry::UndoClass, showing::Showing},
    probe::Blind,
    verdict::Verdict,
    world::World,
};

/// A look that a drill takes on purpose. The value is the user's settings.
pub trait Inspection: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Who am I?
    const ABOUT: &'static About;

    /// What will be looked at, for the journal and for `--dry-run`.
    fn will(&self) -> String;

    /// Whether the drill must not go on if it is not as it should be, or could not be seen.
    fn or_stop(&self) -> bool {
        false
    }

    /// Looks. What could not be seen is blind: it makes a drill inconclusive, and never fails it.
    fn inspect(&self, world: &World) -> impl Future<Output = Result<Showing, Blind>> + Send;
}

/// An inspection as a step.
pub struct Inspecting<I>(I);

impl<'de, I: DeserializeOwned> Deserialize<'de> for Inspecting<I> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        I::deserialize(from).map(Self)
    }
}

impl<I: JsonSchema> JsonSchema for Inspecting<I> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        I::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        I::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        I::json_schema(generator)
    }
}

/// Nothing was changed, so nothing is put back.
#[derive(Serialize, Deserialize)]
pub struct Nothing {}

impl<I: Inspection> Action for Inspecting<I> {
    const ABOUT: &'static About = I::ABOUT;
    const CLASS: UndoClass = UndoClass::OneShot;
    const LOOKS: bool = true;
    type Undo = Nothing;

    async fn plan(&self, _: &World) -> Result<Plan<Nothing>, Refusal> {
        Ok(Plan { undo: Nothing {}, will: self.0.will(), by_hand: vec![] })
    }

    async fn apply(&self, undo: &Nothing, world: &World) -> Result<(), Failure> {
        self.perform(undo, world).await.map(drop)
    }

    async fn perform(&self, _: &Nothing, world: &World) -> Result<Option<Showing>, Failure> {
        let seen = self.0.inspect(world).await;
        let seen = seen.unwrap_or_else(|why| Showing::of(Verdict::Inconclusive, why.to_string()));
        if self.0.or_stop() && seen.verdict != Verdict::Pass {
            return Err(Failure::Unmet(Box::new(seen)));
        }
        Ok(Some(seen))
    }

    async fn effect(_: &Nothing, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("it only looks".to_owned()))
    }

    async fn undo(_: &Nothing, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}
