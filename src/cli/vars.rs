//! Variables that every scenario and drill may use.

use std::collections::BTreeMap;

use crate::{
    cli::args,
    sandbox::{
        bank,
        book::NAMES,
        postgres::{Book, pair},
    },
    world::linux::state::StateFolder,
};

/// `holdfast` (this executable), `state`, and of the sandbox `sandbox.dir` and the address of each
/// process, as in `sandbox.gateway`; of the pair of PostgreSQL servers what
/// `sandbox postgres up` tells; over them those of `--set`.
///
/// When files are only checked, the sandbox need not be up: addresses that nobody has stand in.
pub(super) fn vars(
    state: &StateFolder,
    set: &[(String, String)],
    live: bool,
) -> Result<BTreeMap<String, String>, String> {
    let dir = state.root().join("sandbox");
    let mut vars = BTreeMap::new();
    vars.insert("holdfast".to_owned(), args::executable()?);
    vars.insert("state".to_owned(), state.root().display().to_string());
    vars.insert("sandbox.dir".to_owned(), dir.display().to_string());
    // A run that does not use the sandbox must not fail for want of it: its variables are unknown
    // then, and the complaint names them.
    let book = if live { bank::book(&dir).ok() } else { None };
    for name in NAMES {
        let address = match &book {
            Some(book) => book.address(name).map(|it| it.to_string()),
            None if live => None,
            None => Some("127.0.0.1:1".to_owned()),
        };
        vars.extend(address.map(|it| (format!("sandbox.{name}"), it)));
    }
    let dir = state.root().join("postgres");
    let pair = match pair::book(&dir) {
        Ok(it) if live => it.vars(&dir),
        Ok(_) | Err(_) if live => BTreeMap::new(),
        Ok(_) | Err(_) => Book::nobody(),
    };
    vars.extend(pair.into_iter().map(|(name, value)| (format!("postgres.{name}"), value)));
    vars.extend(set.iter().cloned());
    Ok(vars)
}
