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
        net::{
            netlink::Socket,
            nft::{self, Owned},
        },
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
    /// By which others are led here. It is opened before all else, because a dying process closes
    /// last what it opened first: who is connected to us must hear of our end while what we say is
    /// still taken for the other side's word.
    leads: Socket,
    port: u16,
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

impl Door {
    /// A free port, for both protocols and, where there is one, both loopback addresses.
    pub(super) async fn open() -> Result<Self, String> {
        let leads = nft::open().map_err(|why| why.to_string())?;
        let mut last = io::Error::other("no port is free");
        for _ in 0..20 {
            match Self::listen().await {
                Ok((port, tcp, udp)) => return Ok(Self { leads, port, tcp, udp }),
                Err(why) => last = why,
            }
        }
        Err(format!("could not listen: {last}"))
    }

    async fn listen() -> io::Result<(u16, Vec<TcpListener>, Vec<UdpSocket>)> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = first.local_addr()?.port();
        let mut tcp = vec![first];
        let mut udp = vec![UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await?];
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(second) => {
                tcp.push(second);
                udp.push(UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).await?);
            }
            // There is no IPv6 here, so that nobody will come by it.
            Err(why) if why.kind() != io::ErrorKind::AddrInUse => {}
            Err(why) => return Err(why),
        }
        Ok((port, tcp, udp))
    }

    /// Leads to this door what `table` means; gives what listens at it.
    pub(super) fn lead(
        self,
        table: &Table,
    ) -> Result<(Owned, Vec<TcpListener>, Vec<UdpSocket>), String> {
        let harm = Harm::Redirect { port: self.port, mark: MARK };
        let table = Table { harm, ..table.clone() };
        let owned = Owned::stand_by(self.leads, &table).map_err(|why| why.to_string())?;
        Ok((owned, self.tcp, self.udp))
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
