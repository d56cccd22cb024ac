//! The real network, over netlink sockets of our own: no program, no library, no `unsafe`.

mod census;
mod devices;
mod diag;
pub mod dns;
pub mod door;
mod expr;
mod netlink;
pub mod nft;
pub mod question;
mod queues;
pub mod relay;
mod waiting;

use crate::world::{
    host::{HostError, Sent},
    net::{Connection, Direction, Net, Network, Roads, Table, Wait, Waited},
};

/// This machine's network, or the network namespace that this process is in.
pub struct LinuxNet;

impl Net for LinuxNet {
    fn rehearse(&self, table: &Table) -> Result<(), HostError> {
        nft::rehearse(table)
    }

    fn login_ports(&self) -> Result<Vec<u16>, HostError> {
        diag::login_ports()
    }

    fn connections(&self) -> Result<Vec<Connection>, HostError> {
        diag::connections()
    }

    fn can_reset(&self) -> Result<(), HostError> {
        diag::can_reset()
    }

    fn reset(&self, which: &Connection) -> Result<Sent, HostError> {
        diag::reset(which)
    }

    fn tables(&self) -> Result<Vec<String>, HostError> {
        census::tables()
    }

    fn queues(&self) -> Result<Vec<String>, HostError> {
        census::queues()
    }
    fn roads(&self, way: Direction, network: Option<Network>) -> Result<Roads, HostError> {
        waiting::roads(way, network)
    }

    fn make_wait(&self, it: &Wait) -> Result<(), HostError> {
        waiting::make(it)
    }

    fn waited(&self, it: &Wait) -> Result<Option<Waited>, HostError> {
        waiting::seen(it)
    }

    fn end_wait(&self, it: &Wait) -> Result<(), HostError> {
        waiting::end(it)
    }
}
