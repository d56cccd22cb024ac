//! All integration tests, in one binary: a module a topic.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the wall around effects is for the house, not for those who inspect it"
)]

mod agent;
mod artifacts;

mod beside;
