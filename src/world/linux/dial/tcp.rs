//! TCP and UDP.
#![expect(clippy::disallowed_types, reason = "this is the wall: real sockets are here")]

use std::{io, time::Duration};

use rustix::io::Errno;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket, lookup_host},
    time::{Instant, timeout_at},
};

use super::late;
use crate::world::dial::{Datagram, DialError, Enough, HEARD_MAX, Talk, Talked};

/// A connection with `to`, which is `host:port`.
pub(super) async fn connect(to: &str) -> Result<TcpStream, DialError> {
    let stream = TcpStream::connect(to).await.map_err(|why| sort(&why))?;
    // On loopback, a call to a port that is free can be answered by the caller itself.
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        return Err(DialError::NotConnected("nobody is there".to_owned()));
    }
    // Without it a small question waits for a full segment.
    stream.set_nodelay(true).map_err(|why| sort(&why))?;
    Ok(stream)
}

/// Whose fault it is: whoever has run out of descriptors cannot say that a service is down.
pub(super) fn sort(why: &io::Error) -> DialError {
    let own = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
        Errno::PERM,
        Errno::ACCESS,
    ];
    let said = why.to_string();
    let number = why.raw_os_error();
    if number.is_some_and(|it| own.map(Errno::raw_os_error).contains(&it))
        || why.kind() == io::ErrorKind::InvalidInput
    {
        DialError::NotACall(said)
    } else {
        DialError::NotConnected(said)
    }
}

pub(super) async fn talk(talk: Talk) -> Result<Talked, DialError> {
    let begun = Instant::now();
    let deadline = begun + talk.timeout;
    let Ok(stream) = timeout_at(deadline, connect(&talk.to)).await else {
        let why = format!("nothing within {} ms", talk.timeout.as_millis());
        return Err(DialError::NotConnected(why));
    };
    let mut stream = stream?;
    let connected_in = begun.elapsed();
    let mut heard = Vec::new();
    let short = match timeout_at(deadline, exchange(&mut stream, &talk, &mut heard)).await {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why.to_string()),
        Err(_) => Some(late(talk.timeout).to_string()),
    };
    Ok(Talked { connected_in, heard, short })
}

async fn exchange(stream: &mut TcpStream, talk: &Talk, heard: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(&talk.say).await?;
    match &talk.enough {
        Some(enough) => hear(stream, enough, heard).await,
        None => Ok(()),
    }
}

async fn hear(stream: &mut TcpStream, enough: &Enough, heard: &mut Vec<u8>) -> io::Result<()> {
    let mut some = [0; 4096];
    while !enough(heard) {
        let more = stream.read(&mut some).await?;
        if more == 0 {
            return Err(io::Error::other("it hung up before it had said that"));
        }
        if heard.len() + more > HEARD_MAX {
            return Err(io::Error::other(format!("it said more than {HEARD_MAX} bytes")));
        }
        heard.extend_from_slice(some.get(..more).unwrap_or(&[]));
    }
    Ok(())
}

pub(super) async fn datagram(it: Datagram) -> Result<Vec<u8>, DialError> {
    let to = lookup_host(&it.to).await.map_err(|why| sort(&why))?.next();
    let to = to.ok_or_else(|| DialError::NotConnected(format!("{} has no address", it.to)))?;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await.map_err(|why| sort(&why))?;
    // Connected: the kernel passes over what others send, and tells of a port where nobody is.
    socket.connect(to).await.map_err(|why| sort(&why))?;
    socket.send(&it.say).await.map_err(|why| sort(&why))?;
    let mut heard = vec![0; HEARD_MAX];
    loop {
        let size = socket.recv(&mut heard).await.map_err(|why| sort(&why))?;
        let answer = heard.get(..size).unwrap_or_default();
        if answer.get(..2) == it.say.get(..2) {
            return Ok(answer.to_owned());
        }
    }
}

/// The longest that a hang-up may take.
pub(super) const BYE_MAX: Duration = Duration::from_millis(100);
