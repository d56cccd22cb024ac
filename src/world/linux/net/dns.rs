//! A resolver that lies about some names, and asks whom it was meant to be for the rest.
#![expect(clippy::disallowed_types, reason = "this is the wall: a server of names is here")]

use std::{
    cell::Cell,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use rustix::{io::Errno, net::netlink};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::LocalSet,
};

use crate::world::{
    linux::{
        hold::Counts,
        net::{
            door::{self, Door},
            netlink::{Attrs, Socket, attr},
            question::{self, Question},
        },
    },
    net::Table,
    netlink::message,
};

/// How long a resolver may take to answer, and a client to go on.
const ANSWERS_MAX: Duration = Duration::from_secs(10);
/// The longest datagram.
const DATAGRAM_MAX: usize = 64 * 1024;
/// How many questions may be open at a time; more are lost, as a busy resolver loses them.
const OPEN_MAX: usize = 512;

/// What is said of which names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lie {
    /// The names, in lower case; `*.example` is all below.
    pub names: Vec<String>,
    /// What is said.
    pub said: Said,
}

/// An answer that is not true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing.
    Timeout,
    /// A code: 2 SERVFAIL, 3 NXDOMAIN.
    Code(u8),
    /// An address.
    Address(IpAddr),
}

/// What all questions share.
struct Liar {
    lie: Lie,
    counts: Cell<Counts>,
    open: Semaphore,
}

/// Lies until the kernel ends us.
pub fn hold(table: &Table, lie: Lie) -> Result<Infallible, String> {
    let liar = Rc::new(Liar { lie, counts: Cell::default(), open: Semaphore::new(OPEN_MAX) });
    LocalSet::new().block_on(&door::runtime()?, async {
        let opened = Door::open().await?;
        let conntrack = Socket::open(Some(netlink::NETFILTER))
            .map_err(|why| format!("could not open a netlink socket: {why}"))?;
        can_look_up(&conntrack)?;
        let conntrack = Rc::new(conntrack);
        // It stands as long as the loop below, which never ends.
        let (_owned, tcp, udp) = opened.lead(table)?;
        for it in udp {
            tokio::task::spawn_local(datagrams(it, Rc::clone(&liar), Rc::clone(&conntrack)));
        }
        for it in tcp {
            tokio::task::spawn_local(connections(it, Rc::clone(&liar)));
        }
        Ok(door::tell(|| liar.counts.get()).await)
    })
}

impl Liar {
    /// What is to be said; `Ok` is not true, and `Err` says that the truth is wanted.
    fn lies(&self, query: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        let Counts { seen, harmed } = self.counts.get();
        let asked = question::question(query);
        let fits = |it: &Question| question::fits(&it.name, &self.lie.names);
        let asked = asked.filter(fits);
        let harmed = harmed + u64::from(asked.is_some());
        self.counts.set(Counts { seen: seen + 1, harmed });
        let asked = asked.ok_or(())?;
        Ok(match self.lie.said {
            Said::Timeout => None,
            Said::Code(code) => Some(question::failed(query, &asked, code)),
            Said::Address(it) => Some(question::address(query, &asked, it)),
        })
    }
}

async fn datagrams(socket: UdpSocket, liar: Rc<Liar>, conntrack: Rc<Socket>) {
    let socket = Rc::new(socket);
    let mut query = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut query).await else { continue };
        let query = query.get(..length).unwrap_or_default().to_vec();
        let (socket, liar) = (Rc::clone(&socket), Rc::clone(&liar));
        let conntrack = Rc::clone(&conntrack);
        tokio::task::spawn_local(async move {
            let Ok(_open) = liar.open.try_acquire() else { return };
            let said = match liar.lies(&query) {
                Ok(lie) => Ok(lie),
                Err(()) => truth(&query, (&socket, from), &conntrack).await.map(Some),
            };
            let sent = match said {
                Ok(Some(it)) => socket.send_to(&it, from).await.map(drop),
                Ok(None) => Ok(()),
                Err(why) => Err(why),
            };
            if let Err(why) = sent {
                tracing::debug!("a question of {from} has no answer: {why}");
            }
        });
    }
}

/// Asks whom the client asked.
async fn truth(
    query: &[u8],
    (socket, from): (&UdpSocket, SocketAddr),
    conntrack: &Socket,
) -> io::Result<Vec<u8>> {
    let to = meant(conntrack, socket.local_addr()?, from)?;
    let upstream = door::datagrams(to).await?;
    upstream.send(query).await?;
    let mut said = vec![0; DATAGRAM_MAX];
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let length =
        tokio::time::timeout(ANSWERS_MAX, upstream.recv(&mut said)).await.map_err(late)??;
    said.truncate(length);
    Ok(said)
}

async fn connections(listener: TcpListener, liar: Rc<Liar>) {
    loop {
        let Ok((client, from)) = listener.accept().await else {
            // No descriptor is left, for instance: others will end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let liar = Rc::clone(&liar);
        tokio::task::spawn_local(async move {
            let Ok(_open) = liar.open.try_acquire() else { return };
            if let Err(why) = converse(client, &liar).await {
                tracing::debug!("{from} goes: {why}");
            }
        });
    }
}

/// Question after question, until the client goes.
async fn converse(mut client: TcpStream, liar: &Liar) -> io::Result<()> {
    let to = door::meant(&client)?;
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    let mut upstream = None;
    loop {
        let asked = tokio::time::timeout(ANSWERS_MAX, take(&mut client)).await;
        let query = asked.map_err(late)??;
        let said = match liar.lies(&query) {
            Ok(Some(it)) => it,
            Ok(None) => continue,
            Err(()) => {
                let mut there = match upstream.take() {
                    Some(it) => it,
                    None => door::connect(to).await?,
                };
                give(&mut there, &query).await?;
                let said = tokio::time::timeout(ANSWERS_MAX, take(&mut there)).await;
                upstream = Some(there);
                said.map_err(late)??
            }
        };
        give(&mut client, &said).await?;
    }
}

/// A message over TCP bears its length (RFC 1035, 4.2.2).
async fn take(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut it = vec![0; usize::from(from.read_u16().await?)];
    from.read_exact(&mut it).await?;
    Ok(it)
}

async fn give(to: &mut TcpStream, it: &[u8]) -> io::Result<()> {
    let length = u16::try_from(it.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), it].concat()).await
}

/// `IPCTNL_MSG_CT_GET`.
const GET: u16 = 1 << 8 | 1;
const UDP: u8 = 17;

/// The kernel's note of a redirected datagram, found by the answer that it expects.
fn note(conntrack: &Socket, near: SocketAddr, client: SocketAddr) -> Result<SocketAddr, Errno> {
    let (family, source, target) = if near.is_ipv4() { (2, 1, 2) } else { (10, 3, 4) };
    let octets = |it: IpAddr| match it {
        IpAddr::V4(it) => it.octets().to_vec(),
        IpAddr::V6(it) => it.octets().to_vec(),
    };
    let addresses = Attrs::new().raw(source, &octets(near.ip())).raw(target, &octets(client.ip()));
    let ports = Attrs::new().raw(1, &[UDP]).raw(2, &near.port().to_be_bytes());
    let ports = ports.raw(3, &client.port().to_be_bytes());
    let expected = Attrs::new().nest(1, &addresses).nest(2, &ports);
    let wish = Attrs::new().nest(2, &expected).0;
    let wish = [&[family, 0, 0, 0], wish.as_slice()].concat();
    let answer = conntrack.ask(&message(GET, 0, 0, &wish))?;
    let read = || {
        let first = attr(answer.first()?.body.get(4..)?, 1)?;
        let (addresses, ports) = (attr(first, 1)?, attr(first, 2)?);
        let port = u16::from_be_bytes(attr(ports, 3)?.try_into().ok()?);
        let octets = attr(addresses, target)?;
        let ip = match near {
            SocketAddr::V4(_) => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
            SocketAddr::V6(_) => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
        };
        Some(SocketAddr::new(ip, port))
    };
    read().ok_or(Errno::BADMSG)
}

/// Whom a redirected datagram was meant for.
fn meant(conntrack: &Socket, near: SocketAddr, client: SocketAddr) -> io::Result<SocketAddr> {
    note(conntrack, near, client).map_err(io::Error::from)
}

/// Whether the kernel tells whom datagrams were meant for: it is asked for one that never was.
fn can_look_up(conntrack: &Socket) -> Result<(), String> {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    match note(conntrack, nobody, nobody) {
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::INVAL) => {
            Err("could not redirect DNS: this kernel lacks CONFIG_NF_CT_NETLINK".to_owned())
        }
        Err(why) => Err(format!("could not redirect DNS: {why}")),
    }
}
