//! Conversations over real sockets.

mod program;
mod sql;
mod standing;
mod tcp;
mod tls;

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::world::{
    dial::{
        self, Datagram, Dial, DialError, Handshake, Query, Rows, Server, Sheet, Shown, Talk, Talked,
    },
    wire::{Program, Standing, Wire},
};

/// Holds real conversations.
#[derive(Debug, Default)]
pub struct LinuxDial;

impl Dial for LinuxDial {
    fn talk(&self, talk: Talk) -> BoxFuture<'_, Result<Talked, DialError>> {
        tcp::talk(talk).boxed()
    }

    fn datagram(&self, it: Datagram) -> BoxFuture<'_, Result<Vec<u8>, DialError>> {
        let timeout = it.timeout;
        within(timeout, tcp::datagram(it)).boxed()
    }

    fn handshake(&self, it: Handshake) -> BoxFuture<'_, Result<Shown, DialError>> {
        let timeout = it.timeout;
        within(timeout, tls::handshake(it)).boxed()
    }

    fn query(&self, it: Query) -> BoxFuture<'_, Result<Rows, DialError>> {
        let timeout = it.timeout;
        within(timeout, sql::query(it)).boxed()
    }

    fn session(&self, it: dial::Session) -> BoxFuture<'_, Result<Vec<Sheet>, DialError>> {
        let timeout = it.timeout;
        within(timeout, sql::session(it)).boxed()
    }
}

impl Wire for LinuxDial {
    fn standing(&self, server: Server) -> BoxFuture<'_, Result<Box<dyn Standing>, DialError>> {
        standing::standing(server).boxed()
    }

    fn program(&self, argv: Vec<String>) -> BoxFuture<'_, Result<Box<dyn Program>, DialError>> {
        async move { program::program(argv) }.boxed()
    }
}

async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(late(timeout)))
}

fn late(after: Duration) -> DialError {
    DialError::NoAnswer(format!("nothing within {} ms", after.as_millis()))
}
