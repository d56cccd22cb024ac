//! Secrets, read from where they are.
#![expect(clippy::disallowed_methods, reason = "this is the wall: secrets come in here")]

use std::{collections::BTreeMap, fs};

use crate::world::secrets::{SecretSource, Secrets};

/// Reads one, or tells why it is not to be had; what it is, is in no message.
pub fn read(source: &SecretSource) -> Result<String, String> {
    let empty = || format!("{source} is empty");
    let value = match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|why| match why {
            std::env::VarError::NotPresent => format!("the environment has no {name}"),
            std::env::VarError::NotUnicode(_) => format!("{source} is not UTF-8 text"),
        })?,
        SecretSource::File(path) => {
            let bytes = fs::read(path).map_err(|why| format!("{path}: {why}"))?;
            let text = String::from_utf8(bytes);
            let text = text.map_err(|_| format!("{source} is not UTF-8 text"))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    if value.is_empty() { Err(empty()) } else { Ok(value) }
}

/// Reads them again, as a journal names them: what is not to be had is told when it is needed.
pub fn again(sources: &BTreeMap<String, SecretSource>) -> Secrets {
    let mut all = Secrets::default();
    for (name, source) in sources {
        if let Err(why) = all.keep(name, read(source)) {
            tracing::warn!("the secret `{name}` is not to be had: {why}");
        }
    }
    all
}
