//! The floor plan, from the ground up. A module imports only from its own floor or from floors below.
//!
//! Singular names are contracts (`action`), plural names are families of kinds (`faults`).
//! `tests/it/tidy.rs` holds this plan against the code's own imports.

// floor: words that mean the same everywhere
pub mod about;
pub mod units;
pub mod verdict;
// floor: the record
pub mod journal;
// floor: the miniature bank
pub mod sandbox;
// floor: the roof
pub mod cli;
