//! A connection to PostgreSQL that stays.
#![expect(clippy::disallowed_types, reason = "this is the wall: real sockets are here")]

use futures_util::future::{BoxFuture, FutureExt as _};
use rustls::pki_types::ServerName;
use tokio::{net::UnixStream, task::JoinHandle};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, config::SslMode};

use super::{
    sql::{Tls, innermost, told},
    tcp::{connect, sort},
    tls,
};
use crate::world::{
    dial::{DialError, Privacy, Server},
    wire::{Standing, Table, Unsaid},
};

/// What carries a connection: it must be driven for as long as anything is asked.
pub(super) type Line = BoxFuture<'static, Result<(), tokio_postgres::Error>>;

/// Connects.
pub(super) async fn stand(it: &Server) -> Result<(Client, Line), DialError> {
    let mut config = Config::new();
    config.user(&it.user).dbname(&it.database).application_name("holdfast");
    if let Some(password) = &it.password {
        config.password(password);
    }
    let told = |why: tokio_postgres::Error| told(&why);
    if it.host.starts_with('/') {
        let path = format!("{}/.s.PGSQL.{}", it.host, it.port);
        let stream = UnixStream::connect(path).await.map_err(|why| sort(&why))?;
        let (client, line) = config.connect_raw(stream, NoTls).await.map_err(told)?;
        return Ok((client, line.boxed()));
    }
    // An IPv6 address stands in brackets before its port.
    let host = if it.host.contains(':') { format!("[{}]", it.host) } else { it.host.clone() };
    let stream = connect(&format!("{host}:{}", it.port)).await?;
    match &it.privacy {
        Privacy::Plain => {
            config.ssl_mode(SslMode::Disable);
            let (client, line) = config.connect_raw(stream, NoTls).await.map_err(told)?;
            Ok((client, line.boxed()))
        }
        Privacy::Tls(trusted) => {
            config.ssl_mode(SslMode::Require);
            let name = ServerName::try_from(it.host.clone())
                .map_err(|_| DialError::NotACall(format!("`{}` is no name", it.host)))?;
            let tls = Tls { config: tls::strict(trusted.as_deref())?, name };
            let (client, line) = config.connect_raw(stream, tls).await.map_err(told)?;
            Ok((client, line.boxed()))
        }
    }
}

/// Connects, and keeps the connection. What this runs on must go on for as long.
pub(super) async fn standing(it: Server) -> Result<Box<dyn Standing>, DialError> {
    let (client, line) = stand(&it).await?;
    let line = tokio::spawn(async move {
        if let Err(why) = line.await {
            tracing::debug!("a connection ended: {}", innermost(&why));
        }
    });
    Ok(Box::new(Kept { client, line }))
}

struct Kept {
    client: Client,
    line: JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The server may hang: a farewell could wait for ever.
        self.line.abort();
    }
}

impl Standing for Kept {
    fn stands(&self) -> bool {
        !self.client.is_closed()
    }

    fn say(&mut self, statements: String) -> BoxFuture<'_, Result<Table, Unsaid>> {
        async move {
            // The simple protocol: the answer ends when the server is ready for more, which is
            // after the commit. (In the extended one a statement is "complete" before it.)
            let said = self.client.simple_query(&statements).await.map_err(|why| unsaid(&why))?;
            let rows = said.iter().filter_map(|it| match it {
                SimpleQueryMessage::Row(row) => {
                    let value = |n| row.try_get(n).ok().flatten().map(str::to_owned);
                    Some((0..row.len()).map(value).collect())
                }
                _ => None,
            });
            Ok(rows.collect())
        }
        .boxed()
    }
}

/// What the server says of the statement is a refusal; what it says of itself is not: whoever is
/// shut down in the middle of a commit may have committed.
fn unsaid(why: &tokio_postgres::Error) -> Unsaid {
    match told(why) {
        DialError::NotACall(why) => Unsaid::Refused(why),
        DialError::NotConnected(why) | DialError::NoAnswer(why) => Unsaid::Unknown(why),
    }
}
