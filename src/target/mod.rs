//! Whom an act may touch: found in `plan`, and never again.

mod cgroup;
mod choose;
pub mod postgres;
mod process;

pub use choose::{Targets, may_signal, named, one, refuse_port};
pub use process::ProcessTarget;
