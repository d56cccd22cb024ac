//! Takes an address and port, so that nobody else can.

use std::{convert::Infallible, net::SocketAddr};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use super::{rest, stands};

/// Binds `address` and neither listens nor answers: whoever connects is refused, as by a port that
/// nobody serves.
pub fn occupy(address: SocketAddr, datagrams: bool) -> Result<Infallible, String> {
    let no = |why: rustix::io::Errno| format!("could not take {address}: {why}");
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if datagrams { SocketType::DGRAM } else { SocketType::STREAM };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).map_err(no)?;
    bind(&socket, &address).map_err(no)?;
    stands(format!("{address} is taken"));
    loop {
        rest();
    }
}
