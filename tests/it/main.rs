//! All integration tests, in one binary.
#![expect(
    clippy::disallowed_methods,
    reason = "the wall around effects is for the house, not for those who inspect it"
)]

mod golden;
mod laws;
mod manifest;
