//! The floor plan, from the ground up. A module imports only from its own floor or from floors
//! below.
//!
//! Singular names are contracts (`action`), plural names are families of kinds (`faults`).
//! `tests/it/tidy.rs` holds this plan against the code's own imports.

// floor: words that mean the same everywhere
pub mod about;
pub mod pattern;
pub mod units;
pub mod verdict;
// floor: what the user wrote
pub mod manifest;
// floor: what the program can touch
pub mod world;
// floor: the record
pub mod journal;
// floor: what a run showed
pub mod evidence;
pub mod report;
// floor: contracts
pub mod action;
pub mod collector;
pub mod container;
pub mod export;
pub mod group;
pub mod held;
pub mod inspection;
pub mod ledger;
pub mod meter;
pub mod probe;
pub mod source;
pub mod target;
pub mod traffic;
// floor: the script
pub mod script;
// floor: the player
pub mod engine;
// floor: families, one file a kind
pub mod collectors;
pub mod faults;
pub mod ledgers;
pub mod meters;
pub mod probes;
pub mod reports;
pub mod sources;
pub mod steps;
// floor: the one place that knows every family
pub mod registry;
// floor: the agent
pub mod agent;
// floor: the miniature bank
pub mod sandbox;
// floor: the roof
pub mod cli;
