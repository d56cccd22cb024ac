//! The command line: one file a command.

use std::process::ExitCode;

use clap::Parser;

/// Keep payment systems, banks and brokers running, and prove it.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version)]
struct Args {}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let _args = Args::parse();
    ExitCode::SUCCESS
}
