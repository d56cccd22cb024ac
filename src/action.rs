//! The one way to change the world: look, write down how to go back, change, go back.

use futures_util::future::{BoxFuture, FutureExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize as _, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    about::About,
    journal::{
        census::Trace,
        entry::{Family, UndoClass},
        showing::Showing,
    },
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        place::Place,
        read,
    },
    world::{World, host::HostError, web::WebError},
};

/// Something that changes the world and can put it back: a fault, or a step of a drill.
///
/// The value itself is the user's settings. It owns nothing of the world.
pub trait Action: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Who am I?
    const ABOUT: &'static About;
    /// Who goes back if we vanish?
    const CLASS: UndoClass;
    /// Whether [`Self::effect`] can tell from the world alone that it was done: then a runner that
    /// vanished in the middle leaves no question.
    const CONFIRMS: bool = false;
    /// It only looks, and what it showed is all that comes of it.
    const LOOKS: bool = false;
    /// All that going back needs. It is on disk before anything changes.
    type Undo: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Looks, and touches nothing. The only place where targets are chosen.
    fn plan(&self, world: &World)
    -> impl Future<Output = Result<Plan<Self::Undo>, Refusal>> + Send;

    /// Changes the world, and nothing that `undo` does not name.
    fn apply(
        &self,
        undo: &Self::Undo,
        world: &World,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Does as `apply` does, and tells what that showed; most acts show nothing.
    fn perform(
        &self,
        undo: &Self::Undo,
        world: &World,
    ) -> impl Future<Output = Result<Option<Showing>, Failure>> + Send {
        async { self.apply(undo, world).await.map(|()| None) }
    }

    /// Looks whether it acts, while it stands. An error is "could not see".
    fn effect(
        undo: &Self::Undo,
        world: &World,
    ) -> impl Future<Output = Result<Effect, Failure>> + Send;

    /// What it may leave behind, beside what bears the run's name; none if only its own undo could
    /// tell. What the kernel holds is gone with our children, and those are counted anyway.
    fn traces(_undo: &Self::Undo) -> Option<Vec<Trace>> {
        (Self::CLASS != UndoClass::Guardian || Self::LOOKS).then(Vec::new)
    }

    /// Goes back. No `self`: after a crash the settings are gone, and this must still work.
    /// Idempotent, and right whether `apply` ran wholly, in part, or not at all.
    fn undo(undo: &Self::Undo, world: &World) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What `plan` found.
#[derive(Debug)]
pub struct Plan<U> {
    /// How to go back.
    pub undo: U,
    /// What will be done, for the journal and for `--dry-run`.
    pub will: String,
    /// How a person would go back with a shell and no program of ours.
    pub by_hand: Vec<String>,
}

/// A word as a shell takes it, whatever is in it; for lines that a person types.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Whether an act acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It was seen to.
    Seen(String),
    /// It was seen not to.
    NotSeen(String),
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No target fits.
    #[error("nothing matches {0}")]
    NoTarget(String),
    /// More fit than may be touched.
    #[error("{found} processes match {what}, and `max_targets` allows {allowed}")]
    TooMany {
        /// What was looked for.
        what: String,
        /// How many there are.
        found: usize,
        /// How many may be touched.
        allowed: u32,
    },
    /// It must not be touched.
    #[error("{who} is protected: {why}")]
    Protected {
        /// Who.
        who: String,
        /// Why, as the rest of "it is protected:".
        why: String,
    },
    /// The world is not as the act needs it.
    #[error("{0}")]
    NotReady(String),
    /// We could not even look.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Why it did not go through.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The host did not do it.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The service did not do it.
    #[error("could not reach the service: {0}")]
    Web(#[from] WebError),
    /// It was done, and it did not do what it should.
    #[error("{0}")]
    Wrong(String),
    /// It was done, it showed that something is not as it must be, and so nothing may follow.
    #[error("{}", .0.why)]
    Unmet(Box<Showing>),
    /// The journal holds an undo that this version cannot read.
    #[error("the journal's undo does not fit this version: {0}")]
    Foreign(#[from] serde_json::Error),
}

type Reader = fn(&Doc, Id, Place, &mut Vec<Diagnostic>) -> Option<Box<dyn AnyAction>>;

/// An action's type, forgotten: what stands on a registry.
pub struct ActionKind {
    /// Its about.
    pub about: &'static About,
    /// Who goes back if we vanish.
    pub class: UndoClass,
    /// Fault or step.
    pub family: Family,
    /// It only looks.
    pub looks: bool,
    read: Reader,
    schema: fn(&mut SchemaGenerator) -> Schema,
    undo: for<'a> fn(&'a Value, &'a World) -> BoxFuture<'a, Result<(), Failure>>,
    /// Whether [`Self::confirm`] can tell from the world alone that it was done.
    pub confirms: bool,
    confirm: for<'a> fn(&'a Value, &'a World) -> BoxFuture<'a, Result<Effect, Failure>>,
}

impl ActionKind {
    /// Puts `A` on the registry of faults.
    pub const fn fault<A: Action>() -> Self {
        Self::of::<A>(Family::Fault)
    }

    /// Puts `A` on the registry of steps.
    pub const fn step<A: Action>() -> Self {
        Self::of::<A>(Family::Step)
    }

    const fn of<A: Action>(family: Family) -> Self {
        Self {
            about: A::ABOUT,
            class: A::CLASS,
            family,
            looks: A::LOOKS,
            read: |doc, id, at, out| {
                read::read::<A>(doc, id, at, out).map(|it| Box::new(it) as Box<dyn AnyAction>)
            },
            schema: SchemaGenerator::subschema_for::<A>,
            undo: |kept, world| {
                async move { A::undo(&A::Undo::deserialize(kept)?, world).await }.boxed()
            },
            confirms: A::CONFIRMS,
            confirm: |kept, world| {
                async move { A::effect(&A::Undo::deserialize(kept)?, world).await }.boxed()
            },
        }
    }

    /// How its settings are written, as a JSON Schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Reads the settings of one action; mistakes go to `out`.
    pub fn read(
        &self,
        doc: &Doc,
        id: Id,
        at: Place,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Box<dyn AnyAction>> {
        (self.read)(doc, id, at, out)
    }

    /// Looks whether it was done, from what the journal kept.
    pub async fn confirm(&self, kept: &Value, world: &World) -> Result<Effect, Failure> {
        (self.confirm)(kept, world).await
    }

    /// Goes back from what the journal kept.
    pub async fn undo(&self, kept: &Value, world: &World) -> Result<(), Failure> {
        (self.undo)(kept, world).await
    }
}

/// An action whose undo is as the journal keeps it.
pub trait AnyAction: Send + Sync {
    /// See [`Action::plan`].
    fn plan<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Plan<Value>, Refusal>>;
    /// See [`Action::perform`].
    fn perform<'a>(
        &'a self,
        undo: &'a Value,
        world: &'a World,
    ) -> BoxFuture<'a, Result<Option<Showing>, Failure>>;
    /// See [`Action::traces`].
    fn traces(&self, undo: &Value) -> Option<Vec<Trace>>;
    /// See [`Action::effect`].
    fn effect<'a>(
        &'a self,
        undo: &'a Value,
        world: &'a World,
    ) -> BoxFuture<'a, Result<Effect, Failure>>;
}

impl<A: Action> AnyAction for A {
    fn plan<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Plan<Value>, Refusal>> {
        async move {
            let Plan { undo, will, by_hand } = Action::plan(self, world).await?;
            let undo = serde_json::to_value(undo).expect("an undo is plain data");
            Ok(Plan { undo, will, by_hand })
        }
        .boxed()
    }

    fn perform<'a>(
        &'a self,
        undo: &'a Value,
        world: &'a World,
    ) -> BoxFuture<'a, Result<Option<Showing>, Failure>> {
        async move { Action::perform(self, &A::Undo::deserialize(undo)?, world).await }.boxed()
    }

    fn traces(&self, undo: &Value) -> Option<Vec<Trace>> {
        A::traces(&A::Undo::deserialize(undo).ok()?)
    }

    fn effect<'a>(
        &'a self,
        undo: &'a Value,
        world: &'a World,
    ) -> BoxFuture<'a, Result<Effect, Failure>> {
        async move { A::effect(&A::Undo::deserialize(undo)?, world).await }.boxed()
    }
}
