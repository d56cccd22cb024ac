//! The last look before an acknowledgement leaves: connections that ask the fencing token.
//!
//! A look in the request's handler would leave a gap between look and write, in which a frozen
//! primary could be fenced and, thawed, still acknowledge. So the look is at the write itself,
//! under the lock that `fence::raise` takes: there is no gap.
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs::File,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use rustix::fs::{FlockOperation, flock};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use crate::sandbox::fence::Token;

/// Compares a core's epoch with its fencing token.
#[derive(Debug)]
pub(super) struct Gate {
    token: Token,
    lock: File,
    epoch: AtomicU64,
}

impl Gate {
    pub(super) fn new(token: Token, epoch: u64) -> io::Result<Arc<Self>> {
        let lock = token.lock_file()?;
        Ok(Arc::new(Self { token, lock, epoch: AtomicU64::new(epoch) }))
    }

    /// The token that fences this core, if one does.
    pub(super) fn fenced(&self) -> Option<u64> {
        let token = self.token.read();
        (token > self.epoch.load(Ordering::SeqCst)).then_some(token)
    }

    /// The core has entered another epoch.
    pub(super) fn enter(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::SeqCst);
    }

    /// Does something that must not happen once fenced; an error if it is or is just being.
    fn pass<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        // Refused means that somebody is fencing this very moment.
        flock(&self.lock, FlockOperation::NonBlockingLockShared)
            .map_err(|_| io::ErrorKind::ConnectionReset)?;
        let done = match self.fenced() {
            None => Ok(act()),
            Some(_) => Err(io::ErrorKind::ConnectionReset.into()),
        };
        flock(&self.lock, FlockOperation::Unlock)?;
        done
    }
}

/// Listens, and watches what leaves.
#[derive(Debug)]
pub(super) struct GatedListener {
    pub(super) inner: TcpListener,
    pub(super) gate: Arc<Gate>,
}

/// Whether the answer that is on its way on one connection is an acknowledgement.
#[derive(Debug, Clone, Default)]
pub(super) struct Acknowledging(Arc<AtomicBool>);

impl Acknowledging {
    /// Says what the next answer on this connection is.
    pub(super) fn set(&self, it_is: bool) {
        self.0.store(it_is, Ordering::SeqCst);
    }
}

/// A connection whose acknowledgements pass the gate or break it off.
#[derive(Debug)]
pub(super) struct GatedStream {
    inner: TcpStream,
    gate: Arc<Gate>,
    acknowledging: Acknowledging,
}

impl axum::serve::Listener for GatedListener {
    type Io = GatedStream;
    type Addr = (SocketAddr, Acknowledging);

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (inner, address) = axum::serve::Listener::accept(&mut self.inner).await;
        if let Err(why) = inner.set_nodelay(true) {
            tracing::debug!(%why, "could not turn off Nagle's algorithm");
        }
        let acknowledging = Acknowledging::default();
        let gate = Arc::clone(&self.gate);
        let stream = GatedStream { inner, gate, acknowledging: acknowledging.clone() };
        (stream, (address, acknowledging))
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok((self.inner.local_addr()?, Acknowledging::default()))
    }
}

impl Connected<IncomingStream<'_, GatedListener>> for Acknowledging {
    fn connect_info(stream: IncomingStream<'_, GatedListener>) -> Self {
        stream.remote_addr().1.clone()
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gate = Arc::clone(&self.gate);
        let acknowledging = self.acknowledging.0.load(Ordering::SeqCst);
        let mut write = || Pin::new(&mut self.inner).poll_write(cx, bytes);
        if acknowledging {
            gate.pass(write).unwrap_or_else(|why| Poll::Ready(Err(why)))
        } else {
            write()
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
