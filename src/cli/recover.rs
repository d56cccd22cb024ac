//! `holdfast recover`: takes down what earlier runs left standing.

use crate::{
    cli::{args, exit::Exit, show, signals},
    engine::recover::{Healed, recover},
    registry,
    world::{
        linux::{
            self,
            state::{StateError, StateFolder},
        },
        stop::Stop,
    },
};

/// Recovers.
pub(super) fn run(state: &StateFolder) -> Exit {
    let done = signals::block_on(&Stop::default(), async {
        let _lock = state.lock()?;
        let world = linux::world(args::program())?;
        recover(state, &world, &registry::kit()).await
    });
    let all = match done {
        Ok(Ok(all)) => all,
        Ok(Err(why)) => {
            let help = match why {
                StateError::Busy { .. } => "wait until the other run has ended",
                StateError::Unusable { .. } | StateError::Host(_) => {
                    "name a folder that you may write with --state or HOLDFAST_STATE"
                }
            };
            show::error(why, help);
            return Exit::Refused;
        }
        Err(why) => {
            show::error(why, "");
            return Exit::Refused;
        }
    };
    if all.is_empty() {
        show::line("nothing was left to take down");
    }
    all.iter().fold(Exit::Pass, |worst, (run, healed)| worst.and(tell(run, healed, state)))
}

fn tell(run: &str, healed: &Healed, state: &StateFolder) -> Exit {
    match healed {
        Healed::Ended | Healed::Nothing => show::line(format!("{run}: nothing stood")),
        Healed::Clean { undone } => show::line(format!("{run}: {undone} acts were taken down")),
        Healed::Suspended { undone } => {
            show::line(format!("{run}: {undone} acts were taken down, and the drill waits"));
            show::talk(format!(
                "help: `holdfast drill resume {run}` goes on, `holdfast drill abort {run}` ends it"
            ));
        }
        Healed::Unsealed(why) => {
            show::line(format!("{run}: nothing stands, but it is not sealed: could not {why}"));
            return Exit::Inconclusive;
        }
        Healed::Stuck { by_hand } => {
            show::error(format!("run {run} left something that cannot be taken down"), "by hand:");
            for it in by_hand {
                show::talk(format!("  {it}"));
            }
        }
        Healed::Broken(why) => {
            let folder = state.run(run);
            show::error(
                format!("the journal of run {run} cannot be believed: {why}"),
                "nothing was guessed; its `by_hand` lines before that place tell what to undo:",
            );
            show::talk(format!(
                "  grep -o '\"by_hand\":\\[[^]]*\\]' {}/journal.jsonl",
                folder.display()
            ));
        }
        Healed::Unwritable(why) => {
            show::error(format!("run {run}: {why}"), "make room or give access, and try again");
        }
        Healed::Alive => {
            show::error(format!("run {run} is still being played"), "wait until it has ended");
        }
    }
    if healed.clean() { Exit::Pass } else { Exit::Residue }
}
