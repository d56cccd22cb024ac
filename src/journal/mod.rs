//! The record of a run: appended, synced, never rewritten. Every other account is a fold of it.

pub mod chain;
pub mod entry;
pub mod index;
