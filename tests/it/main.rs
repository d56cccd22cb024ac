//! All integration tests, in one binary.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the wall around effects is for the house, not for those who inspect it"
)]

mod crash;
mod golden;
mod journal;
mod laws;
mod manifest;
mod stage;
