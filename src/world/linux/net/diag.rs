//! TCP connections: listed and ended over the kernel's socket diagnosis.
//!
//! The numbers are those of `include/uapi/linux/{sock_diag,inet_diag}.h`.
#![expect(clippy::disallowed_methods, reason = "this is the wall: /proc is read here")]

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::{
    io::Errno,
    net::netlink::SOCK_DIAG,
    thread::{CapabilitySet, capabilities},
};

use crate::world::{
    host::{HostError, Sent},
    linux::net::netlink::{ACK, Message, Socket},
    net::Connection,
    netlink::{DUMP, message},
};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `SOCK_DESTROY`.
const DESTROY: u16 = 21;
const TCP: u8 = 6;
const INET: u8 = 2;
const INET6: u8 = 10;
/// `1 << TCP_ESTABLISHED`.
const ESTABLISHED: u32 = 1 << 1;
/// `1 << TCP_LISTEN`.
const LISTEN: u32 = 1 << 10;

/// A socket, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    connection: Connection,
    inode: u32,
}

/// A connection's place in `inet_diag_sockid`: ports, addresses, device, cookie.
fn place(it: &Connection) -> Vec<u8> {
    let address = |it: IpAddr| match it {
        IpAddr::V4(it) => [&it.octets()[..], &[0; 12]].concat(),
        IpAddr::V6(it) => it.octets().to_vec(),
    };
    let mut all = Vec::new();
    all.extend(it.local.port().to_be_bytes());
    all.extend(it.peer.port().to_be_bytes());
    all.extend(address(it.local.ip()));
    all.extend(address(it.peer.ip()));
    all.extend(it.device.to_ne_bytes());
    all.extend(it.cookie.to_ne_bytes());
    all
}

/// `inet_diag_req_v2`.
fn request(family: u8, states: u32, place: &[u8]) -> Vec<u8> {
    let mut all = vec![family, TCP, 0, 0];
    all.extend(states.to_ne_bytes());
    all.extend(place);
    all.resize(56, 0);
    all
}

fn open() -> Result<Socket, HostError> {
    Socket::open(Some(SOCK_DIAG)).map_err(|why| match why {
        Errno::PROTONOSUPPORT => {
            HostError::os("list connections", "this kernel lacks CONFIG_INET_DIAG")
        }
        why => HostError::os("open a netlink socket", why),
    })
}

fn list(states: u32) -> Result<Vec<Found>, HostError> {
    let socket = open()?;
    let mut all = Vec::new();
    for family in [INET, INET6] {
        let answer = socket.ask(&message(BY_FAMILY, DUMP, 0, &request(family, states, &[])));
        let answer = answer.map_err(|why| match why {
            Errno::NOENT => {
                HostError::os("list connections", "this kernel lacks CONFIG_INET_TCP_DIAG")
            }
            why => HostError::os("list connections", why),
        })?;
        all.extend(answer.iter().filter_map(found));
    }
    all.sort_by(|a, b| a.connection.cmp(&b.connection));
    Ok(all)
}

/// `inet_diag_msg`.
fn found(it: &Message) -> Option<Found> {
    let body = it.body.as_slice();
    let family = *body.first()?;
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| -> Option<IpAddr> {
        match family {
            INET => Some(Ipv4Addr::from(*body.get(at..)?.first_chunk::<4>()?).into()),
            INET6 => Some(Ipv6Addr::from(*body.get(at..)?.first_chunk::<16>()?).into()),
            _ => None,
        }
    };
    let number = |at: usize| Some(u32::from_ne_bytes(*body.get(at..)?.first_chunk::<4>()?));
    let connection = Connection {
        local: SocketAddr::new(address(8)?, port(4)?),
        peer: SocketAddr::new(address(24)?, port(6)?),
        device: number(40)?,
        cookie: u64::from_ne_bytes(*body.get(44..)?.first_chunk::<8>()?),
        user: number(64)?,
    };
    Some(Found { connection, inode: number(68)? })
}

/// Connections that stand.
pub(super) fn connections() -> Result<Vec<Connection>, HostError> {
    Ok(list(ESTABLISHED)?.into_iter().map(|it| it.connection).collect())
}

/// Whether connections can be ended: the kernel is asked to end one that cannot be.
pub(super) fn can_reset() -> Result<(), HostError> {
    let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    reset(&Connection { local: nobody, peer: nobody, device: 0, cookie: 0, user: 0 })?;
    let powers = capabilities(None).map_err(|why| HostError::os("see our own powers", why))?;
    if powers.effective.contains(CapabilitySet::NET_ADMIN) {
        return Ok(());
    }
    Err(HostError::os("reset a connection", reason(Errno::PERM)))
}

/// Ends one.
pub(super) fn reset(which: &Connection) -> Result<Sent, HostError> {
    let family = if which.local.is_ipv4() { INET } else { INET6 };
    let wish = request(family, u32::MAX, &place(which));
    match open()?.ask(&message(DESTROY, ACK, 0, &wish)) {
        Ok(_) => Ok(Sent::Delivered),
        Err(Errno::NOENT) => Ok(Sent::Gone),
        Err(why) => Err(HostError::os("reset a connection", reason(why))),
    }
}

fn reason(why: Errno) -> String {
    match why {
        Errno::OPNOTSUPP | Errno::INVAL => "this kernel lacks CONFIG_INET_DIAG_DESTROY".to_owned(),
        Errno::PERM | Errno::ACCESS => {
            "CAP_NET_ADMIN is needed: run as root, or in a network of your own, as \
             `unshare -Urn` makes one"
                .to_owned()
        }
        why => why.to_string(),
    }
}

/// Ports at which people log in: 22, and those at which an `sshd` listens. Without root, only one's
/// own sshd can be seen to.
pub(super) fn login_ports() -> Result<Vec<u16>, HostError> {
    let mut all = BTreeSet::from([22]);
    let mut inodes = BTreeSet::new();
    let folders = fs::read_dir("/proc").map_err(|why| HostError::os("read /proc", why))?;
    for folder in folders.flatten().map(|it| it.path()) {
        if fs::read_to_string(folder.join("comm")).is_ok_and(|it| it.trim() == "sshd") {
            let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
            let links = files.filter_map(|it| fs::read_link(it.path()).ok());
            inodes.extend(links.filter_map(|it| {
                let text = it.to_string_lossy().into_owned();
                text.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u32>().ok()
            }));
        }
    }
    if !inodes.is_empty() {
        let listening = list(LISTEN)?.into_iter().filter(|it| inodes.contains(&it.inode));
        all.extend(listening.map(|it| it.connection.local.port()));
    }
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_read_as_it_is_asked_for() {
        let it = Connection {
            local: "10.0.0.1:80".parse().unwrap(),
            peer: "10.0.0.2:4000".parse().unwrap(),
            device: 3,
            cookie: 0x0102_0304_0506_0708,
            user: 1_000,
        };
        let mut body = vec![INET, 1, 0, 0];
        body.extend(place(&it));
        body.resize(64, 0);
        body.extend(1_000_u32.to_ne_bytes());
        body.extend(77_u32.to_ne_bytes());
        let message = Message { kind: BY_FAMILY, body };
        assert_eq!(found(&message), Some(Found { connection: it, inode: 77 }));
        assert_eq!(found(&Message { kind: BY_FAMILY, body: vec![INET; 20] }), None);
    }

    #[test]
    fn a_kernel_that_cannot_end_connections_is_told_by_name() {
        assert!(reason(Errno::OPNOTSUPP).contains("CONFIG_INET_DIAG_DESTROY"));
        assert!(reason(Errno::PERM).contains("CAP_NET_ADMIN"));
    }
}
