//! `host.yml`: what the people who run this machine allow.

use std::path::PathBuf;

use crate::{
    agent::settings_file,
    cli::{exit::Exit, show},
    world::{linux::state::StateFolder, rules::Rules},
};

/// Where an administrator puts it.
const SYSTEM: &str = "/etc/holdfast/host.yml";
/// Its name in a state folder.
pub(super) const NAME: &str = "host.yml";

/// The rules: the system's, else the state folder's, else none. A file that is there and makes no
/// sense is no file to go on with.
pub(super) fn rules(state: &StateFolder) -> Result<Rules, Exit> {
    let Some(path) = place(state) else { return Ok(Rules::default()) };
    settings_file::load(&path, |it: Rules, _| Some(it)).map_err(|why| {
        show::error(format!("could not {why}"), "mend it, or take it away; nothing was touched");
        Exit::Usage
    })
}

fn place(state: &StateFolder) -> Option<PathBuf> {
    [PathBuf::from(SYSTEM), state.root().join(NAME)].into_iter().find(|it| it.exists())
}

/// Marks a state folder as a sandbox's, unless somebody has said already what the machine is for.
pub(super) fn mark(state: &StateFolder) {
    if place(state).is_some() {
        return;
    }
    let text = "# A sandbox stands here: nothing is asked before scenarios and drills are played.\n\
                environment: sandbox\n";
    match state.write(NAME, text.as_bytes()) {
        Ok(()) => {
            let root = state.root().display();
            show::talk(format!("this is a sandbox, and {root}/{NAME} says so"));
        }
        Err(why) => show::talk(format!("a run here will be asked about: {why}")),
    }
}
