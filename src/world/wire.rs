//! Lines that stay open from one exchange to the next: to a database, and to a program that speaks
//! one line per question. Whoever asks sets the deadline, by dropping the answer's future; a line
//! that was dropped in the middle of an exchange is hung up, for nobody knows what it would say.

use futures_util::future::BoxFuture;

use crate::world::dial::{DialError, Server};

/// The longest line that a program may answer, in bytes.
pub const LINE_MAX: usize = 64 * 1024;

/// Why a database did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// It said no, and nothing of it was done.
    #[error("{0}")]
    Refused(String),
    /// Nobody knows: the line broke, or the server was in trouble.
    #[error("no answer: {0}")]
    Unknown(String),
}

/// Rows as text; none where a value is null.
pub type Table = Vec<Vec<Option<String>>>;

/// A connection to a database that stays.
pub trait Standing: Send {
    /// Whether it still stands, as far as this end knows.
    fn stands(&self) -> bool;
    /// Says it, and waits until the server is ready for more: what was to be committed is.
    fn say(&mut self, statements: String) -> BoxFuture<'_, Result<Table, Unsaid>>;
}

/// A program that answers each line with a line.
pub trait Program: Send {
    /// Whether it still runs, as far as this end knows.
    fn stands(&mut self) -> bool;
    /// Says a line, and waits for its answer. Neither has a newline.
    fn ask(&mut self, line: String) -> BoxFuture<'_, std::io::Result<String>>;
}

/// Opens lines.
pub trait Wire: Send + Sync {
    /// To a database.
    fn standing(&self, server: Server) -> BoxFuture<'_, Result<Box<dyn Standing>, DialError>>;
    /// To a program, started without a shell. It is killed when the line is dropped, and reads the
    /// end of its input when we die.
    fn program(&self, argv: Vec<String>) -> BoxFuture<'_, Result<Box<dyn Program>, DialError>>;
}
