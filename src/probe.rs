//! The one way to look at the world.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::{
    about::About,
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        place::Place,
        read,
    },
    world::World,
};

/// A question to the world. It changes nothing.
pub trait Probe: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Who am I?
    const ABOUT: &'static About;
    /// What a reading of mine can hold: the words that `expect` may use.
    const READINGS: &'static [&'static str];
    /// Looks once. An error is "could not see", never "saw it broken".
    fn look(&self, world: &World) -> impl Future<Output = Result<Reading, Blind>> + Send;
}

/// What was seen, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading(pub BTreeMap<&'static str, Datum>);

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Datum {
    /// A count. A double holds whole numbers up to 2^53.
    pub fn count(n: impl TryInto<u64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "what is counted here is far smaller")]
        let number = n.try_into().unwrap_or(u64::MAX) as f64;
        Self::Number(number)
    }

    /// A time in milliseconds.
    pub fn millis(took: Duration) -> Self {
        Self::Number(took.as_secs_f64() * 1_000.0)
    }

    /// The time since `from` on the world's clock, in milliseconds.
    pub fn since(from: u64, world: &World) -> Self {
        Self::millis(Duration::from_micros(world.clock.now_us().saturating_sub(from)))
    }
}

/// A file that a probe cannot look without.
pub fn needed(path: &str, world: &World) -> Result<Vec<u8>, Blind> {
    match world.host.read(path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Blind(format!("there is no file {path}"))),
        Err(why) => Err(Blind(why.to_string())),
    }
}

impl std::fmt::Display for Datum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(it) => write!(f, "{it}"),
            Self::Text(it) if it.chars().count() > 80 => {
                write!(f, "`{}…`", it.chars().take(80).collect::<String>())
            }
            Self::Text(it) => write!(f, "`{it}`"),
        }
    }
}

/// Why there is no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not look: {0}")]
pub struct Blind(pub String);

type Reader = fn(&Doc, Id, Place, &mut Vec<Diagnostic>) -> Option<Box<dyn AnyProbe>>;

/// A probe's type, forgotten: what stands on a registry.
pub struct ProbeKind {
    /// Its about.
    pub about: &'static About,
    /// What its readings hold.
    pub readings: &'static [&'static str],
    read: Reader,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

impl ProbeKind {
    /// Puts `P` on the registry.
    pub const fn of<P: Probe>() -> Self {
        Self {
            about: P::ABOUT,
            readings: P::READINGS,
            read: |doc, id, at, out| {
                read::read::<P>(doc, id, at, out).map(|it| Box::new(it) as Box<dyn AnyProbe>)
            },
            schema: SchemaGenerator::subschema_for::<P>,
        }
    }

    /// How its settings are written, as a JSON Schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Reads the settings of one probe; mistakes go to `out`.
    pub fn read(
        &self,
        doc: &Doc,
        id: Id,
        at: Place,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Box<dyn AnyProbe>> {
        (self.read)(doc, id, at, out)
    }
}

/// A probe that can be kept beside others.
pub trait AnyProbe: Send + Sync {
    /// See [`Probe::look`].
    fn look<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Reading, Blind>>;
}

impl<P: Probe> AnyProbe for P {
    fn look<'a>(&'a self, world: &'a World) -> BoxFuture<'a, Result<Reading, Blind>> {
        Probe::look(self, world).boxed()
    }
}
