//! What the observer's parts hand to the player.

use tokio::sync::mpsc;

use crate::journal::{
    entry::{Look, ReadBack, Sample, Write},
    load::LoadRow,
};

/// What is seen.
pub(super) enum Row {
    /// The probe of the hypothesis with this number was asked, then.
    Asked(usize, u64),
    /// By the probe of the hypothesis with this number.
    Look(usize, Look),
    /// By the witness, writing.
    Write(Write),
    /// By the witness, reading back.
    Read(ReadBack),
    /// The witness has read everything back.
    ReadAll,
    /// By the load with this number.
    Load(usize, LoadRow),
    /// By the sampler.
    Sample(Box<Sample>),
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
}
