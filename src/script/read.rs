//! From a file to a script.

use std::collections::BTreeMap;

use crate::{
    action::ActionKind,
    ledger::LedgerKind,
    manifest::{diagnostic::Diagnostic, node::Doc, source::Source, vars},
    probe::ProbeKind,
    script::{drill, lines::Script, scenario},
};

/// The kinds that a script may name.
pub struct Kinds {
    /// Faults and steps.
    pub actions: Vec<&'static ActionKind>,
    /// Probes.
    pub probes: Vec<&'static ProbeKind>,
    /// Where a witness can write.
    pub ledgers: Vec<&'static LedgerKind>,
}

/// Reads a scenario or a drill (which has `phases`). `given` are variables from outside: they win
/// over the file's own `vars`. A script comes back only if there was no complaint.
pub fn script(
    source: &Source,
    given: &BTreeMap<String, String>,
    kinds: &Kinds,
    out: &mut Vec<Diagnostic>,
) -> Option<Script> {
    let mut doc = Doc::parse(source, out)?;
    let all = variables(&doc, given);
    vars::fill(&mut doc, &all, out);
    let read = if doc.get(doc.root(), "phases").is_some() {
        drill::drill(&mut doc, kinds, out)
    } else {
        scenario::scenario(&mut doc, kinds, out)
    };
    let mut script = read.filter(|_| out.is_empty())?;
    script.vars = all;
    Some(script)
}

/// The file's own variables, and over them those from outside.
fn variables(doc: &Doc, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = doc.get(doc.root(), "vars").and_then(|it| doc.pairs(it)).unwrap_or(&[]);
    let mut all: BTreeMap<String, String> = own
        .iter()
        .filter_map(|(key, value)| Some((doc.text(*key)?.to_owned(), doc.text(*value)?.to_owned())))
        .collect();
    all.extend(given.clone());
    all
}
