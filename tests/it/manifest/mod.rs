//! What users write: read as meant, and complained about so that they can mend it.

mod complaints;
mod reading;
mod round_trip;
mod strangers;

use std::{collections::BTreeMap, fmt::Write as _, num::NonZeroU16};

use holdfast::{
    manifest::{
        diagnostic::Diagnostic,
        kinds::Menu,
        node::Doc,
        read::read,
        render::render,
        source::Source,
        unread::{Placed, Unread},
        vars,
    },
    units::Span,
};
use serde::{Deserialize, de::DeserializeOwned};

/// A file in which nearly everything is wrong.
const MISTAKES: &str = include_str!("../../golden/manifest/mistakes.yaml");

// A small language with everything in it: the mapping at the top, and two kinds of faults.

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    title: String,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    vars: BTreeMap<String, String>,
    method: Vec<Unread>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    #[serde(rename = "for")]
    length: Span,
    #[serde(default)]
    after: Option<Span>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    name: Placed<String>,
    targets_max: u8,
    #[serde(default)]
    how: How,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    #[default]
    Ptrace,
    Signal,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Burn {
    percent: u8,
    cores: NonZeroU16,
    #[serde(default)]
    gentle: bool,
    #[serde(default)]
    load: Vec<f64>,
}

#[derive(Debug, PartialEq)]
enum Fault {
    Pause(Pause),
    Burn(Burn),
}

const MENU: Menu<'_> =
    Menu { sort: "fault", known: &["process_pause", "cpu_burn"], common: &["for", "after"] };

/// Reads all of it: the complaints, and the faults that could be read beside them.
fn check(source: &Source) -> (Vec<Diagnostic>, Vec<(Common, Fault)>) {
    let mut out = Vec::new();
    let faults = Doc::parse(source, &mut out).map(|doc| faults(doc, &mut out));
    (out, faults.unwrap_or_default())
}

fn faults(mut doc: Doc, out: &mut Vec<Diagnostic>) -> Vec<(Common, Fault)> {
    let root = doc.root();
    let known = doc.get(root, "vars").and_then(|it| read(&doc, it, doc.head(it), &mut Vec::new()));
    vars::fill(&mut doc, &known.unwrap_or_default(), out);
    let scenario = read::<Scenario>(&doc, root, doc.head(root), out);
    let mut all = Vec::new();
    for Unread(entry) in scenario.map_or_else(Vec::new, |it| it.method) {
        let Some(pick) = MENU.pick(&mut doc, entry, out) else { continue };
        let common = read(&doc, pick.common, pick.place, out);
        let fault = pick.kind.and_then(|(number, id)| match number {
            0 => read(&doc, id, pick.place, out).map(Fault::Pause),
            _ => read(&doc, id, pick.place, out).map(Fault::Burn),
        });
        all.extend(common.zip(fault));
    }
    all
}

/// What a user sees of a file's mistakes.
fn shown(path: &str, bytes: impl AsRef<[u8]>) -> String {
    let source = Source::new(path, bytes);
    render(&source, &check(&source).0, false)
}

/// A whole text as one value, or what a user sees.
fn whole<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let (source, mut out) = (Source::new("t.yaml", text), Vec::new());
    let read = Doc::parse(&source, &mut out)
        .and_then(|doc| read(&doc, doc.root(), doc.head(doc.root()), &mut out));
    if out.is_empty() { read.ok_or_else(String::new) } else { Err(render(&source, &out, false)) }
}

/// A dozen lines that become 10¹² values if one lets them.
fn bomb() -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let last = format!("*a{}, ", n - 1).repeat(10);
        writeln!(text, "a{n}: &a{n} [{last}]").expect("a string takes it all");
    }
    text
}
