//! Where redirected traffic comes in, and how ours goes out past the redirection.
#![expect(
    clippy::disallowed_types,
    reason = "this is the wall: redirected connections are taken here"
)]

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use rustix::net::sockopt::{ip_original_dst, ipv6_original_dst};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use crate::world::{
    linux::{
        hold::{self, Counts},
        net::nft::Owned,
    },
    net::{Harm, Table},
};

/// On what leaves us, so that it is not led back to us.
pub const MARK: u32 = 0x6866_6473;
/// How often it is told what was counted.
const TELLS_EVERY: Duration = Duration::from_millis(20);
/// How long the other side may take to be there.
const CONNECTS_MAX: Duration = Duration::from_secs(30);

/// A port of this machine's loopback addresses.
pub(super) struct Door {
    pub(super) port: u16,
    pub(super) tcp: Vec<TcpListener>,
    pub(super) udp: Vec<UdpSocket>,
}

impl Door {
    /// A free port, for both protocols and, where there is one, both loopback addresses.
    pub(super) async fn open() -> io::Result<Self> {
        let mut last = io::Error::other("no port is free");
        for _ in 0..20 {
            match Self::try_open().await {
                Ok(it) => return Ok(it),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    async fn try_open() -> io::Result<Self> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = first.local_addr()?.port();
        let mut it = Self { port, tcp: vec![first], udp: Vec::new() };
        it.udp.push(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await?);
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(second) => {
                it.tcp.push(second);
                it.udp.push(UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).await?);
            }
            // There is no IPv6 here, so that nobody will come by it.
            Err(why) if why.kind() != io::ErrorKind::AddrInUse => {}
            Err(why) => return Err(why),
        }
        Ok(it)
    }

    /// Leads to this door what `table` means.
    pub(super) fn lead(&self, table: &Table) -> Result<Owned, String> {
        let harm = Harm::Redirect { port: self.port, mark: MARK };
        Owned::stand(&Table { harm, ..table.clone() }).map_err(|why| why.to_string())
    }
}

/// Whither a redirected connection was meant to go.
pub(super) fn meant(it: &TcpStream) -> io::Result<SocketAddr> {
    Ok(match it.local_addr()?.ip() {
        IpAddr::V4(_) => ip_original_dst(it)?.into(),
        IpAddr::V6(_) => ipv6_original_dst(it)?.into(),
    })
}

/// Connects past the redirection.
pub(super) async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    SockRef::from(&socket).set_mark(MARK)?;
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(CONNECTS_MAX, socket.connect(to)).await.map_err(late)?
}

/// A socket for datagrams that go to `to` past the redirection.
pub(super) async fn datagrams(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    SockRef::from(&socket).set_mark(MARK)?;
    socket.connect(to).await?;
    Ok(socket)
}

/// Says what was counted, for ever.
pub(super) async fn tell(counts: impl Fn() -> Counts) -> std::convert::Infallible {
    loop {
        hold::count(counts());
        tokio::time::sleep(TELLS_EVERY).await;
    }
}

/// What serving needs.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|why| format!("could not begin to serve: {why}"))
}
