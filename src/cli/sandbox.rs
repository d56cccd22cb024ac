//! `holdfast sandbox`: the miniature bank from the command line.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;

use crate::{
    cli::postgres,
    sandbox::{
        bank::{self, Settings, UpError, own_program},
        book::{Book, Replication},
        calendar::CutOff,
        fence::{self, Raised},
        process,
        status::{self, Seen},
    },
    units::Span,
};

/// A miniature bank of real processes on loopback, to try things on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sandbox's folder [default: `sandbox` or `postgres` in the state folder]
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start it
    Up(Up),
    /// Stop all of its processes
    Down {
        /// Remove its data too
        #[arg(long)]
        purge: bool,
    },
    /// Show its processes; exit 0 if all are up
    Status,
    /// Start one process again
    Start {
        /// Its name
        name: String,
    },
    /// Stop one process
    Stop {
        /// Its name
        name: String,
        /// With SIGKILL, as a crash would
        #[arg(long)]
        kill: bool,
    },
    /// Wait until a core has all that another has
    CaughtUp {
        /// The core that follows
        #[arg(value_parser = ["core-a", "core-b"])]
        name: String,
        /// The core that it follows
        #[arg(long, value_parser = ["core-a", "core-b"])]
        with: String,
        /// When to give up
        #[arg(long, default_value = "20s")]
        at_most: Span,
    },
    /// A PostgreSQL primary and its standby, to play drills on
    Postgres {
        #[command(subcommand)]
        what: postgres::What,
    },
    /// Forbid a core to acknowledge anything below an epoch
    Fence {
        /// `core-a` or `core-b`
        #[arg(value_parser = ["core-a", "core-b"])]
        name: String,
        /// The epoch
        #[arg(long)]
        epoch: u64,
    },
}

#[derive(Debug, clap::Args)]
struct Up {
    /// When the primary acknowledges: `async`, after its own disk; `sync`, after the standby's too
    #[arg(long, default_value = "async")]
    replication: Replication,
    /// How long an entry is on its way to the standby, `0` or as in `40ms`
    #[arg(long, default_value = "40ms", value_parser = delay)]
    link_delay: std::time::Duration,
    /// From when on payments belong to the next business day, in UTC
    #[arg(long, default_value = "17:00")]
    cut_off: CutOff,
    /// Payments a second by the load generator, 0 for none
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// With a batch, whose workers grow more when work piles up
    #[arg(long)]
    batch: bool,
    /// With a second gateway, at a branch
    #[arg(long)]
    branch: bool,
    /// With a name server there, whom gateways ask where the KYC provider is, as `127.0.0.1:53`
    #[arg(long)]
    names: Option<std::net::SocketAddr>,
    /// Where the gateway posts business events, on loopback
    #[arg(long)]
    events_url: Option<String>,
}

/// One process of the sandbox; started by `sandbox up`.
#[derive(Debug, clap::Args)]
pub(super) struct ProcessArgs {
    /// Its name
    name: String,
    /// The sandbox's folder
    #[arg(long)]
    dir: PathBuf,
}

pub(super) fn delay(text: &str) -> Result<std::time::Duration, crate::units::SpanError> {
    if matches!(text, "0" | "0ms" | "0s") {
        return Ok(std::time::Duration::ZERO);
    }
    text.parse::<Span>().map(Span::duration)
}

/// Runs one process until it is told to stop.
pub(super) fn run_process(args: &ProcessArgs) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        // It would complain on the very log that cannot be written, and panic.
        .log_internal_errors(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    match process::run(&args.dir, &args.name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says. `state` is the state folder, and `mark` says there what stands
/// in it.
pub(super) fn run(args: Args, state: &Path, mark: &dyn Fn()) -> ExitCode {
    let goes_up = matches!(args.what, What::Up(_) | What::Postgres { what: postgres::What::Up(_) });
    let own = if matches!(args.what, What::Postgres { .. }) { "postgres" } else { "sandbox" };
    let dir = args.dir.clone().unwrap_or_else(|| state.join(own));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(command(args, &dir)),
        Err(why) => Err(UpError::Io { what: "start a runtime".to_owned(), why }),
    };
    match outcome {
        Ok(code) => {
            if goes_up && code == ExitCode::SUCCESS {
                mark();
            }
            code
        }
        Err(why) => {
            say(&mut io::stderr(), &format!("error: {why}\n"));
            ExitCode::from(match why {
                UpError::Setting(_) => 2,
                UpError::AlreadyUp(_)
                | UpError::NoSandbox(_)
                | UpError::NotReady { .. }
                | UpError::Io { .. } => 3,
            })
        }
    }
}

async fn command(args: Args, dir: &Path) -> Result<ExitCode, UpError> {
    let json = args.json;
    match args.what {
        What::Up(up) => {
            let Up { replication, link_delay, cut_off, rate, batch, branch, names, events_url } =
                up;
            let (dir, program) = (dir.to_owned(), own_program());
            let settings = Settings {
                dir,
                replication,
                link_delay,
                cut_off,
                rate,
                batch,
                branch,
                names,
                events_url,
                program,
            };
            let book = bank::up(&settings).await?;
            show_book(&book, json);
            Ok(ExitCode::SUCCESS)
        }
        What::Down { purge } => {
            let ran = bank::down(dir).await?;
            if purge {
                bank::purge(dir)?;
            }
            talk(&format!("stopped {ran} processes\n"));
            Ok(ExitCode::SUCCESS)
        }
        What::Status => {
            let seen = status::status(dir).await?;
            show_seen(&seen, json);
            Ok(ExitCode::from(u8::from(seen.iter().any(|it| it.state != "up"))))
        }
        What::Start { name } => {
            let process = bank::start(dir, &name).await?;
            talk(&format!("`{name}` listens on {}\n", process.address));
            Ok(ExitCode::SUCCESS)
        }
        What::Stop { name, kill } => {
            let ran = bank::stop(dir, &name, kill).await?;
            let said = if ran { "has stopped" } else { "did not run" };
            talk(&format!("`{name}` {said}\n"));
            Ok(ExitCode::SUCCESS)
        }
        What::CaughtUp { name, with, at_most } => {
            let entries = status::caught_up(dir, (&name, &with), at_most.duration()).await?;
            talk(&format!("`{name}` has all {entries} entries of `{with}`\n"));
            Ok(ExitCode::SUCCESS)
        }
        What::Postgres { what } => Ok(postgres::command(what, dir, json).await),
        What::Fence { name, epoch } => {
            bank::book(dir)?;
            let raised = fence::raise(dir, &name, epoch).await;
            let what = format!("fence `{name}`");
            let said = match raised.map_err(|why| UpError::Io { what, why })? {
                Raised::Seen => "is fenced",
                Raised::Killed => "was stuck in an acknowledgement: killed, and fenced",
            };
            talk(&format!("`{name}` {said} below epoch {epoch}\n"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show_book(book: &Book, json: bool) {
    if json {
        return data_json(book);
    }
    let text = book.processes.iter().fold(String::new(), |text, (name, process)| {
        text + &format!("{name:<10} http://{}\n", process.address)
    });
    say(&mut io::stdout(), &text);
}

fn show_seen(seen: &[Seen], json: bool) {
    if json {
        return data_json(seen);
    }
    let head = format!("{:<10} {:<8} {:<22} ROLE\n", "NAME", "STATE", "ADDRESS");
    let text = seen.iter().fold(head, |text, it| {
        let role = match (&it.role, it.epoch) {
            (Some(role), Some(epoch)) => format!("{role}, epoch {epoch}"),
            _ => "-".to_owned(),
        };
        let why = it.why.as_ref().map(|why| format!("  ({why})")).unwrap_or_default();
        let address = it.address.to_string();
        text + &format!("{:<10} {:<8} {address:<22} {role}{why}\n", it.name, it.state)
    });
    say(&mut io::stdout(), &text);
}

pub(super) fn data_json(value: &(impl serde::Serialize + ?Sized)) {
    let mut text = serde_json::to_string_pretty(value).expect("what is shown has only text keys");
    text.push('\n');
    say(&mut io::stdout(), &text);
}

pub(super) fn talk(text: &str) {
    say(&mut io::stderr(), text);
}

/// Writes for the user; a reader that has gone away is no failure of ours.
pub(super) fn say(to: &mut impl io::Write, text: &str) {
    to.write_all(text.as_bytes()).and_then(|()| to.flush()).ok();
}
