//! Reading scripts for commands: complaints are shown, all at once.

use std::{collections::BTreeMap, path::Path};

use crate::{
    cli::{args, exit::Exit, outside::Around, show},
    manifest::{render::render, source::Source},
    registry,
    script::{lines::Script, read},
};

/// A script and the text that it came from.
pub(super) struct Read {
    pub(super) script: Script,
    pub(super) source: Source,
}

/// Reads a file; what is wrong with it is shown.
pub(super) fn read(
    path: &Path,
    vars: &BTreeMap<String, String>,
    around: Around,
) -> Result<Read, Exit> {
    let shown = path.display().to_string();
    let bytes = args::read(path).map_err(|why| {
        show::error(format!("could not read {shown}: {why}"), "name a scenario or drill file");
        Exit::Usage
    })?;
    let source = Source::new(shown, bytes);
    let mut complaints = Vec::new();
    let script = read::script_from(&source, (vars, &around), &registry::kinds(), &mut complaints);
    if let Some(script) = script {
        return Ok(Read { script, source });
    }
    show::talk(render(&source, &complaints, show::coloured()));
    Err(Exit::Usage)
}
