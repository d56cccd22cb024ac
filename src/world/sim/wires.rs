//! Nobody takes a line on a simulated machine.

use futures_util::future::{BoxFuture, FutureExt as _};

use super::Sim;
use crate::world::{
    dial::{DialError, Server},
    wire::{Program, Standing, Wire},
};

impl Wire for Sim {
    fn standing(&self, server: Server) -> BoxFuture<'_, Result<Box<dyn Standing>, DialError>> {
        async move { Err(DialError::NotConnected(format!("nobody is at {}", server.host))) }.boxed()
    }

    fn program(&self, _: Vec<String>) -> BoxFuture<'_, Result<Box<dyn Program>, DialError>> {
        async move { Err(DialError::NotACall("no program is here".to_owned())) }.boxed()
    }
}
