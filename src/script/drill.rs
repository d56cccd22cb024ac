//! A disaster-recovery drill: objectives fixed in advance, a witness, and phases.

use std::collections::BTreeMap;

use schemars::JsonSchema;
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
        outside::{Named, Var},
        read::Kinds,
        schema,
        window::Window,
    },
    target::ProcessTarget,
    units::Span,
    world::{bounds::Deny, secrets::SecretSource, web::Method},
};

/// The file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Its title.
    title: String,
    /// What it is for, and what it proves.
    #[serde(default)]
    description: String,
    /// The seed of all chance; one is rolled for each run if none is named.
    #[serde(default)]
    seed: Option<u64>,
    /// The whole run ends by then.
    #[serde(default = "half_an_hour")]
    max: Span,
    /// How long the hypotheses are looked at before anything is done.
    #[serde(default = "one_second")]
    baseline: Span,
    /// How long they may take to be true again afterwards.
    #[serde(default = "ten_seconds")]
    settle: Span,
    /// What it must reach, fixed before it begins.
    objectives: WrittenObjectives,
    /// The client that writes through the disaster.
    witness: WrittenWitness,
    /// What must stay true, each a probe and what it should tell.
    #[serde(default)]
    #[schemars(schema_with = "schema::hypotheses")]
    hypothesis: Vec<Unread>,
    /// What is done, in named stretches.
    #[schemars(schema_with = "schema::phases")]
    phases: Vec<Unread>,
    /// Processes whose utilisation is recorded, by the name that reports give them.
    #[serde(default)]
    processes: BTreeMap<String, ProcessTarget>,
    /// Words to find it by.
    #[serde(default)]
    tags: Vec<String>,
    /// Who answers for it.
    #[serde(default)]
    owner: String,
    /// Ids of the controls that it evidences.
    #[serde(default)]
    controls: Vec<String>,
    /// The hours in which it may start.
    #[serde(default)]
    window: Option<Window>,
    /// What must be so before anything is begun.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    start_when: Vec<Unread>,
    /// What stops it.
    #[serde(default)]
    #[schemars(schema_with = "schema::guards")]
    abort_when: Vec<Unread>,
    /// What is left alone.
    #[serde(default)]
    deny: Deny,
    /// Variables, to be used as `${name}`; `--set` wins over them.
    #[serde(default, rename = "vars")]
    _vars: BTreeMap<String, Var>,
    /// Secrets, to be used as `${secret.name}`: they come from the environment or from files, and
    /// are never written down.
    #[serde(default, rename = "secrets")]
    _secrets: BTreeMap<String, SecretSource>,
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenObjectives {
    /// The longest that recovery may take.
    rto: Span,
    /// So many acknowledged writes may be lost.
    lost_writes: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenWitness {
    /// How it writes a record.
    write: WrittenWrite,
    /// How it reads a record back.
    read: WrittenRead,
    /// How often it writes, at most every `5ms`.
    #[serde(default = "twenty_ms")]
    #[schemars(with = "Span")]
    every: Placed<Span>,
    #[serde(default = "half_a_second")]
    /// How long it waits for an answer.
    deadline: Span,
    /// So many good answers in a row are a recovery.
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenWrite {
    url: String,
    #[serde(default = "post")]
    method: Method,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What is written; `{id}` or `{seq}` stands for the record's name.
    body: Placed<String>,
}

fn post() -> Method {
    Method::Post
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenRead {
    /// With `{id}` or `{seq}` where the record's name goes.
    url: Placed<String>,
    /// What the answer must hold.
    contains: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPhase {
    /// Its name.
    phase: String,
    /// What is done in it, in this order.
    #[schemars(schema_with = "schema::steps")]
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
        loads: Vec::new(),
        processes: written.processes,
        labels: Labels { tags, owner, controls },
        safety,
        vars: BTreeMap::new(),
        secrets: Named::default(),
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
