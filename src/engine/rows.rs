//! What the observer's parts hand to the player.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    journal::{
        entry::{Look, Peek, ReadBack, Write},
        load::LoadRow,
        sample::Sample,
        site::SiteRows,
    },
    probe::Blind,
};

/// What is seen.
pub(super) enum Row {
    /// The probe of the hypothesis with this number was asked, then.
    Asked(usize, u64),
    /// By the probe of the hypothesis with this number.
    Look(usize, Look),
    /// By the witness, writing.
    Write(Write),
    /// The witness can write, or why it cannot.
    Ready(Result<(), Blind>),
    /// By the witness, of the standby.
    Peek(Peek),
    /// By the witness, reading back from the side of this name; it is empty where the service is.
    Read(Arc<str>, ReadBack),
    /// The witness has read everything back.
    ReadAll,
    /// By the load with this number.
    Load(usize, LoadRow),
    /// By the sampler.
    Sample(Box<Sample>),
    /// By who reads a site.
    Site(Box<SiteRows>),
}

/// What the witness is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    /// Not yet.
    Wait,
    /// Write.
    Write,
    /// Stop writing, and read back.
    ReadBack,
}

/// Where rows go.
#[derive(Clone)]
pub(super) struct Rows(pub(super) mpsc::Sender<Row>);

impl Rows {
    /// Hands one row over. A reader that is hundreds of seconds behind loses rows, and the log says
    /// so; the measurement goes on.
    pub(super) fn put(&self, row: Row) {
        if self.0.try_send(row).is_err() {
            tracing::error!("a row of measurements was lost: the journal is far behind");
        }
    }

    /// Hands one row over as soon as there is room for it.
    pub(super) async fn wait(&self, row: Row) {
        if self.0.send(row).await.is_err() {
            tracing::debug!("nobody writes rows down any more");
        }
    }
}
