//! What is to be played: a scenario or a drill, read from its file, with every kind looked up.

mod asks;
pub mod bound;
pub mod common;
pub mod conditions;
pub mod course;
mod drill;
pub mod expect;
pub mod hypothesis;
mod items;
pub mod lines;
pub mod load;
pub mod outside;
pub mod read;
mod scenario;
pub mod schema;
pub mod sites;
pub mod tolerance;
pub mod window;
mod witness;
