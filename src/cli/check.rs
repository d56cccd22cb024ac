//! `holdfast check`: reads files, touches nothing.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{args, exit::Exit, outside::Around, script, show, vars},
    world::linux::state::StateFolder,
};

/// What `holdfast check` is told.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Scenarios and drills.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A variable, over the file's own.
    #[arg(long, value_name = "NAME=VALUE", value_parser = args::pair)]
    set: Vec<(String, String)>,
}

/// Checks. The sandbox need not be up: its addresses are stood in for.
pub(super) fn run(it: &CheckArgs, state: &StateFolder) -> Exit {
    let known = match vars::vars(state, &it.set, false) {
        Ok(it) => it,
        Err(why) => {
            show::error(why, "");
            return Exit::Usage;
        }
    };
    it.files.iter().fold(Exit::Pass, |worst, path| {
        match script::read(path, &known, Around::Variables) {
            Ok(read) => {
                let (kind, phases) = (read.script.kind.word(), read.script.phases.len());
                let (acts, shown) = (read.script.acts().count(), path.display());
                show::line(format!("{shown}: a {kind}, {phases} phases, {acts} actions: good"));
                worst
            }
            Err(exit) => worst.and(exit),
        }
    })
}
