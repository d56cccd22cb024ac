//! The sockets on which the agent listens: opened, or taken over from systemd.
#![expect(clippy::disallowed_types, reason = "this is the room where the agent's sockets live")]

use std::{
    fmt, io,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener as StdUnixListener},
    },
    path::PathBuf,
};

use rustix::{
    net::{AddressFamily, getsockname, sockopt},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::config::Listen;

/// The first descriptor that systemd hands over.
const FIRST_INHERITED: i32 = 3;

/// A socket that is listening.
pub(crate) enum Socket {
    Tcp(TcpListener),
    /// With the path to take away at the end, if we made it.
    Unix(UnixListener, Option<PathBuf>),
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(it) => match it.local_addr() {
                Ok(address) => address.fmt(f),
                Err(why) => write!(f, "? ({why})"),
            },
            Self::Unix(it, _) => {
                let address = it.local_addr().ok();
                let path = address.as_ref().and_then(|it| it.as_pathname());
                write!(f, "unix:{}", path.map(|it| it.display().to_string()).unwrap_or_default())
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix(_, Some(path)) = self {
            // Whoever took it away before us did the same.
            rustix::fs::unlink(&*path).unwrap_or_default();
        }
    }
}

/// Listens on an address.
pub(crate) async fn bind(listen: &Listen) -> io::Result<Socket> {
    match listen {
        Listen::Unix(path) => {
            if UnixStream::connect(path).await.is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            let is_socket = rustix::fs::lstat(path).is_ok_and(|it| {
                rustix::fs::FileType::from_raw_mode(it.st_mode) == rustix::fs::FileType::Socket
            });
            if is_socket {
                // Nobody answers: it was left behind by one that died.
                rustix::fs::unlink(path)?;
            }
            Ok(Socket::Unix(UnixListener::bind(path)?, Some(path.clone())))
        }
        Listen::Tcp { .. } => tcp(listen).await.map(Socket::Tcp),
    }
}

async fn tcp(listen: &Listen) -> io::Result<TcpListener> {
    let mut why = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in listen.candidates() {
        match TcpListener::bind(&candidate).await {
            Ok(listener) => return Ok(listener),
            Err(it) => {
                // Where IPv6 is switched off the first candidate fails, and the next one may not.
                let is_final =
                    matches!(it.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied);
                why = it;
                if is_final {
                    break;
                }
            }
        }
    }
    Err(why)
}

/// Takes over so many sockets from systemd, which has opened them for us.
pub(crate) fn inherit(count: u32) -> io::Result<Vec<Socket>> {
    let me: Pid = getpid();
    let me = pidfd_open(me, PidfdFlags::empty())?;
    let count = i32::try_from(count).unwrap_or(0);
    let take = |at: i32| {
        // A duplicate by way of the kernel: taking a bare number for a descriptor is not safe.
        socket(pidfd_getfd(&me, FIRST_INHERITED + at, PidfdGetfdFlags::empty())?)
    };
    (0..count).map(take).collect()
}

fn socket(inherited: OwnedFd) -> io::Result<Socket> {
    if !sockopt::socket_acceptconn(&inherited)? {
        return Err(io::Error::other("an inherited socket does not listen"));
    }
    match getsockname(&inherited)?.address_family() {
        AddressFamily::UNIX => {
            let listener = StdUnixListener::from(inherited);
            listener.set_nonblocking(true)?;
            Ok(Socket::Unix(UnixListener::from_std(listener)?, None))
        }
        AddressFamily::INET | AddressFamily::INET6 => {
            let listener = std::net::TcpListener::from(inherited);
            listener.set_nonblocking(true)?;
            Ok(Socket::Tcp(TcpListener::from_std(listener)?))
        }
        _ => Err(io::Error::other("an inherited socket is neither TCP nor Unix")),
    }
}

/// Tells systemd how we are; `to` is its socket's path, or `@` and an abstract name.
pub(crate) fn notify(to: &str, state: &str) -> io::Result<()> {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
    let address = match to.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(to)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}
