//! The miniature bank: real processes on loopback, for demos, tests and the regulator's sandbox.
//!
//! It may touch the world, but only loopback sockets and the files of its own folder. Its two
//! promises: a payment that was acknowledged is on disk, and no payment is accepted unscreened.

pub mod bank;
mod batch;
pub mod book;
pub mod calendar;
mod core;
pub mod fence;
mod gateway;
pub mod identity;
mod load;
mod metrics;
mod names;
mod peers;
pub mod postgres;
pub mod process;
pub mod status;
mod third_party;
mod web;
