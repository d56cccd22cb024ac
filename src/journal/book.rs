//! The journal as its writer has it: one writer at a time, each line tied to the one before.

use std::sync::Arc;

use crate::{
    journal::{
        chain::{self, GENESIS, Lines},
        course::Course,
        entry::{Entry, Fact, VERSION},
    },
    world::{
        clock::Clock,
        host::HostError,
        store::{Care, Store},
    },
};

/// A journal that is being written.
pub struct Journal {
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    epoch: u32,
    head: String,
    entries: Vec<Entry>,
}

impl Journal {
    /// A new one.
    pub fn new(store: Box<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, epoch: 1, head: GENESIS.to_owned(), entries: Vec::new() }
    }

    /// One that another writer left; its epoch counts up, so that a late line of the other is
    /// known.
    pub fn take_over(store: Box<dyn Store>, clock: Arc<dyn Clock>, lines: Lines) -> Self {
        let epoch = lines.entries.last().map_or(0, |it| it.epoch) + 1;
        Self { store, clock, epoch, head: lines.head, entries: lines.entries }
    }

    /// Appends one fact. When this returns, what must survive a power cut does: whatever was done
    /// to the world, and all that was written before it.
    pub fn append(&mut self, fact: Fact) -> Result<&Entry, HostError> {
        let n = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let care = care(&fact);
        let (epoch, at_us) = (self.epoch, self.clock.now_us());
        let entry = Entry { v: VERSION, n, epoch, at_us, prev: self.head.clone(), fact };
        let (line, head) = chain::line(&entry);
        self.store.append(line.as_bytes(), care)?;
        self.head = head;
        self.entries.push(entry);
        Ok(self.entries.last().expect("one was just pushed"))
    }

    /// Everything so far, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn care(fact: &Fact) -> Care {
    match fact {
        Fact::Intent(_) | Fact::Began(_) => Care::Ahead,
        Fact::Course(Course::Began { .. } | Course::Ended { .. } | Course::Passed { .. }) => {
            Care::Soon
        }
        Fact::Looks { .. }
        | Fact::Loaded { .. }
        | Fact::Writes { .. }
        | Fact::Peeks { .. }
        | Fact::Reads { .. }
        | Fact::Sampled(_)
        | Fact::Site(_) => Care::Loose,
        // What is done to the world, and the last word, are synced, and these with them.
        Fact::Census(_)
        | Fact::PhaseBegan { .. }
        | Fact::PhaseEnded { .. }
        | Fact::Judged { .. } => Care::Soon,
        Fact::Anchor(_)
        | Fact::Residue(_)
        | Fact::Applied { .. }
        | Fact::Failed { .. }
        | Fact::Effect { .. }
        | Fact::Showed { .. }
        | Fact::Undone { .. }
        | Fact::Kept { .. }
        | Fact::Stuck { .. }
        | Fact::Marked { .. }
        | Fact::Course(_)
        | Fact::Aborted { .. }
        | Fact::TakenOver { .. }
        | Fact::Ended { .. } => Care::Sync,
    }
}
