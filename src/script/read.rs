//! From a file to a script.

use std::collections::BTreeMap;

use crate::{
    action::ActionKind,
    ledger::LedgerKind,
    manifest::{diagnostic::Diagnostic, node::Doc, source::Source, vars},
    probe::ProbeKind,
    script::{
        drill,
        lines::Script,
        outside::{self, Nowhere, Outside},
        scenario,
    },
    world::secrets::Secrets,
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
/// over the file's own `vars`. A script comes back only if there was no complaint. What the file
/// takes from the environment is not there.
pub fn script(
    source: &Source,
    given: &BTreeMap<String, String>,
    kinds: &Kinds,
    out: &mut Vec<Diagnostic>,
) -> Option<Script> {
    script_from(source, (given, &Nowhere), kinds, out)
}

/// The same, with what the file takes from outside.
pub fn script_from(
    source: &Source,
    (given, outside): (&BTreeMap<String, String>, &dyn Outside),
    kinds: &Kinds,
    out: &mut Vec<Diagnostic>,
) -> Option<Script> {
    let mut doc = Doc::parse(source, out)?;
    let own = outside::variables(&mut doc, given, outside, out);
    let secrets = outside::secrets(&mut doc, outside, out);
    let mut all = own.clone();
    let name = |it: &String| (format!("secret.{it}"), Secrets::written(it));
    all.extend(secrets.sources.keys().map(name));
    vars::fill(&mut doc, &all, out);
    if !secrets.sources.is_empty() {
        outside::places(&doc, out);
    }
    let read = if doc.get(doc.root(), "phases").is_some() {
        drill::drill(&mut doc, kinds, out)
    } else {
        scenario::scenario(&mut doc, kinds, out)
    };
    let mut script = read.filter(|_| out.is_empty())?;
    (script.vars, script.secrets) = (own, secrets);
    Some(script)
}
