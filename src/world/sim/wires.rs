//! Nobody takes a line on a simulated machine.

use futures_util::future::{BoxFuture, FutureExt as _};

use super::Sim;
use crate::world::{
    dial::DialError,
    wire::{Login, Program, Session, Wire},
};

impl Wire for Sim {
    fn session(&self, login: Login) -> BoxFuture<'_, Result<Box<dyn Session>, DialError>> {
        async move { Err(DialError::NotConnected(format!("nobody is at {}", login.host))) }.boxed()
    }

    fn program(&self, _: Vec<String>) -> BoxFuture<'_, Result<Box<dyn Program>, DialError>> {
        async move { Err(DialError::NotACall("no program is here".to_owned())) }.boxed()
    }
}
