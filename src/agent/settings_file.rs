//! Files of settings: read whole, with every mistake told at its place.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{
    manifest::{
        diagnostic::Diagnostic,
        node::Doc,
        read::read,
        render::{render, render_places},
        source::Source,
    },
    world::roots::{self, Unread},
};

/// Why a file of settings is not taken; completes "could not …".
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// It says what makes no sense. The complaints, as a terminal shows them.
    #[error("use `{file}`:\n{complaints}")]
    Mistakes {
        /// Which file.
        file: String,
        /// What is wrong, where, and what to do about it.
        complaints: String,
    },
}

/// Reads a file as a `T` and makes of it what is wanted. A file that says nothing is the default.
pub fn load<T: DeserializeOwned + Default, U>(
    path: &Path,
    make: impl FnOnce(T, &mut Vec<Diagnostic>) -> Option<U>,
) -> Result<U, Refused> {
    load_and(path, make, |source, complaints| render(source, complaints, false))
}

/// The same for a file with secrets in it: complaints say where, and never what stands there.
pub(crate) fn load_secret<T: DeserializeOwned + Default, U>(
    path: &Path,
    make: impl FnOnce(T, &mut Vec<Diagnostic>) -> Option<U>,
) -> Result<U, Refused> {
    load_and(path, make, render_places)
}

fn load_and<T: DeserializeOwned + Default, U>(
    path: &Path,
    make: impl FnOnce(T, &mut Vec<Diagnostic>) -> Option<U>,
    tell: impl FnOnce(&Source, &[Diagnostic]) -> String,
) -> Result<U, Refused> {
    let shown = path.display().to_string();
    let source = Source::new(&shown, roots::read_bytes(path)?);
    let mut complaints = Vec::new();
    let says = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let written = if source.text().lines().any(says) {
        Doc::parse(&source, &mut complaints)
            .and_then(|doc| read(&doc, doc.root(), doc.head(doc.root()), &mut complaints))
    } else {
        Some(T::default())
    };
    // What is made may complain of more, so that all mistakes are told at once.
    let made = written.and_then(|it| make(it, &mut complaints));
    match made {
        Some(it) if complaints.is_empty() => Ok(it),
        _ => {
            let complaints = tell(&source, &complaints).trim_end().to_owned();
            Err(Refused::Mistakes { file: shown, complaints })
        }
    }
}
