//! A former primary becomes a standby again.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]

use std::fs;

use super::{
    Book, PairError, io_error,
    pair::{become_standby, follow, follows, until},
    server,
    tools::{done, sql, tool},
};

/// How a server came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejoined {
    /// What it had more than the other was taken back by `pg_rewind`.
    Rewound,
    /// It was copied anew.
    Copied,
}

/// Makes `name` a standby of `of`, which is the primary now. What only `name` has is lost; that is
/// what the witness counts.
pub async fn rejoin(book: &Book, name: &str, of: &str) -> Result<Rejoined, PairError> {
    if name == of {
        return Err(PairError::Setting(format!("`{name}` cannot follow itself")));
    }
    let port = book.port(of)?;
    server::stop(book, name, false).await?;
    server::forget(book, name)?;
    // What `pg_rewind` compares must be on the new primary's disk, with its new timeline.
    sql(book, of, "checkpoint").await?;
    match rewind(book, name, of).await {
        Ok(()) => {
            become_standby(book, name, port)?;
            server::start(book, name).await?;
            follows(book, (name, of)).await?;
            Ok(Rejoined::Rewound)
        }
        Err(why) => {
            tracing::warn!("{why}: it is copied anew");
            let data = book.data(name);
            fs::remove_dir_all(&data).map_err(io_error(format!("remove {}", data.display())))?;
            follow(book, (name, of), port).await?;
            Ok(Rejoined::Copied)
        }
    }
}

async fn rewind(book: &Book, name: &str, of: &str) -> Result<(), PairError> {
    let mut rewind = tool(book, "pg_rewind");
    rewind.args(["--no-sync", "--target-pgdata"]).arg(book.data(name));
    rewind.arg("--source-server").arg(book.line(of)?);
    done(rewind, &format!("rewind `{name}`")).await.map(drop)
}

/// Waits until a standby has everything that its primary has now; tells up to where.
pub async fn caught_up(book: &Book, name: &str, with: &str) -> Result<String, PairError> {
    let at = sql(book, with, "select pg_current_wal_flush_lsn()").await?;
    let question = format!("select pg_last_wal_replay_lsn() >= '{at}'::pg_lsn");
    until(book, name, (&question, "t")).await?;
    Ok(at)
}
