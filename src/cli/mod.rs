//! The command line: one file a command.

pub mod report;
pub mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Keep payment systems, banks and brokers running, and prove it.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version)]
struct Args {
    /// The state folder.
    #[arg(long, global = true, value_name = "DIR", default_value = "/var/lib/holdfast")]
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Render a run's evidence for readers.
    Report(report::ReportArgs),
    /// Hold a run's folder against its seal.
    Verify(verify::VerifyArgs),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match &args.command {
        Command::Report(it) => report::run(it, &args.state),
        Command::Verify(it) => verify::run(it, &args.state),
    }
}
