//! Reading how a drill measures: where its witness writes, and how often.

use std::sync::Arc;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    ledger::{AnyLedger, LedgerKind},
    manifest::{
        diagnostic::Diagnostic,
        kinds::Menu,
        node::{Doc, Id},
        place::Place,
        read::read,
        unread::Placed,
    },
    script::lines::Witness,
    units::Span,
};

/// What stands beside the ledger.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Beside {
    /// How often it writes, at most every `5ms`.
    #[serde(default = "twenty_ms")]
    #[schemars(with = "Span")]
    every: Placed<Span>,
    /// How long it waits for an answer.
    #[serde(default = "half_a_second")]
    deadline: Span,
    /// So many good answers in a row are a recovery.
    #[serde(default = "five")]
    good_in_a_row: u32,
}

const BESIDE: &[&str] = &["every", "deadline", "good_in_a_row"];
/// The ledger that needs no name, and its settings.
pub(super) const USUAL: &str = "http";
const USUAL_KEYS: &[&str] = &["write", "read", "sides"];

fn twenty_ms() -> Placed<Span> {
    Placed { place: Place::default(), value: Span::millis(20) }
}

fn half_a_second() -> Span {
    Span::millis(500)
}

fn five() -> u32 {
    5
}

/// Reads the witness: a ledger's kind with its settings, or the settings of `http` by themselves.
pub(super) fn witness(
    doc: &mut Doc,
    entry: Id,
    kinds: &[&'static LedgerKind],
    out: &mut Vec<Diagnostic>,
) -> Option<Witness> {
    let short = USUAL_KEYS.iter().any(|it| doc.get(entry, it).is_some());
    let (ledger, beside) = if short {
        short_form(doc, entry, kinds, out)?
    } else {
        let known: Vec<&str> = kinds.iter().map(|it| it.about.name).collect();
        let pick = Menu { sort: "ledger", known: &known, common: BESIDE }.pick(doc, entry, out)?;
        let kind = pick.kind.and_then(|(n, settings)| kinds.get(n).map(|it| (it, settings)));
        let ledger = kind.and_then(|(it, settings)| it.read(doc, settings, pick.place, out));
        (ledger, read(doc, pick.common, pick.place, out))
    };
    let (ledger, beside) = (ledger?, beside?);
    let Beside { every, deadline, good_in_a_row } = beside;
    if every.value < Span::millis(5) {
        let help = "write at least `5ms`: more than 200 writes a second disturb what they measure";
        out.push(Diagnostic::new("the witness would write too often", every.place, help));
    }
    Some(Witness { ledger, every: every.value, deadline, good_in_a_row: good_in_a_row.max(1) })
}

type Parts = (Option<Arc<dyn AnyLedger>>, Option<Beside>);

fn short_form(
    doc: &mut Doc,
    entry: Id,
    kinds: &[&'static LedgerKind],
    out: &mut Vec<Diagnostic>,
) -> Option<Parts> {
    let head = doc.head(entry);
    let settings = doc.part(entry, USUAL_KEYS)?.common;
    let beside = doc.part(entry, BESIDE)?.common;
    let all = [USUAL_KEYS, BESIDE].concat();
    for (key, _) in doc.part(entry, &all)?.rest {
        let (word, place) = (doc.text(key).unwrap_or(""), doc.place(key));
        out.push(Diagnostic::unknown_key(word, place, &all));
    }
    let kind = kinds.iter().find(|it| it.about.name == USUAL);
    let ledger = kind.and_then(|it| it.read(doc, settings, head, out));
    Some((ledger, read(doc, beside, head, out)))
}

/// The short form beside the others, in a schema whose choices are the ledgers.
pub(super) fn with_short_form(mut entry: Schema, settings: Option<&Map<String, Value>>) -> Schema {
    if let Some(Value::Object(all)) = entry.get_mut("properties") {
        for key in USUAL_KEYS {
            let own = settings.and_then(|it| it.get(*key)).cloned();
            all.extend(own.map(|it| ((*key).to_owned(), it)));
        }
    }
    if let Some(Value::Array(all)) = entry.get_mut("oneOf") {
        all.push(serde_json::json!({ "required": ["write", "read"] }));
    }
    entry
}
