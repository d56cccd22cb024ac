//! The command line: one file a command.

mod sandbox;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keep payment systems, banks and brokers running, and prove it.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sandbox(sandbox::Args),
    #[command(hide = true)]
    SandboxProcess(sandbox::ProcessArgs),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    match Args::parse().command {
        Command::Sandbox(args) => sandbox::run(args, std::path::Path::new("/var/lib/holdfast")),
        Command::SandboxProcess(args) => sandbox::run_process(&args),
    }
}
