//! Faults of the network, on networks that the tests make for themselves: what is lost, cut and
//! slowed is measured from outside, by plain sockets.

pub(crate) mod bench;
mod calls;
mod connections;
mod names;
mod packets;
mod rate;
mod waiting;
