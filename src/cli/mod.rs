//! The command line: one file a command.

mod agent;

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
    Agent(agent::AgentArgs),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Command::Agent(agent) => agent::run(agent, &args.state),
    }
}
