//! The simulated machine's network: connections that can be reset, and services that take calls.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::Sim;
use crate::world::{
    dial::{
        Datagram, Dial, DialError, Handshake, Leave, Query, Rows, Session, Sheet, Shown, Talk,
        Talked,
    },
    host::{HostError, Sent},
    net::{Connection, Net, Table},
};

impl Net for Sim {
    fn rehearse(&self, _: &Table) -> Result<(), HostError> {
        Ok(())
    }

    fn login_ports(&self) -> Result<Vec<u16>, HostError> {
        Ok(vec![22])
    }

    fn connections(&self) -> Result<Vec<Connection>, HostError> {
        Ok(self.lock().0.connections.iter().cloned().collect())
    }

    fn can_reset(&self) -> Result<(), HostError> {
        Ok(())
    }

    fn reset(&self, which: &Connection) -> Result<Sent, HostError> {
        let gone = !self.lock().0.connections.contains(which);
        self.whole(|machine| machine.connections.remove(which))?;
        Ok(if gone { Sent::Gone } else { Sent::Delivered })
    }

    fn tables(&self) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }

    fn queues(&self) -> Result<Vec<String>, HostError> {
        Ok(Vec::new())
    }
}

/// Nobody on a simulated machine speaks anything but HTTP; services that `web` names take calls.
impl Dial for Sim {
    fn talk(&self, talk: Talk) -> BoxFuture<'_, Result<Talked, DialError>> {
        let there = self.lock().0.web.keys().any(|it| it.contains(&talk.to));
        let answer = if there {
            Ok(Talked { connected_in: Duration::ZERO, heard: Vec::new(), short: None })
        } else {
            Err(nobody(&talk.to))
        };
        async move { answer }.boxed()
    }

    fn datagram(&self, it: Datagram) -> BoxFuture<'_, Result<Vec<u8>, DialError>> {
        async move { Err(nobody(&it.to)) }.boxed()
    }

    fn handshake(&self, it: Handshake) -> BoxFuture<'_, Result<Shown, DialError>> {
        async move { Err(nobody(&it.to)) }.boxed()
    }

    fn query(&self, it: Query) -> BoxFuture<'_, Result<Rows, DialError>> {
        async move { Err(nobody(&it.host)) }.boxed()
    }

    fn session(&self, it: Session) -> BoxFuture<'_, Result<Vec<Sheet>, DialError>> {
        async move {
            if it.leave == Leave::Look {
                return Err(nobody(&it.server.host));
            }
            // Every statement is obeyed, and brings nothing.
            let obeyed = self.whole(|machine| machine.commands.push(it.statements.clone()));
            obeyed.map_err(|why| DialError::NoAnswer(why.to_string()))?;
            Ok(it.statements.iter().map(|_| Sheet::default()).collect())
        }
        .boxed()
    }
}

fn nobody(to: &str) -> DialError {
    DialError::NotConnected(format!("nobody is at {to}"))
}
