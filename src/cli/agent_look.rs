//! `holdfast agent collectors` and `holdfast agent doctor`: what there is, and what is missing.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;

use crate::{
    agent::doctor::{self, Findings, Listed, Missing, State},
    cli::{agent::refused, agent_machine::MachineArgs, exit::Exit, show},
};

/// Looks once, and serves nothing.
#[derive(Debug, Subcommand)]
pub(super) enum Look {
    /// List the collectors: what they read, which names they can bring, whether they are on.
    Collectors(LookArgs),
    /// Say of every name that is missing on this machine why it is, and what gives it.
    Doctor(LookArgs),
}

/// How to look.
#[derive(Debug, clap::Args)]
pub(super) struct LookArgs {
    #[command(flatten)]
    machine: MachineArgs,
    /// Write JSON, for programs.
    #[arg(long = "json")]
    as_json: bool,
}

impl Look {
    pub(super) fn run(self, state: &Path) -> ExitCode {
        match self {
            Self::Collectors(it) => match doctor::list(&it.machine.settings(state)) {
                Ok(all) if it.as_json => json(&all, Exit::Pass),
                Ok(all) => {
                    all.iter().for_each(tell);
                    Exit::Pass.into()
                }
                Err(why) => refused(&why),
            },
            Self::Doctor(it) => match doctor::examine(&it.machine.settings(state)) {
                Ok(findings) if it.as_json => json(&findings, exit(&findings)),
                Ok(findings) => {
                    report(&findings);
                    exit(&findings).into()
                }
                Err(why) => refused(&why),
            },
        }
    }
}

fn json(it: &impl serde::Serialize, exit: Exit) -> ExitCode {
    match serde_json::to_string_pretty(it) {
        Ok(text) => {
            show::line(text);
            exit.into()
        }
        Err(why) => {
            show::error(format!("could not write it down: {why}"), "");
            Exit::Refused.into()
        }
    }
}

/// What the machine does not have is no failure; what it has and nobody may read is one.
fn exit(findings: &Findings) -> Exit {
    match findings.worst() {
        None | Some(State::Absent | State::Off) => Exit::Pass,
        Some(State::Late) => Exit::Inconclusive,
        Some(State::Amiss) => Exit::Fail,
    }
}

fn tell(it: &Listed) {
    let state = if it.on { "on" } else { "off" };
    show::line(format!("{} ({state}): {}", it.name, it.summary));
    show::line(format!("  deadline {} ms, at most {} series", it.deadline_ms, it.series_max));
    for need in &it.needs {
        show::line(format!("  for all of it: {need}"));
    }
    names(&it.exports, "  ");
    show::line("");
}

/// Names in lines of a decent length.
fn names(all: &[&str], indent: &str) {
    let mut line = String::new();
    for name in all {
        if !line.is_empty() && line.len() + name.len() > 90 {
            show::line(format!("{indent}{line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(name);
    }
    if !line.is_empty() {
        show::line(format!("{indent}{line}"));
    }
}

fn report(findings: &Findings) {
    let mut collector = "";
    for it in &findings.missing {
        if it.collector != collector {
            collector = it.collector;
            show::line(collector);
        }
        missing(it);
    }
    show::line("energy meters, the best first");
    for it in &findings.meters {
        let sight = it.why.as_deref().unwrap_or("sees");
        show::line(format!("  {}{}: {sight}", mark(it.state), it.method));
    }
    let missing: usize = findings.missing.iter().map(|it| it.names.len()).sum();
    let families = findings.families;
    show::line("");
    show::line(format!("{families} families of metrics are there, {missing} names are missing."));
    if findings.worst() >= Some(State::Late) {
        show::line("Lines with a `!` are for somebody to put right.");
    }
}

fn missing(it: &Missing) {
    names(&it.names, &format!("  {}", mark(Some(it.state))));
    show::line(format!("      why: {}", it.why));
    show::line(format!("      it takes: {}", it.takes));
}

fn mark(state: Option<State>) -> &'static str {
    match state {
        Some(State::Late | State::Amiss) => "! ",
        Some(State::Absent | State::Off) | None => "  ",
    }
}
