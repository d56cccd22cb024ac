//! PostgreSQL.
#![expect(clippy::disallowed_types, reason = "this is the wall: real sockets are here")]

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{
    TryStreamExt as _,
    future::{BoxFuture, FutureExt as _},
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_postgres::{
    Client, SimpleQueryMessage, SimpleQueryStream,
    tls::{ChannelBinding, TlsConnect, TlsStream},
};
use tokio_rustls::TlsConnector;

use super::standing::stand;
use crate::world::dial::{DialError, Leave, Query, Rows, Server, Session, Sheet};

pub(super) async fn query(it: Query) -> Result<Rows, DialError> {
    let Query { host, port, user, password, database, privacy, statement, write, timeout } = it;
    let leave = if write { Leave::Together } else { Leave::Look };
    let server = Server { host, port, user, password, database, privacy };
    let statements = vec![statement];
    let session = Session { server, statements, leave, rows_max: usize::MAX, timeout };
    let mut rows = Rows { count: 0, value: None };
    for it in connected(session, 1).await? {
        rows.count = it.count;
        rows.value = it.rows.into_iter().next().and_then(|it| it.into_iter().next().flatten());
    }
    Ok(rows)
}

pub(super) async fn session(it: Session) -> Result<Vec<Sheet>, DialError> {
    connected(it, usize::MAX).await
}

/// Connects and asks; so many rows of each answer are kept.
async fn connected(session: Session, kept: usize) -> Result<Vec<Sheet>, DialError> {
    let (client, line) = stand(&session.server).await?;
    over(line, ask(&client, &session, kept)).await
}

/// Keeps the line going while something is asked over it.
async fn over<T>(
    line: impl Future<Output = Result<(), tokio_postgres::Error>>,
    ask: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    tokio::select! {
        biased;
        answer = ask => answer,
        ended = line => Err(match ended {
            Err(why) => told(&why),
            Ok(()) => DialError::NoAnswer("the server hung up".to_owned()),
        }),
    }
}

async fn ask(client: &Client, it: &Session, kept: usize) -> Result<Vec<Sheet>, DialError> {
    let ms = it.timeout.as_millis();
    // The server gives up as well: a look must not leave work behind.
    let (begin, end) = match it.leave {
        Leave::Look => ("BEGIN READ ONLY; SET LOCAL", "ROLLBACK"),
        Leave::Together => ("BEGIN; SET LOCAL", "COMMIT"),
        Leave::Each => ("SET", ""),
    };
    let begin = format!("{begin} statement_timeout = {ms}");
    client.batch_execute(&begin).await.map_err(|why| told(&why))?;
    let mut sheets = Vec::new();
    for statement in &it.statements {
        // The simple protocol would take several statements, of which one could end the
        // transaction; preparing takes one only.
        client.prepare(statement).await.map_err(|why| told(&why))?;
        let said = client.simple_query_raw(statement).await.map_err(|why| told(&why))?;
        sheets.push(sheet(said, (it.rows_max, kept)).await?);
    }
    client.batch_execute(end).await.map_err(|why| told(&why))?;
    Ok(sheets)
}

/// Takes an answer as it comes, so that one that is too long is never held.
async fn sheet(
    said: SimpleQueryStream,
    (rows_max, kept): (usize, usize),
) -> Result<Sheet, DialError> {
    let mut said = std::pin::pin!(said);
    let mut sheet = Sheet::default();
    while let Some(message) = said.try_next().await.map_err(|why| told(&why))? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                sheet.columns = columns.iter().map(|it| it.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(_) if sheet.rows.len() >= rows_max => {
                let why = format!("the answer has more than {rows_max} rows");
                return Err(DialError::NotACall(why));
            }
            SimpleQueryMessage::Row(row) if sheet.rows.len() < kept => {
                let value = |n| row.try_get(n).ok().flatten().map(str::to_owned);
                sheet.rows.push((0..row.len()).map(value).collect());
            }
            SimpleQueryMessage::CommandComplete(count) => sheet.count = count,
            _ => {}
        }
    }
    Ok(sheet)
}

/// Whose fault it is. What the server says of itself (SQLSTATE classes 08, 53, 57, 58, XX) is what
/// a probe is to see; what it says of the question, or of us, is not.
pub(super) fn told(why: &tokio_postgres::Error) -> DialError {
    match why.as_db_error() {
        Some(it) => {
            let said = format!("{} ({})", it.message(), it.code().code());
            let own = ["08", "53", "57", "58", "XX"];
            if own.iter().any(|class| it.code().code().starts_with(class)) {
                DialError::NoAnswer(said)
            } else {
                DialError::NotACall(said)
            }
        }
        None => DialError::NoAnswer(innermost(why)),
    }
}

pub(super) fn innermost(why: &dyn std::error::Error) -> String {
    let mut inner = why;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

pub(super) struct Tls {
    pub(super) config: rustls::ClientConfig,
    pub(super) name: ServerName<'static>,
}

pub(super) struct Private(tokio_rustls::client::TlsStream<TcpStream>);

impl TlsConnect<TcpStream> for Tls {
    type Stream = Private;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Private, std::io::Error>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        let connector = TlsConnector::from(Arc::new(self.config));
        async move { connector.connect(self.name, stream).await.map(Private) }.boxed()
    }
}

impl TlsStream for Private {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Private {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Private {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
