//! The record of a run: appended, synced, never rewritten. Every other account is a fold of it.

pub mod began;
pub mod book;
pub mod census;
pub mod chain;
pub mod course;
pub mod entry;
pub mod exercise;
pub mod fold;
pub mod index;
mod intent;
pub mod load;
pub mod sample;
pub mod showing;
pub mod site;
