//! Where the other processes are, as the address book says, looked up again when one is not there.

use std::{net::SocketAddr, path::PathBuf, sync::Mutex};

use super::book::Book;

/// A remembered address book.
#[derive(Debug)]
pub(super) struct Peers {
    dir: PathBuf,
    known: Mutex<Book>,
}

impl Peers {
    /// Starts from a book that was read.
    pub(super) fn new(dir: PathBuf, book: Book) -> Self {
        Self { dir, known: Mutex::new(book) }
    }

    /// The address of a process.
    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        let known = self.known.lock().expect("no holder panics");
        known.address(name)
    }

    /// The name of the process that has this address.
    pub(super) fn name_of(&self, address: SocketAddr) -> Option<String> {
        let known = self.known.lock().expect("no holder panics");
        known.name_of(address).map(str::to_owned)
    }

    /// Reads the book again: a restarted process may have had to take another port.
    pub(super) fn refresh(&self) {
        match Book::read(&self.dir) {
            Ok(book) => *self.known.lock().expect("no holder panics") = book,
            Err(why) => tracing::warn!(%why, "could not read the address book again"),
        }
    }
}
