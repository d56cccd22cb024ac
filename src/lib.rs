//! The floor plan, from the ground up. A module imports only from its own floor or from floors below.
//!
//! Singular names are contracts (`action`), plural names are families of kinds (`faults`).
//! `tests/it/tidy.rs` holds this plan against the code's own imports.

// floor: words that mean the same everywhere
pub mod about;
pub mod units;
pub mod verdict;
// floor: what the program can touch
pub mod world;
// floor: the record
pub mod journal;
// floor: contracts
pub mod collector;
pub mod meter;
pub mod source;
// floor: families
pub mod collectors;
pub mod meters;
pub mod sources;
// floor: the agent
pub mod agent;
// floor: the roof
pub mod cli;
