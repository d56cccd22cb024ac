//! `holdfast sandbox postgres`: a primary and its standby to play drills on.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;

use crate::{
    cli::sandbox::{data_json, delay, say, talk},
    sandbox::{
        bank::own_program,
        book::Replication,
        postgres::{
            Book, PairError, SERVERS,
            pair::{self, Settings},
            rejoin::{self, Rejoined},
            restore, server, tools,
        },
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Make and start a primary `a` and a standby `b`
    Up(Up),
    /// Stop everything
    Down {
        /// Remove the data too
        #[arg(long)]
        purge: bool,
    },
    /// Show the servers; exit 0 if `a` and `b` answer
    Status,
    /// Start one server again
    Start {
        /// `a`, `b` or `restored`
        name: String,
    },
    /// Stop one server
    Stop {
        /// Its name
        name: String,
        /// With SIGKILL, all of its processes, also frozen ones
        #[arg(long)]
        kill: bool,
    },
    /// Make a former primary a standby: `pg_rewind`, or a fresh copy where that cannot be
    Rejoin {
        /// The former primary
        name: String,
        /// The server that it follows from now on
        #[arg(long)]
        of: String,
    },
    /// Wait until a standby has all that its primary has now
    CaughtUp {
        /// The standby
        name: String,
        /// Its primary
        #[arg(long)]
        with: String,
    },
    /// Take a base backup
    Backup {
        /// Of which server
        #[arg(default_value = "a")]
        of: String,
    },
    /// Wait until the WAL that was written so far is archived
    Archive {
        /// Of which server
        #[arg(default_value = "a")]
        of: String,
    },
    /// Restore the backup as the server `restored`, and replay the archived WAL
    Restore {
        /// Up to this instant, as PostgreSQL reads it, such as `2026-11-22 10:00:00.5+00`
        /// [default: all of it]
        #[arg(long)]
        to: Option<String>,
    },
    /// Put a table of one server right from another's, by its primary key
    CopyTable {
        /// The table
        table: String,
        /// The server that has it right
        #[arg(long)]
        from: String,
        /// The server that is put right
        #[arg(long)]
        to: String,
    },
    /// Let clients only read from a server, or write to it again
    ReadOnly {
        /// The server
        name: String,
        /// `on` or `off`
        #[arg(value_parser = ["on", "off"])]
        is: String,
    },
    /// Have psql run a statement, as the administrator
    Sql {
        /// The server
        name: String,
        /// The statement
        statement: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Up {
    /// When the primary acknowledges: `async`, after its own log; `sync`, after the standby's too
    #[arg(long, default_value = "async")]
    replication: Replication,
    /// How long bytes are on their way from the primary to the standby, as in `200ms`
    #[arg(long, default_value = "0", value_parser = delay)]
    link_delay: std::time::Duration,
    /// The folder of the server's programs [default: the newest on this machine]
    #[arg(long)]
    tools: Option<PathBuf>,
}

/// Obeys, in the pair's folder.
pub(super) async fn command(what: What, dir: &Path, json: bool) -> ExitCode {
    match obey(what, dir, json).await {
        Ok(code) => code,
        Err(why) => {
            talk(&format!("error: {why}\n"));
            ExitCode::from(match why {
                PairError::Setting(_) => 2,
                PairError::NoPostgres(_)
                | PairError::AlreadyUp(_)
                | PairError::NoPair(_)
                | PairError::Failed { .. }
                | PairError::Io { .. } => 3,
            })
        }
    }
}

async fn obey(what: What, dir: &Path, json: bool) -> Result<ExitCode, PairError> {
    let book = || pair::book(dir);
    let said = match what {
        What::Up(Up { replication, link_delay, tools }) => {
            let (dir, program) = (dir.to_owned(), own_program());
            let settings = Settings { dir, tools, replication, link_delay, program };
            show(&pair::up(&settings).await?, &settings.dir, json);
            return Ok(ExitCode::SUCCESS);
        }
        What::Status => return status(&book()?, json).await,
        What::Down { purge } => {
            let ran = pair::down(dir).await?;
            if purge {
                pair::purge(dir)?;
            }
            format!("stopped {ran} servers")
        }
        What::Start { name } => {
            server::start(&book()?, &name).await?;
            format!("`{name}` takes connections")
        }
        What::Stop { name, kill } => {
            let ran = server::stop(&book()?, &name, kill).await?;
            format!("`{name}` {}", if ran { "has stopped" } else { "did not run" })
        }
        What::Rejoin { name, of } => match rejoin::rejoin(&book()?, &name, &of).await? {
            Rejoined::Rewound => format!("`{name}` was rewound, and follows `{of}`"),
            Rejoined::Copied => format!("`{name}` was copied anew, and follows `{of}`"),
        },
        What::CaughtUp { name, with } => {
            let at = rejoin::caught_up(&book()?, &name, &with).await?;
            format!("`{name}` has all of `{with}`, up to {at}")
        }
        What::Backup { of } => {
            restore::backup(&book()?, &of).await?;
            format!("`{of}` is backed up")
        }
        What::Archive { of } => {
            let piece = restore::archive(&book()?, &of).await?;
            format!("the WAL of `{of}` is archived up to {piece}")
        }
        What::Restore { to } => {
            restore::restore(&book()?, to.as_deref()).await?;
            "`restored` takes connections".to_owned()
        }
        What::CopyTable { table, from, to } => {
            let rows = restore::copy_table(&book()?, &table, (&from, &to)).await?;
            format!("{rows} rows of `{table}` were put right in `{to}`")
        }
        What::ReadOnly { name, is } => {
            server::read_only(&book()?, &name, is == "on").await?;
            format!("`{name}` is {}", if is == "on" { "read-only" } else { "open for writes" })
        }
        What::Sql { name, statement } => {
            let said = tools::sql(&book()?, &name, &statement).await?;
            say(&mut io::stdout(), &format!("{said}\n"));
            return Ok(ExitCode::SUCCESS);
        }
    };
    talk(&format!("{said}\n"));
    Ok(ExitCode::SUCCESS)
}

fn show(book: &Book, dir: &Path, json: bool) {
    let vars = book.vars(dir);
    if json {
        return data_json(&vars);
    }
    let head = format!("PostgreSQL {} in {}\n", book.server_version, book.home.display());
    let lines = vars.iter().map(|(name, value)| format!("${{postgres.{name}}} = {value}\n"));
    say(&mut io::stdout(), &(head + &lines.collect::<String>()));
}

async fn status(book: &Book, json: bool) -> Result<ExitCode, PairError> {
    let mut all = BTreeMap::new();
    for name in SERVERS {
        all.insert(name, server::state(book, name).await);
    }
    if json {
        data_json(&all);
    } else {
        let lines = all.iter().map(|(name, state)| format!("{name:<10} {state}\n"));
        say(&mut io::stdout(), &lines.collect::<String>());
    }
    let well = |name: &str| all.get(name).is_some_and(|it| it == "primary" || it == "standby");
    Ok(ExitCode::from(u8::from(!(well("a") && well("b")))))
}
