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
    net::{Connection, Direction, Net, Network, Roads, Table, Wait, Waited},
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

    fn roads(&self, _: Direction, _: Option<Network>) -> Result<Roads, HostError> {
        Ok(Roads { exits: vec!["lo".to_owned()], entries: vec!["eth0".to_owned()] })
    }

    fn make_wait(&self, it: &Wait) -> Result<(), HostError> {
        self.whole(|machine| machine.waits.insert(it.class)).map(drop)
    }

    fn waited(&self, it: &Wait) -> Result<Option<Waited>, HostError> {
        let stands = self.lock().0.waits.contains(&it.class);
        Ok(stands.then_some(Waited { passed: 1, waiting: 0 }))
    }

    fn end_wait(&self, it: &Wait) -> Result<(), HostError> {
        self.whole(|machine| machine.waits.remove(&it.class)).map(drop)
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
