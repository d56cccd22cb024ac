//! The guardian's and the held children's side: commands that no person types.

use clap::Args;

use crate::{
    cli::{args, exit::Exit, show},
    engine::guardian,
    faults, registry,
    world::{
        host::Told,
        linux::{self, hold, state::StateFolder},
    },
};

/// What a guardian is told.
#[derive(Debug, Args)]
pub(super) struct GuardArgs {
    /// The run.
    run: String,
    /// The runner's process number.
    #[arg(long)]
    parent: u32,
}

/// Watches a runner.
pub(super) fn guard(it: &GuardArgs, state: &StateFolder) -> Exit {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = built else { return Exit::Refused };
    let world = match linux::world(args::program()) {
        Ok(it) => it,
        Err(why) => {
            show::error(why, "");
            return Exit::Refused;
        }
    };
    let kit = registry::kit();
    match runtime.block_on(guardian::guard((state, &it.run), it.parent, (&world, &kit))) {
        Ok(None) => Exit::Pass,
        Ok(Some(healed)) if healed.clean() => Exit::Pass,
        Ok(Some(_)) => Exit::Residue,
        Err(why) => {
            show::error(why, "");
            Exit::Refused
        }
    }
}

/// What a held child is told.
#[derive(Debug, Args)]
pub(super) struct HoldArgs {
    /// The fault.
    kind: String,
    /// What it bears.
    #[arg(long)]
    mark: String,
    /// The runner's process number.
    #[arg(long)]
    parent: u32,
    /// What the fault says.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Holds something until the kernel ends us.
pub(super) fn hold(it: &HoldArgs) -> Exit {
    tracing::trace!("held by {}", it.mark);
    if !hold::bind(it.parent) {
        return Exit::Refused;
    }
    let Some(worker) = faults::WORKERS.iter().find(|worker| worker.kind == it.kind) else {
        show::error(format!("no fault `{}` has children", it.kind), "");
        return Exit::Usage;
    };
    match (worker.work)(&it.rest) {
        Ok(never) => match never {},
        Err(why) => {
            show::error(&why, "");
            hold::tell(&Told::Failed(why));
            Exit::Usage
        }
    }
}
