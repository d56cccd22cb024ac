//! A script, ready to be played.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    action::{ActionKind, AnyAction},
    journal::{
        began::{Objectives, PlannedPhase},
        entry::{Mark, OnVanish},
        exercise::Exercise,
        index::RunKind,
    },
    ledger::AnyLedger,
    probe::AnyProbe,
    script::{
        common::{Labels, Safety},
        course::{self, Ask, Branch, Step},
        expect::Expect,
        hypothesis::Hypothesis,
        load::Load,
        outside::Named,
        sites::Site,
    },
    target::ProcessTarget,
    units::Span,
};

/// A scenario or a drill.
pub struct Script {
    /// Which of the two.
    pub kind: RunKind,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// The seed that the file names.
    pub seed: Option<u64>,
    /// The whole run ends by then.
    pub max: Span,
    /// What must stay true.
    pub hypotheses: Vec<Hypothesis>,
    /// How long the hypotheses are looked at before anything is done.
    pub baseline: Span,
    /// How long they may take to be true again afterwards.
    pub settle: Span,
    /// What is done.
    pub phases: Vec<Phase>,
    /// What a drill must reach.
    pub objectives: Option<Objectives>,
    /// How a drill measures.
    pub witness: Option<Witness>,
    /// What sort of exercise a drill is, and who takes part.
    pub exercise: Option<Exercise>,
    /// What is sent meanwhile.
    pub loads: Vec<Load>,
    /// Processes whose utilisation is recorded, by the name that reports give them.
    pub processes: BTreeMap<String, ProcessTarget>,
    /// Where the service runs, or could.
    pub sites: Vec<Site>,
    /// Whose it is, and what it shows.
    pub labels: Labels,
    /// When it may start, when it must stop, and what it leaves alone.
    pub safety: Safety,
    /// The variables that filled the file.
    pub vars: BTreeMap<String, String>,
    /// The secrets that it names.
    pub secrets: Named,
}

/// A named stretch of a script.
pub struct Phase {
    /// Its name.
    pub name: String,
    /// What is done in it, one after the other.
    pub items: Vec<Step>,
}

/// One thing to do.
pub enum Item {
    /// An action.
    Act(Act),
    /// Several actions, each at its instant, side by side.
    Together(Vec<Act>),
    /// Nothing, for a while.
    Pause(Span),
    /// Look until something is so.
    Wait(Wait),
    /// Say that the outage is declared.
    Declare(Declare),
    /// Something for the witness.
    Witness(WitnessCue),
    /// A question to people.
    Ask(Ask),
    /// Nothing, for a while in which everything must stay well.
    Dwell(Span),
    /// Several stretches of steps, side by side.
    Branches(Vec<Branch>),
}

/// An action and its circumstances.
pub struct Act {
    /// Its name in the report.
    pub name: String,
    /// Its kind.
    pub kind: &'static ActionKind,
    /// Its settings.
    pub action: Box<dyn AnyAction>,
    /// A pause before it; among those done together, from when they begin.
    pub after: Option<Span>,
    /// How long it stands.
    pub length: Option<Span>,
    /// The script goes on only when its length is over.
    pub waits: bool,
    /// What is to become of it if the runner vanishes, and at the end.
    pub on_vanish: OnVanish,
}

/// Looking until something is so.
pub struct Wait {
    /// What for, in words.
    pub name: String,
    /// The question.
    pub probe: Arc<dyn AnyProbe>,
    /// The answer that is waited for.
    pub expect: Expect,
    /// How often.
    pub every: Span,
    /// So often in a row.
    pub in_a_row: u32,
    /// Not longer than this.
    pub at_most: Span,
    /// The moment that this is, on a drill's clock.
    pub mark: Mark,
}

/// A decision, made in advance for rehearsals.
pub struct Declare {
    /// What is said.
    pub note: String,
    /// How long the decision takes.
    pub delay: Option<Span>,
    /// The moment that this is, on a drill's clock.
    pub mark: Mark,
}

/// What the witness is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WitnessCue {
    /// Begin to write.
    Start,
    /// Stop writing, and read everything back.
    ReadBack,
}

/// The client that writes through the disaster.
#[derive(Clone)]
pub struct Witness {
    /// Where it writes.
    pub ledger: Arc<dyn AnyLedger>,
    /// One write each so often.
    pub every: Span,
    /// A write that is not acknowledged by then has failed.
    pub deadline: Span,
    /// Restored is the first of so many good ones in a row.
    pub good_in_a_row: u32,
}

impl Script {
    /// The plan in words, for the journal.
    pub fn plan(&self) -> Vec<PlannedPhase> {
        let phase = |it: &Phase| PlannedPhase {
            phase: it.name.clone(),
            items: it.items.iter().map(|it| it.item.to_string()).collect(),
        };
        self.phases.iter().map(phase).collect()
    }

    /// All that is looked at all the time: what must stay true, and then what must never be so.
    pub fn watched(&self) -> impl Iterator<Item = &Hypothesis> {
        self.hypotheses.iter().chain(self.safety.abort_when.iter().map(|it| &it.never))
    }

    /// The variables that the file's text names: the others are nobody's business.
    pub fn vars_in(&self, text: &str) -> BTreeMap<String, String> {
        let named = |name: &str| text.contains(&format!("${{{name}}}"));
        self.vars.iter().filter(|it| named(it.0)).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// All acts, in order.
    pub fn acts(&self) -> impl Iterator<Item = &Act> {
        self.steps().flat_map(|it| match &it.item {
            Item::Act(act) => std::slice::from_ref(act),
            Item::Together(all) => all,
            Item::Pause(_)
            | Item::Wait(_)
            | Item::Declare(_)
            | Item::Witness(_)
            | Item::Ask(_)
            | Item::Dwell(_)
            | Item::Branches(_) => &[],
        })
    }

    /// All steps, in order; those of branches follow the step that holds them.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flat_map(|it| &it.items).flat_map(course::inside)
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.kind.about.name)?;
        match self.length {
            Some(length) => write!(f, " for {length}"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Act(it) => it.fmt(f),
            Self::Together(all) => {
                let one = |it: &Act| match it.after {
                    Some(after) => format!("{it} after {after}"),
                    None => it.to_string(),
                };
                write!(f, "together: {}", all.iter().map(one).collect::<Vec<_>>().join(", "))
            }
            Self::Pause(length) => write!(f, "wait {length}"),
            Self::Wait(it) => write!(f, "wait until {}, at most {}", it.name, it.at_most),
            Self::Declare(it) => write!(f, "declare: {}", it.note),
            Self::Witness(WitnessCue::Start) => f.write_str("the witness begins to write"),
            Self::Witness(WitnessCue::ReadBack) => {
                f.write_str("the witness stops, and reads back what it wrote")
            }
            Self::Ask(it) => {
                let (sort, text, timeout) = (it.sort.word(), &it.text, it.timeout);
                write!(f, "{sort}: {text} (at most {timeout}, then {})", it.otherwise.word())
            }
            Self::Dwell(length) => write!(f, "stay as it is for {length}"),
            Self::Branches(all) => {
                let one = |it: &Branch| {
                    let steps = it.steps.iter().map(|it| it.item.to_string());
                    format!("{}: {}", it.name, steps.collect::<Vec<_>>().join(", then "))
                };
                write!(f, "side by side: {}", all.iter().map(one).collect::<Vec<_>>().join("; "))
            }
        }
    }
}
