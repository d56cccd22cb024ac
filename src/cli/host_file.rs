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
    let places = [PathBuf::from(SYSTEM), state.root().join(NAME)];
    let Some(path) = places.into_iter().find(|it| it.exists()) else { return Ok(Rules::default()) };
    settings_file::load(&path, |it: Rules, _| Some(it)).map_err(|why| {
        show::error(format!("could not {why}"), "mend it, or take it away; nothing was touched");
        Exit::Usage
    })
}
