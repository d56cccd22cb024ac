//! A drill's steps, and the questions among them.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::{
        course::{Attested, Attests, Dial, Outcome, Sort, Word},
        entry::Mark,
        exercise::{CoursePlan, Exercise, PlannedStep},
    },
    manifest::place::Place,
    script::lines::{Item, Phase},
    units::Span,
};

/// One step of a phase.
pub struct Step {
    /// Its place in the plan: `PHASE.STEP`, counted from 1; in a branch `PHASE.STEP.BRANCH.STEP`.
    pub id: String,
    /// Its name in reports.
    pub name: String,
    /// Its kind, as the file names it.
    pub kind: &'static str,
    /// Who answers for it.
    pub owner: String,
    /// How long it is to take.
    pub planned: Option<Span>,
    /// What becomes of the run when it cannot be done.
    pub on_fail: OnFail,
    /// What is done.
    pub item: Item,
}

/// What becomes of the run when a step cannot be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// It stops, and goes back.
    #[default]
    Abort,
    /// It goes on; that the step was not done weighs on the verdict all the same.
    GoOn,
}

impl Step {
    /// What a scenario does has no plan beside it.
    pub(super) fn plain(item: Item) -> Self {
        let (id, name, owner) = (String::new(), String::new(), String::new());
        Self { id, name, kind: "", owner, planned: None, on_fail: OnFail::Abort, item }
    }

    fn planned(&self, phase: &str, into: &mut Vec<PlannedStep>) {
        into.push(PlannedStep {
            step: self.id.clone(),
            phase: phase.to_owned(),
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            owner: self.owner.clone(),
            planned_us: self.planned.map(Span::micros),
        });
        if let Item::Branches(all) = &self.item {
            let inside = all.iter().flat_map(|it| &it.steps);
            inside.for_each(|it| it.planned(phase, into));
        }
    }
}

/// Steps that are done one after the other, beside those of other branches.
pub struct Branch {
    /// Its name.
    pub name: String,
    /// What is done in it.
    pub steps: Vec<Step>,
}

/// A question to people.
pub struct Ask {
    /// What is asked for.
    pub sort: Sort,
    /// The question, or the instruction.
    pub text: String,
    /// Who may answer; whoever may use the state folder if nobody is named.
    pub who: Vec<String>,
    /// So many people must say yes.
    pub persons: u32,
    /// Where the file says so.
    pub persons_at: Place,
    /// What a yes must tell the time of.
    pub attests: Option<Attests>,
    /// How long it waits.
    pub timeout: Span,
    /// What comes of it when nobody answers.
    pub otherwise: Outcome,
    /// The moment on the drill's clock that a yes is.
    pub mark: Option<Mark>,
    /// What is answered in a rehearsal.
    pub rehearsal: Vec<Rehearsed>,
}

/// An answer that is written down beforehand, for rehearsals.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rehearsed {
    /// Who is played.
    pub by: String,
    /// What they say.
    pub answer: Word,
    /// In which words.
    #[serde(default)]
    pub note: String,
    /// How long they think about it.
    #[serde(default)]
    pub after: Option<Span>,
    /// Where they attest when it was: not before so long ago.
    #[serde(default)]
    pub from_ago: Option<Span>,
    /// And not after so long ago.
    #[serde(default)]
    pub to_ago: Option<Span>,
}

impl Rehearsed {
    /// When it was, by what they say at `now_us` of the run's clock.
    pub fn attested(&self, now_us: u64) -> Option<Attested> {
        let ago = |it: Option<Span>| it.map(|it| now_us.saturating_sub(it.micros()));
        let (from_us, to_us) = (ago(self.from_ago)?, ago(self.to_ago)?);
        Some(Attested { clock: Dial::Run, from_us: from_us.min(to_us), to_us })
    }
}

/// A step, and those in its branches.
pub(crate) fn inside(step: &Step) -> impl Iterator<Item = &Step> {
    let inside: &[Branch] = if let Item::Branches(all) = &step.item { all } else { &[] };
    std::iter::once(step).chain(inside.iter().flat_map(|it| &it.steps))
}

/// Numbers the steps of all phases.
pub(super) fn number(phases: &mut [Phase]) {
    for (phase, n) in phases.iter_mut().zip(1..) {
        let places = (1..).map(|step: usize| format!("{n}.{step}"));
        for (step, id) in phase.items.iter_mut().zip(places) {
            if let Item::Branches(all) = &mut step.item {
                for (branch, m) in all.iter_mut().zip(1..) {
                    for (inner, k) in branch.steps.iter_mut().zip(1..) {
                        inner.id = format!("{id}.{m}.{k}");
                    }
                }
            }
            step.id = id;
        }
    }
}

/// What is fixed of the course before anything is touched.
pub(crate) fn plan(phases: &[Phase], exercise: Option<&Exercise>, rehearsed: bool) -> CoursePlan {
    let mut steps = Vec::new();
    for phase in phases {
        phase.items.iter().for_each(|it| it.planned(&phase.name, &mut steps));
    }
    CoursePlan { exercise: exercise.cloned(), rehearsed, steps }
}
