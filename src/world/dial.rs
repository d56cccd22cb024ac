//! Conversations with services that speak no HTTP. Each is held over a connection of its own, and
//! ends by its deadline.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

/// The most that is heard in one conversation, in bytes.
pub const HEARD_MAX: usize = 64 * 1024;

/// Why there was no conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nobody took the call.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// Somebody took it, and did not answer, or not in time.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// It could not even be tried: this machine, or the question, is at fault.
    #[error("not a call that can be made: {0}")]
    NotACall(String),
}

/// Whether what was heard is all that was waited for.
pub type Enough = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// A conversation over TCP.
#[derive(Clone)]
pub struct Talk {
    /// With whom, as `host:port`.
    pub to: String,
    /// What is said first.
    pub say: Vec<u8>,
    /// When to stop listening; with none there is no listening at all.
    pub enough: Option<Enough>,
    /// When to give up in all.
    pub timeout: Duration,
}

/// What came of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talked {
    /// How long the connection took to stand.
    pub connected_in: Duration,
    /// What was heard, at most [`HEARD_MAX`] bytes.
    pub heard: Vec<u8>,
    /// Why less was heard than was waited for, if it was.
    pub short: Option<String>,
}

/// One datagram, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// To whom, as `host:port`.
    pub to: String,
    /// What it says. An answer begins with the same two bytes; others are passed over.
    pub say: Vec<u8>,
    /// When to give up.
    pub timeout: Duration,
}

/// A TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// With whom, as `host:port`.
    pub to: String,
    /// The name that the certificate must bear.
    pub name: String,
    /// Whom to trust, in PEM; with none, the machine's own store.
    pub trusted: Option<Vec<u8>>,
    /// When to give up.
    pub timeout: Duration,
}

/// What a handshake showed. It is carried to its end whatever the certificate is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The protocol's version, such as `TLSv1.3`.
    pub protocol: String,
    /// The certificates in DER, the server's own first.
    pub chain: Vec<Vec<u8>>,
    /// Why the chain is not to be trusted, if it is not.
    pub doubt: Option<String>,
}

/// How a connection to a database is kept from others' eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Privacy {
    /// Not at all.
    Plain,
    /// TLS, and the server's certificate is held against these authorities (PEM), or the
    /// machine's own.
    Tls(Option<Vec<u8>>),
}

/// One statement to a PostgreSQL server.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    /// The host, or the folder of a socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// The secret, if one is needed. It is in no message and no journal.
    pub password: Option<String>,
    /// Which database.
    pub database: String,
    /// TLS or not.
    pub privacy: Privacy,
    /// Exactly one statement.
    pub statement: String,
    /// Whether what it changes may stay; else its transaction is read-only.
    pub write: bool,
    /// When to give up, in all.
    pub timeout: Duration,
}

/// A PostgreSQL server, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// The host, or the folder of a socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// The secret, if one is needed. It is in no message and no journal.
    pub password: Option<String>,
    /// Which database.
    pub database: String,
    /// TLS or not.
    pub privacy: Privacy,
}

/// What may become of what statements change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Nothing: they stand in one transaction that is read-only and rolled back.
    Look,
    /// All of it or none: they stand in one transaction, which is committed.
    Together,
    /// Each stands alone, for statements that take no transaction.
    Each,
}

/// Statements to a PostgreSQL server, one after the other over one connection.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Whom to ask.
    pub server: Server,
    /// What to ask, each exactly one statement.
    pub statements: Vec<String>,
    /// What may become of it.
    pub leave: Leave,
    /// So many rows of one answer are taken at most; with more, there is no answer.
    pub rows_max: usize,
    /// When to give up, in all.
    pub timeout: Duration,
}

/// All that a statement brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each value as text; none where it is null.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows it returned, or changed.
    pub count: u64,
}

/// What a statement brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// How many rows it returned, or changed.
    pub count: u64,
    /// The first row's first column, as text; none if there is no row, or it is null.
    pub value: Option<String>,
}

/// Holds conversations.
pub trait Dial: Send + Sync {
    /// Connects, speaks, listens, and hangs up.
    fn talk(&self, talk: Talk) -> BoxFuture<'_, Result<Talked, DialError>>;
    /// Sends one datagram and waits for its answer.
    fn datagram(&self, it: Datagram) -> BoxFuture<'_, Result<Vec<u8>, DialError>>;
    /// Shakes hands and hangs up.
    fn handshake(&self, it: Handshake) -> BoxFuture<'_, Result<Shown, DialError>>;
    /// Asks a database.
    fn query(&self, it: Query) -> BoxFuture<'_, Result<Rows, DialError>>;
    /// Asks a database several things. The answers stand in the order of the statements.
    fn session(&self, it: Session) -> BoxFuture<'_, Result<Vec<Sheet>, DialError>>;
}
