//! Settings that come from outside: the environment is read here and nowhere else.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]

use std::path::{Path, PathBuf};

use crate::world::linux::state::StateFolder;

/// A variable of the environment; an empty one is as good as none.
pub(super) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}

/// The state folder: `--state`, else `HOLDFAST_STATE`, else the system's for root, the user's for
/// others. Always absolute: the guardian does not share our working directory.
pub(super) fn state(given: Option<&Path>) -> Result<StateFolder, String> {
    let named = given.map(Path::to_owned).or_else(|| setting("HOLDFAST_STATE").map(PathBuf::from));
    let path = match named {
        Some(it) => it,
        None if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/holdfast"),
        None => {
            let home = setting("XDG_STATE_HOME").map(PathBuf::from);
            let home =
                home.or_else(|| setting("HOME").map(|it| PathBuf::from(it).join(".local/state")));
            home.ok_or("neither XDG_STATE_HOME nor HOME is set")?.join("holdfast")
        }
    };
    std::path::absolute(&path).map(StateFolder::at).map_err(|why| why.to_string())
}

/// Whether a state folder is named, so that it is not the machine's own.
pub(super) fn names_a_state(given: Option<&Path>) -> bool {
    given.is_some() || setting("HOLDFAST_STATE").is_some()
}

/// This executable, also after the file was replaced or removed.
pub(super) fn program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// A user's file.
pub(super) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// `NAME=VALUE`, for `--set`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() {
        Err("the name is empty".to_owned())
    } else {
        Ok((name.into(), value.into()))
    }
}

/// The executable's path, for commands in drills.
pub(super) fn executable() -> Result<String, String> {
    let path = std::env::current_exe().map_err(|why| format!("this program's path: {why}"))?;
    Ok(path.display().to_string())
}
