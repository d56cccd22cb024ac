//! The command line: one file a command.

mod agent;
mod agent_flags;
mod agent_look;
mod agent_machine;
mod args;
mod check;
mod consent;
mod demo;
mod drill;
pub mod exit;
pub mod explain;
mod guard;
mod host_file;
pub mod kinds_page;
mod outside;
mod play;
mod postgres;
mod recover;
pub mod report;
mod runs;
mod sandbox;
mod schema;
mod script;
pub mod show;
mod signals;
mod vars;
pub mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::journal::index::RunKind;

/// Keep payment systems, banks and brokers running, and prove it.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, max_term_width = 100)]
struct Args {
    /// The folder that keeps journals, reports and keys [default: /var/lib/holdfast for root,
    /// ~/.local/state/holdfast for others; also `HOLDFAST_STATE`].
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See everything work: a bank is broken and recovers, and the evidence is sealed.
    Demo(demo::DemoArgs),
    /// Export metrics of the machine, of business events, of runs and of energy to Prometheus.
    Agent(Box<agent::AgentArgs>),
    /// Inject faults as scenario files say, and put everything back.
    #[command(subcommand)]
    Chaos(play::Play),
    /// Play disaster-recovery drills, and measure them.
    #[command(subcommand)]
    Drill(drill::Drill),
    /// Read scenario and drill files and complain of every mistake; touch nothing.
    Check(check::CheckArgs),
    /// Say what a fault, step or probe does and how it is written.
    Explain(explain::ExplainArgs),
    /// Print how scenarios or drills are written, as a JSON Schema for editors.
    Schema(schema::SchemaArgs),
    /// Take down what earlier runs left standing.
    Recover,
    /// Render a run's evidence for readers.
    Report(report::ReportArgs),
    /// Hold a run's folder against its seal.
    Verify(verify::VerifyArgs),
    /// A miniature bank of real processes on loopback, to try things on.
    Sandbox(sandbox::Args),
    /// Run one process of the sandbox (started by `sandbox up`).
    #[command(hide = true)]
    SandboxProcess(sandbox::ProcessArgs),
    /// Watch a runner (started by it).
    #[command(hide = true)]
    Guard(guard::GuardArgs),
    /// Hold something for a runner (started by it).
    #[command(hide = true)]
    Hold(guard::HoldArgs),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let args = Args::parse();
    if let Command::SandboxProcess(it) = &args.command {
        return sandbox::run_process(it);
    }
    match &args.command {
        Command::Agent(it) => agent::logs(it),
        _ => show::logs(false),
    }
    let state = match args::state(args.state.as_deref()) {
        Ok(it) => it,
        Err(why) => {
            show::error(format!("there is no state folder: {why}"), "name one with --state");
            return exit::Exit::Usage.into();
        }
    };
    let exit = match args.command {
        Command::Demo(it) => demo::run(&it),
        Command::Agent(it) => return agent::run(*it, state.root()),
        Command::Chaos(it) => play::run(&it, RunKind::Scenario, &state),
        Command::Drill(it) => drill::run(&it, &state),
        Command::Check(it) => check::run(&it, &state),
        Command::Explain(it) => explain::run(&it),
        Command::Schema(it) => schema::run(&it),
        Command::Recover => recover::run(&state),
        Command::Report(it) => return report::run(&it, state.root()),
        Command::Verify(it) => return verify::run(&it, state.root()),
        Command::Sandbox(it) => {
            let mine = args::names_a_state(args.state.as_deref());
            let mark = || {
                if mine {
                    host_file::mark(&state);
                }
            };
            return sandbox::run(it, state.root(), &mark);
        }
        Command::SandboxProcess(it) => return sandbox::run_process(&it),
        Command::Guard(it) => guard::guard(&it, &state),
        Command::Hold(it) => guard::hold(&it),
    };
    exit.into()
}
