//! A disaster-recovery drill: objectives fixed in advance, a witness, and phases.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    journal::{began::Objectives, index::RunKind},
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        read::read,
        unread::{Placed, Unread},
    },
    script::{
        common::{self, Labels},
        hypothesis, items,
        lines::{Item, Phase, Request, Script, Witness, WitnessCue},
        read::Kinds,
        window::Window,
    },
    target::ProcessTarget,
    units::Span,
    world::{bounds::Deny, web::Method},
};

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default = "half_an_hour")]
    max: Span,
    #[serde(default = "one_second")]
    baseline: Span,
    #[serde(default = "ten_seconds")]
    settle: Span,
    objectives: WrittenObjectives,
    witness: WrittenWitness,
    #[serde(default)]
    hypothesis: Vec<Unread>,
    phases: Vec<Unread>,
    #[serde(default)]
    processes: BTreeMap<String, ProcessTarget>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    controls: Vec<String>,
    #[serde(default)]
    window: Option<Window>,
    #[serde(default)]
    start_when: Vec<Unread>,
    #[serde(default)]
    abort_when: Vec<Unread>,
    #[serde(default)]
    deny: Deny,
    #[serde(default, rename = "vars")]
    _vars: BTreeMap<String, String>,
}

fn half_an_hour() -> Span {
    Span::millis(1_800_000)
}

fn one_second() -> Span {
    Span::millis(1_000)
}

fn ten_seconds() -> Span {
    Span::millis(10_000)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenObjectives {
    rto: Span,
    lost_writes: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWitness {
    write: WrittenWrite,
    read: WrittenRead,
    #[serde(default = "twenty_ms")]
    every: Placed<Span>,
    #[serde(default = "half_a_second")]
    deadline: Span,
    #[serde(default = "five")]
    good_in_a_row: u32,
}

fn twenty_ms() -> Placed<Span> {
    Placed { place: crate::manifest::place::Place::default(), value: Span::millis(20) }
}

fn half_a_second() -> Span {
    Span::millis(500)
}

fn five() -> u32 {
    5
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWrite {
    url: String,
    #[serde(default = "post")]
    method: Method,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Placed<String>,
}

fn post() -> Method {
    Method::Post
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRead {
    url: Placed<String>,
    contains: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPhase {
    phase: String,
    steps: Vec<Unread>,
}

pub(super) fn drill(doc: &mut Doc, kinds: &Kinds, out: &mut Vec<Diagnostic>) -> Option<Script> {
    let top = doc.head(doc.root());
    let written: Written = read(doc, doc.root(), top, out)?;
    let Written { tags, owner, controls, window, start_when, abort_when, deny, .. } = written;
    let common = common::Written { window, start_when, abort_when, deny };
    let safety = common.safety(doc, &kinds.probes, out);
    let mut hypotheses = Vec::new();
    for it in written.hypothesis {
        hypotheses.extend(hypothesis::hypothesis(doc, it.0, &kinds.probes, out));
    }
    let mut phases = Vec::new();
    for it in written.phases {
        phases.extend(phase(doc, it.0, kinds, out));
    }
    let witness = witness(written.witness, out);
    cues(&phases, doc, out);
    Some(Script {
        kind: RunKind::Drill,
        title: written.title,
        description: written.description,
        seed: written.seed,
        max: written.max,
        hypotheses,
        baseline: written.baseline,
        settle: written.settle,
        phases,
        objectives: Some(Objectives {
            rto_us: written.objectives.rto.micros(),
            lost_writes_max: written.objectives.lost_writes,
        }),
        witness: Some(witness),
        processes: written.processes,
        labels: Labels { tags, owner, controls },
        safety,
        vars: BTreeMap::new(),
    })
}

fn phase(doc: &mut Doc, entry: Id, kinds: &Kinds, out: &mut Vec<Diagnostic>) -> Option<Phase> {
    let WrittenPhase { phase, steps } = read(doc, entry, doc.head(entry), out)?;
    let mut items = Vec::new();
    for it in steps {
        items.extend(items::step(doc, it.0, kinds, out));
    }
    Some(Phase { name: phase, items })
}

fn witness(written: WrittenWitness, out: &mut Vec<Diagnostic>) -> Witness {
    let WrittenWitness { write, read, every, deadline, good_in_a_row } = written;
    let mut names_record = |text: &Placed<String>, others: &BTreeMap<String, String>| {
        let names = |it: &str| it.contains("{id}") || it.contains("{seq}");
        if !names(&text.value) && !others.values().any(|it| names(it)) {
            let help = "put `{id}` or `{seq}` where the record's name goes";
            out.push(Diagnostic::new("every record would look the same", text.place, help));
        }
    };
    names_record(&write.body, &write.headers);
    names_record(&read.url, &BTreeMap::new());
    if every.value < Span::millis(5) {
        let help = "write at least `5ms`: more than 200 writes a second disturb what they measure";
        out.push(Diagnostic::new("the witness would write too often", every.place, help));
    }
    let WrittenWrite { url, method, headers, body } = write;
    Witness {
        write: Request { method, url, headers, body: Some(body.value) },
        read: Request {
            method: Method::Get,
            url: read.url.value,
            headers: BTreeMap::new(),
            body: None,
        },
        read_contains: read.contains,
        every: every.value,
        deadline,
        good_in_a_row: good_in_a_row.max(1),
    }
}

/// The witness must be told to start and to read back, once each and in this order.
fn cues(phases: &[Phase], doc: &Doc, out: &mut Vec<Diagnostic>) {
    let told: Vec<WitnessCue> = phases
        .iter()
        .flat_map(|it| &it.items)
        .filter_map(|it| match it {
            Item::Witness(cue) => Some(*cue),
            Item::Act(_)
            | Item::Together(_)
            | Item::Pause(_)
            | Item::Wait(_)
            | Item::Declare(_) => None,
        })
        .collect();
    if told != [WitnessCue::Start, WitnessCue::ReadBack] && out.is_empty() {
        let place = doc.get(doc.root(), "phases").map_or_else(Default::default, |it| doc.head(it));
        let help = "write `- witness: start` before the fault and `- witness: read_back` after it";
        out.push(Diagnostic::new("the witness must start once and read back once", place, help));
    }
}
