//! What Holdfast promises, tried from outside. One binary, so that it links once.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the wall around effects is for the house, not for those who inspect it"
)]

mod agent;
mod artifacts;
mod beside;
mod chaos;
mod consent;
mod course;
mod crash;
mod demo;
mod docs;
mod drill;
mod evidence;
mod golden;
mod ground;
mod hostile;
mod journal;
mod laws;
mod ledgers;
mod manifest;
mod net;
mod pipelines;
mod postgres;
mod postgres_drills;
mod probes;
mod runs;
mod sandbox;
mod sandbox_drills;
mod scenarios;
mod schema;
mod sites;
mod stage;
mod targets;
mod terminal;
mod tidy;
mod together;
