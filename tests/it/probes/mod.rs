//! Probes against real servers, files and commands: what they see, and when they are blind.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod here;
mod servers;
mod sql;

use std::path::PathBuf;

use holdfast::{
    manifest::{node::Doc, source::Source},
    probe::{AnyProbe, Blind, Datum, Reading},
    registry,
    world::{World, linux},
};

/// A probe as a user's file has it, and a world to look at.
pub(crate) struct Eye {
    probe: Box<dyn AnyProbe>,
    world: World,
}

impl Eye {
    pub(crate) fn new(kind: &str, settings: &str) -> Self {
        Self::try_new(kind, settings).unwrap_or_else(|why| panic!("{settings}: {why}"))
    }

    pub(crate) fn try_new(kind: &str, settings: &str) -> Result<Self, String> {
        let found = registry::probes().into_iter().find(|it| it.about.name == kind).unwrap();
        let (source, mut out) = (Source::new("probe.yaml", settings), Vec::new());
        let doc = Doc::parse(&source, &mut out).unwrap();
        let probe = found.read(&doc, doc.root(), doc.head(doc.root()), &mut out);
        let world = linux::world(PathBuf::from(env!("CARGO_BIN_EXE_holdfast"))).unwrap();
        match probe {
            Some(probe) if out.is_empty() => Ok(Self { probe, world }),
            _ => Err(format!("{out:?}")),
        }
    }

    pub(crate) async fn look(&self) -> Result<Reading, Blind> {
        self.probe.look(&self.world).await
    }

    /// What it sees, which must be something.
    pub(crate) async fn see(&self) -> Seen {
        Seen(self.look().await.unwrap_or_else(|why| panic!("{why}")))
    }

    /// Why it is blind, which it must be.
    pub(crate) async fn blind(&self) -> String {
        match self.look().await {
            Ok(seen) => panic!("it saw {seen:?}"),
            Err(Blind(why)) => why,
        }
    }
}

/// A reading, asked by name.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) Reading);

impl Seen {
    pub(crate) fn number(&self, name: &str) -> f64 {
        match self.0.0.get(name) {
            Some(Datum::Number(it)) => *it,
            other => panic!("{name} is {other:?} in {self:?}"),
        }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        match self.0.0.get(name) {
            Some(Datum::Text(it)) => it,
            other => panic!("{name} is {other:?} in {self:?}"),
        }
    }

    pub(crate) fn is(&self, name: &str, number: f64) -> bool {
        (self.number(name) - number).abs() < 1e-9
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.0.contains_key(name)
    }
}

#[tokio::test]
async fn every_reading_that_is_told_is_announced() {
    for kind in registry::probes() {
        let (source, mut out) = (Source::new("probe.yaml", kind.about.example), Vec::new());
        let doc = Doc::parse(&source, &mut out).unwrap();
        let probe = kind.read(&doc, doc.root(), doc.head(doc.root()), &mut out).unwrap();
        let sim = holdfast::world::sim::Sim::new(
            holdfast::world::sim::Machine::default(),
            holdfast::world::sim::Cut::Never,
        );
        // On a machine with nothing on it a probe is blind or sees that nothing is there.
        if let Ok(seen) = probe.look(&sim.world()).await {
            let known = |it: &&str| kind.readings.contains(it);
            assert!(seen.0.keys().all(known), "{}: {seen:?}", kind.about.name);
        }
    }
}
