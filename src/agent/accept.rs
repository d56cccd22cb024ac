//! Connections: accepted, bounded, served, and let go in peace.
#![expect(clippy::disallowed_types, reason = "this is the room where the agent's sockets live")]

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{guard::Guard, listen::Socket};

/// Connections at a time. More wait in the kernel until one is let go.
const CONNECTIONS_MAX: usize = 512;
/// A request's head, and what is read ahead, take so many bytes of memory at most.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// So long may a client think before its request's head is complete.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// So long may it take to agree on keys.
const TLS_PATIENCE: Duration = Duration::from_secs(10);
/// So long may bytes lie unread at the other end, in milliseconds.
const UNREAD_MS_MAX: u32 = 30_000;
/// After an error of the system, such as too many descriptors, so long a pause.
const PAUSE: Duration = Duration::from_millis(100);

/// What all sockets share.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) router: Router,
    pub(crate) guard: Arc<Guard>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Front {
    pub(crate) fn new(router: Router, guard: Arc<Guard>, stopped: watch::Receiver<bool>) -> Self {
        Self { router, guard, room: Arc::new(Semaphore::new(CONNECTIONS_MAX)), stopped }
    }

    /// Serves a socket until it is time to stop, and then those who are still connected.
    pub(crate) async fn serve(self, socket: Socket) {
        let mut all = JoinSet::new();
        let mut stopped = self.stopped.clone();
        loop {
            while all.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { break };
            let front = self.clone();
            let outcome = tokio::select! {
                _ = stopped.wait_for(|it| *it) => break,
                outcome = accept(&socket) => outcome,
            };
            match outcome {
                Ok(stream) => {
                    all.spawn(async move {
                        front.greet(stream).await;
                        drop(place);
                    });
                }
                Err(why) => {
                    tracing::warn!("could not accept a connection: {why}");
                    sleep(PAUSE).await;
                }
            }
        }
        drop(socket);
        while all.join_next().await.is_some() {}
    }

    async fn greet(mut self, stream: Stream) {
        let policy = self.guard.policy().await;
        let may_tell = may_tell(stream.peer(), !policy.users.is_empty());
        self.router = self.router.layer(Extension(Teller(may_tell)));
        let tls = policy.tls.clone();
        match (stream, tls) {
            (Stream::Tcp(it), Some(tls)) => self.secure(it, TlsAcceptor::from(tls)).await,
            (Stream::Unix(it), Some(tls)) => self.secure(it, TlsAcceptor::from(tls)).await,
            (Stream::Tcp(it), None) => self.talk(it).await,
            (Stream::Unix(it), None) => self.talk(it).await,
        }
    }

    async fn secure<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S, tls: TlsAcceptor) {
        match timeout(TLS_PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.talk(stream).await,
            Ok(Err(why)) => tracing::info!("could not agree on keys with a client: {why}"),
            Err(_) => tracing::info!("could not agree on keys with a client: it took too long"),
        }
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let Self { router, mut stopped, .. } = self;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = std::pin::pin!(connection);
        let done = tokio::select! {
            done = &mut connection => done,
            () = async { drop(stopped.wait_for(|it| *it).await) } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(why) = done {
            tracing::debug!("a connection ended badly: {why}");
        }
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Stream {
    /// Who is at the other end of a network; none where there is no network.
    fn peer(&self) -> Option<IpAddr> {
        match self {
            // Whoever cannot be named is as good as far away.
            Self::Tcp(it) => it.peer_addr().map_or(Some(NOWHERE), |it| Some(it.ip())),
            Self::Unix(_) => None,
        }
    }
}

const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Whether this client may tell of business events: one on this machine, or one that the guard let
/// in by a password. Anybody may look; not anybody may make the figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teller(pub(crate) bool);

fn may_tell(peer: Option<IpAddr>, has_passwords: bool) -> bool {
    has_passwords || peer.is_none_or(|it| it.to_canonical().is_loopback())
}

async fn accept(socket: &Socket) -> io::Result<Stream> {
    match socket {
        Socket::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD_MS_MAX)?;
            Ok(Stream::Tcp(stream))
        }
        Socket::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_from_this_machine_or_by_a_password() {
        let peer = |it: &str| Some(it.parse().unwrap());
        for near in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"] {
            assert!(may_tell(peer(near), false), "{near}");
        }
        assert!(may_tell(None, false), "a socket in the file system is here");
        for far in ["192.0.2.7", "10.0.0.1", "fe80::1", "::ffff:192.0.2.7", "0.0.0.0"] {
            assert!(!may_tell(peer(far), false), "{far}");
            assert!(may_tell(peer(far), true), "{far}");
        }
    }
}
