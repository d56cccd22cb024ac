//! The gateway's door. When there are no descriptors left it stays shut, and opens by itself when
//! there are: nobody who waits before it is sent away, and nobody inside notices.
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{io, net::SocketAddr, time::Duration};

use prometheus_client::metrics::counter::Counter;
use tokio::net::{TcpListener, TcpStream};

/// Before it is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// A listener that counts whom it could not take in.
pub(super) struct Door {
    inner: TcpListener,
    /// How often nobody could be taken in.
    failed: Counter,
    shut: bool,
}

impl Door {
    pub(super) fn new(inner: TcpListener, failed: Counter) -> Self {
        Self { inner, failed, shut: false }
    }
}

impl axum::serve::Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok(it) => {
                    if std::mem::take(&mut self.shut) {
                        tracing::info!("takes connections in again");
                    }
                    return it;
                }
                Err(why) => {
                    self.failed.inc();
                    if !std::mem::replace(&mut self.shut, true) {
                        tracing::warn!(%why, "could not take a connection in");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}
