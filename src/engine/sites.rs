//! What sites use, read while a run is played: here from the kernel, elsewhere from a Prometheus.

mod group;
mod kernel;
mod local;
mod remote;

pub(super) use self::{local::LocalSites, remote::watch};
