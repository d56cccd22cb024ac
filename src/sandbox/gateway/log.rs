//! The log of payments: a line an outcome, moved away when it is large. A disk that takes no more
//! lines stops no payment.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use prometheus_client::metrics::counter::Counter;

/// A log that would grow beyond it is moved away, and the one before that is gone.
const SIZE_MAX: u64 = 256 * 1024;

/// Where payments are told of.
pub(super) struct PaymentLog {
    path: PathBuf,
    open: Mutex<Option<(File, u64)>>,
    /// Lines that could not be written.
    pub(super) lost: Counter,
}

impl PaymentLog {
    /// In this folder; opened with the first line.
    pub(super) fn new(home: &Path) -> Self {
        Self { path: home.join("payments.log"), open: Mutex::default(), lost: Counter::default() }
    }

    /// Writes a line so many times.
    pub(super) fn note(&self, line: &str, times: u32) {
        let text = format!("{line}\n").repeat(usize::try_from(times).unwrap_or(0));
        let mut open = self.open.lock().expect("no holder panics");
        if self.write(&mut open, text.as_bytes()).is_err() {
            self.lost.inc_by(u64::from(times));
            *open = None;
        }
    }

    fn write(&self, open: &mut Option<(File, u64)>, text: &[u8]) -> io::Result<()> {
        let more = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if open.as_ref().is_some_and(|it| it.1 + more > SIZE_MAX) {
            *open = None;
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        let (file, size) = if let Some(it) = open {
            it
        } else {
            let file = File::options().create(true).append(true).open(&self.path)?;
            let size = file.metadata()?.len();
            open.insert((file, size))
        };
        file.write_all(text)?;
        *size += more;
        Ok(())
    }
}
