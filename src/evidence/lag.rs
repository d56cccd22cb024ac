//! How far the standby was behind, as the witness saw it.

/// A look at the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peeked {
    /// When it was asked, in microseconds since the run began.
    pub sent_us: i64,
    /// How long it took to answer.
    pub took_us: u64,
    /// The highest number that it had; none if it had no record yet.
    pub newest: Option<u64>,
}
