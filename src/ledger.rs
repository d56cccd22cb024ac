//! Where a witness writes its records, and finds them again: the contract.
//!
//! A record is written once and never again: what cannot be known of a write stays unknown. Each
//! write has a deadline of its own, and a write that hangs delays no other.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::{self, BoxStream},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::{
    about::About,
    journal::{
        chain,
        entry::{Found, Outcome, ReadBack},
    },
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        place::Place,
        read,
    },
    probe::Blind,
    world::World,
};

/// Reads that are under way at once, where records are read one by one.
const READS_AT_ONCE: usize = 16;
/// How often a record is asked for before it counts as unreadable.
const READ_TRIES: u32 = 3;

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 0.
    pub seq: u64,
    /// Its name: the run's id and its number.
    pub name: String,
    /// What it says: the SHA-256 of its name in hexadecimal, so that whoever reads it back can
    /// tell whether it was altered without having kept it.
    pub payload: String,
}

impl Record {
    /// A run's record of this number.
    pub fn new(run: &str, seq: u64) -> Self {
        let name = format!("{run}-{seq}");
        let payload = chain::hash(name.as_bytes());
        Self { seq, name, payload }
    }

    /// Fills the places `{id}`, `{seq}` and `{payload}` of a text.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{id}", &self.name)
            .replace("{seq}", &self.seq.to_string())
            .replace("{payload}", &self.payload)
    }

    /// What was found where it should be: its payload, as often as it is there.
    pub fn found<'a>(&self, payloads: impl IntoIterator<Item = &'a str>) -> ReadBack {
        let (mut copies, mut same) = (0_u32, true);
        for it in payloads {
            copies = copies.saturating_add(1);
            same &= it == self.payload;
        }
        let found = match (copies, same) {
            (0, _) => Found::Absent,
            (_, true) => Found::Same,
            (_, false) => Found::Altered,
        };
        ReadBack(self.seq, found, copies.max(1))
    }
}

/// On what terms a ledger is opened.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The run's id.
    pub run: String,
    /// Between two writes.
    pub every: Duration,
    /// A write that is not acknowledged by then is given up.
    pub deadline: Duration,
}

impl Terms {
    /// A record of this run.
    pub fn record(&self, seq: u64) -> Record {
        Record::new(&self.run, seq)
    }

    /// So many writes can be under way at once: as many as fit the deadline, and a few.
    pub fn flight(&self) -> usize {
        let fit = self.deadline.as_micros() / self.every.as_micros().max(1);
        usize::try_from(fit).unwrap_or(usize::MAX).saturating_add(4)
    }
}

/// Where records are read afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side<'a> {
    /// Where the service is now: what is not there is lost.
    Recovered,
    /// A side that was not to acknowledge any more.
    Other(&'a str),
}

/// A place for records. The value is the user's settings.
pub trait Ledger: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Who am I?
    const ABOUT: &'static About;
    /// What a type cannot tell of mistaken settings.
    fn complaints(&self) -> Vec<Diagnostic> {
        Vec::new()
    }
    /// What it writes to, in words and without secrets.
    fn target(&self) -> String;
    /// The other sides that are read afterwards, by name.
    fn sides(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether there is a standby that can be asked how far it is.
    fn has_standby(&self) -> bool {
        false
    }
    /// Opens it; nothing is touched yet.
    fn open(&self, terms: Terms, world: &World) -> Box<dyn OpenLedger>;
}

/// A ledger in use, by one run.
pub trait OpenLedger: Send + Sync {
    /// Makes what is missing, and sees that it can be used.
    fn prepare(&self) -> BoxFuture<'_, Result<(), Blind>> {
        async { Ok(()) }.boxed()
    }
    /// Writes one record, within the deadline.
    fn write(&self, record: Record) -> BoxFuture<'_, Outcome>;
    /// Looks for the records from 0 to `records`, and for others of this run.
    fn read<'a>(&'a self, side: Side<'a>, records: u64) -> BoxStream<'a, ReadBack>;
    /// The highest number that the standby has; none if it has no record yet.
    fn newest(&self) -> BoxFuture<'_, Result<Option<u64>, Blind>> {
        async { Err(Blind("it has no standby".to_owned())) }.boxed()
    }
}

/// Reads records one by one, each anew if it could not be read.
pub fn one_by_one<'a, F>(
    terms: &'a Terms,
    records: u64,
    look: impl Fn(Record) -> F + Send + Sync + 'a,
) -> BoxStream<'a, ReadBack>
where
    F: Future<Output = Result<ReadBack, Blind>> + Send + 'a,
{
    let look = Arc::new(look);
    let reads = stream::iter(0..records).map(move |seq| {
        let look = Arc::clone(&look);
        async move {
            let mut tries = 0;
            loop {
                tries += 1;
                match look(terms.record(seq)).await {
                    Ok(it) => break it,
                    Err(_) if tries == READ_TRIES => break ReadBack(seq, Found::Blind, 1),
                    Err(_) => tokio::time::sleep(terms.every).await,
                }
            }
        }
    });
    reads.buffer_unordered(READS_AT_ONCE).boxed()
}

/// A ledger, its type forgotten.
pub trait AnyLedger: Send + Sync {
    /// See [`Ledger::target`].
    fn target(&self) -> String;
    /// See [`Ledger::sides`].
    fn sides(&self) -> Vec<String>;
    /// See [`Ledger::has_standby`].
    fn has_standby(&self) -> bool;
    /// See [`Ledger::open`].
    fn open(&self, terms: Terms, world: &World) -> Box<dyn OpenLedger>;
}

impl<L: Ledger> AnyLedger for L {
    fn target(&self) -> String {
        Ledger::target(self)
    }

    fn sides(&self) -> Vec<String> {
        Ledger::sides(self)
    }

    fn has_standby(&self) -> bool {
        Ledger::has_standby(self)
    }

    fn open(&self, terms: Terms, world: &World) -> Box<dyn OpenLedger> {
        Ledger::open(self, terms, world)
    }
}

type Reader = fn(&Doc, Id, Place, &mut Vec<Diagnostic>) -> Option<Arc<dyn AnyLedger>>;

/// A ledger's type, forgotten: what stands on a registry.
pub struct LedgerKind {
    /// Its about.
    pub about: &'static About,
    read: Reader,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

impl LedgerKind {
    /// Puts `L` on the registry.
    pub const fn of<L: Ledger>() -> Self {
        Self { about: L::ABOUT, read: read_one::<L>, schema: SchemaGenerator::subschema_for::<L> }
    }

    /// How its settings are written, as a JSON Schema.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Reads the settings of one ledger; mistakes go to `out`.
    pub fn read(
        &self,
        doc: &Doc,
        id: Id,
        at: Place,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Arc<dyn AnyLedger>> {
        (self.read)(doc, id, at, out)
    }
}

fn read_one<L: Ledger>(
    doc: &Doc,
    id: Id,
    at: Place,
    out: &mut Vec<Diagnostic>,
) -> Option<Arc<dyn AnyLedger>> {
    let it: L = read::read(doc, id, at, out)?;
    out.extend(it.complaints());
    Some(Arc::new(it))
}

/// Lines that are lent out one at a time, so that a write that hangs holds its own line only.
pub struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pool<T> {
    /// An idle line that fits, the one that was used last; those that do not are hung up.
    pub fn take(&self, fits: impl Fn(&mut T) -> bool) -> Option<T> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut it) = idle.pop() {
            if fits(&mut it) {
                return Some(it);
            }
        }
        None
    }

    /// Puts a line back that is ready for more.
    pub fn put(&self, line: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
