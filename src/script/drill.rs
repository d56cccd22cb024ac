//! A disaster-recovery drill: objectives fixed in advance, a witness, and phases.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::{
        began::Objectives,
        course::Sort,
        entry::Mark,
        exercise::{Exercise, ExerciseKind},
        index::RunKind,
    },
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        place::Place,
        read::read,
        unread::{Placed, Unread},
    },
    script::{
        common::{self, Labels},
        course::{self, Step},
        hypothesis, items,
        lines::{Item, Phase, Script, WitnessCue},
        load,
        outside::{Named, Var},
        read::Kinds,
        schema, sites,
        window::Window,
        witness,
    },
    target::ProcessTarget,
    units::{Percent, Span},
    world::{bounds::Deny, secrets::SecretSource},
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
    /// What sort of exercise it is, and who takes part.
    #[serde(default)]
    exercise: Option<Exercise>,
    /// What it must reach, fixed before it begins.
    objectives: WrittenObjectives,
    /// The client that writes through the disaster; an exercise that only talks has none.
    #[serde(default)]
    #[schemars(schema_with = "schema::witness")]
    witness: Option<Unread>,
    /// What must stay true, each a probe and what it should tell.
    #[serde(default)]
    #[schemars(schema_with = "schema::hypotheses")]
    hypothesis: Vec<Unread>,
    /// What is sent meanwhile: requests over HTTP, on a schedule of their own.
    #[serde(default)]
    load: Vec<load::Written>,
    /// What is done, in named stretches.
    #[schemars(schema_with = "schema::phases")]
    phases: Vec<Unread>,
    /// Processes whose utilisation is recorded, by the name that reports give them.
    #[serde(default)]
    processes: BTreeMap<String, ProcessTarget>,
    /// Where the service runs, or could: what is read of each place while the drill is played.
    #[serde(default)]
    sites: Vec<Placed<sites::Written>>,
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
    /// What is lost was acknowledged within so long before the fault.
    #[serde(default)]
    rpo: Option<Span>,
    /// While it is degraded, the service acknowledges at least this share of writes, in percent.
    #[serde(default)]
    service_level: Option<Percent>,
    /// The longest that the business can do without the service; `rto` must be within it.
    #[serde(default)]
    #[schemars(with = "Option<Span>")]
    mtpd: Option<Placed<Span>>,
}

fn objectives(written: &WrittenObjectives, out: &mut Vec<Diagnostic>) -> Objectives {
    let WrittenObjectives { rto, lost_writes, rpo, service_level, mtpd } = written;
    if let Some(it) = mtpd.filter(|it| it.value < *rto) {
        let help = format!("write at least `{rto}`, or aim at a shorter `rto`");
        let what = "the business cannot do without the service for as long as recovery may take";
        out.push(Diagnostic::new(what, it.place, help));
    }
    Objectives {
        rto_us: rto.micros(),
        lost_writes_max: *lost_writes,
        rpo_us: rpo.map(Span::micros),
        service_level_percent: service_level.map(Percent::get),
        mtpd_us: mtpd.map(|it| it.value.micros()),
    }
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
    let sort = written.exercise.as_ref().map(|it| it.kind);
    for it in written.phases {
        phases.extend(phase(doc, it.0, (kinds, sort), out));
    }
    course::number(&mut phases);
    let loads = load::loads(written.load, &phases, out);
    let talk = sort.is_some_and(ExerciseKind::is_talk);
    if written.witness.is_none() && !talk {
        let help = "write `witness:`, or `exercise: { type: tabletop }` if nothing is changed";
        out.push(Diagnostic::new("`witness` is missing: nothing would be measured", top, help));
    }
    let witness = written.witness.and_then(|it| witness::witness(doc, it.0, &kinds.ledgers, out));
    cues(&phases, doc.get(doc.root(), "witness").is_some(), doc, out);
    names(&phases, doc, out);
    origins(&phases, doc, out);
    let objectives = objectives(&written.objectives, out);
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
        objectives: Some(objectives),
        witness,
        exercise: written.exercise,
        loads,
        processes: written.processes,
        sites: sites::sites(written.sites, out),
        labels: Labels { tags, owner, controls },
        safety,
        vars: BTreeMap::new(),
        secrets: Named::default(),
    })
}

fn phase(
    doc: &mut Doc,
    entry: Id,
    (kinds, sort): (&Kinds, Option<ExerciseKind>),
    out: &mut Vec<Diagnostic>,
) -> Option<Phase> {
    let WrittenPhase { phase, steps } = read(doc, entry, doc.head(entry), out)?;
    let mut items = Vec::new();
    for it in steps {
        let place = doc.head(it.0);
        let step = items::step(doc, it.0, kinds, out);
        step.iter().flat_map(course::inside).for_each(|it| unfit(it, (sort, place), out));
        items.extend(step);
    }
    Some(Phase { name: phase, items })
}

/// Complains of a step that such an exercise cannot have.
fn unfit(step: &Step, (sort, place): (Option<ExerciseKind>, Place), out: &mut Vec<Diagnostic>) {
    if let (Item::Act(act), Some(ExerciseKind::Tabletop)) = (&step.item, sort)
        && !act.kind.looks
    {
        let name = act.kind.about.name;
        let what = format!("a tabletop is talked through, and `{name}` does something");
        let help = "write it as `manual`, or name the `type` of exercise that does it";
        out.push(Diagnostic::new(what, place, help));
    }
    if let Item::Ask(it) = &step.item
        && it.sort != Sort::Approval
        && it.who.is_empty()
        && it.persons > 1
        && !sort.is_some_and(ExerciseKind::is_talk)
    {
        let n = it.persons;
        let what = format!("{n} people must answer, and without `who` only one can");
        let help = "name them: `who: [alice, bob]`; nobody else than who runs the drill may answer \
                    a question without `who`, and nobody answers twice";
        out.push(Diagnostic::new(what, it.persons_at, help));
    }
}

/// The witness must be told to start and to read back, once each and in this order.
fn cues(phases: &[Phase], is_there: bool, doc: &Doc, out: &mut Vec<Diagnostic>) {
    let cue = |it: &Step| if let Item::Witness(cue) = &it.item { Some(*cue) } else { None };
    let all = phases.iter().flat_map(|it| &it.items).flat_map(course::inside);
    let told: Vec<WitnessCue> = all.filter_map(cue).collect();
    let place = || doc.get(doc.root(), "phases").map_or_else(Default::default, |it| doc.head(it));
    if !is_there {
        if !told.is_empty() {
            let help = "write `witness:`, or leave the steps `witness` out";
            out.push(Diagnostic::new("there is no witness to be told", place(), help));
        }
    } else if told != [WitnessCue::Start, WitnessCue::ReadBack] && out.is_empty() {
        let help = "write `- witness: start` before the fault and `- witness: read_back` after it";
        out.push(Diagnostic::new("the witness must start once and read back once", place(), help));
    }
}

/// A recovery time counts from one instant.
fn origins(phases: &[Phase], doc: &Doc, out: &mut Vec<Diagnostic>) {
    let all = phases.iter().flat_map(|it| &it.items).flat_map(course::inside);
    let many = all.filter(|it| match &it.item {
        Item::Ask(it) => it.attests.is_some() || it.mark == Some(Mark::Started),
        Item::Declare(it) => it.mark == Mark::Started,
        Item::Wait(it) => it.mark == Mark::Started,
        _ => false,
    });
    let names: Vec<String> = many.map(|it| format!("“{}”", it.name)).collect();
    if names.len() > 1 {
        let place = doc.get(doc.root(), "phases");
        let place = place.map_or_else(Default::default, |it| doc.head(it));
        let what = format!("the recovery time would count from each of {}", names.join(", "));
        let help = "keep one `attests: fault` or one `mark: started`";
        out.push(Diagnostic::new(what, place, help));
    }
}

/// Whoever answers names the question: no two may have the same name.
fn names(phases: &[Phase], doc: &Doc, out: &mut Vec<Diagnostic>) {
    let all = phases.iter().flat_map(|it| &it.items).flat_map(course::inside);
    let mut seen = BTreeSet::new();
    for it in all.filter(|it| matches!(it.item, Item::Ask(_))) {
        if !seen.insert(&it.name) {
            let place = doc.get(doc.root(), "phases");
            let place = place.map_or_else(Default::default, |it| doc.head(it));
            let what = format!("two questions are called “{}”", it.name);
            out.push(Diagnostic::new(what, place, "give each a `name` of its own"));
        }
    }
}
