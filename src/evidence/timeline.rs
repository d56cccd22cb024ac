//! What was done and when: phases, acts and moments, on the run's own scale.

use serde::Serialize;

use crate::{
    evidence::{
        origin::{self, Origin, Since},
        say,
        scale::{self, Restart, Scale, Window},
        shown::Age,
    },
    journal::{
        course::Course,
        entry::{Fact, Family, Intent, Mark, OnVanish, Successor, UndoClass},
        showing::Showing,
    },
    verdict::Verdict,
};

/// A phase as it was played.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its beginning, in microseconds since the run began.
    pub from_us: i64,
    /// Its end; none if it never ended.
    pub to_us: Option<i64>,
}

/// An act and all that became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Act {
    /// Its number in the run.
    pub act: u32,
    /// Its kind.
    pub kind: String,
    /// Fault or step.
    pub family: Family,
    /// Its name in the file.
    pub name: String,
    /// What was to be done.
    pub will: String,
    /// The phase it was done in.
    pub phase: Option<String>,
    /// Who would have gone back if we had vanished.
    pub class: UndoClass,
    /// What was to become of it if we had vanished.
    pub on_vanish: OnVanish,
    /// How a person goes back with a shell.
    pub by_hand: Vec<String>,
    /// When it was written down, in microseconds since the run began.
    pub intended_us: i64,
    /// Just before and just after it was applied.
    pub applied: Option<Window>,
    /// Just before and just after it was undone.
    pub undone: Option<Window>,
    /// How it stands.
    pub state: ActState,
    /// Why it failed to be applied.
    pub failed: Option<String>,
    /// Why it failed to be undone.
    pub stuck: Option<String>,
    /// Whether it was seen to have an effect.
    pub effect: Option<Effect>,
    /// What it showed, where that is what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub showing: Option<Showing>,
    /// How old the recovery point was that it showed; none without one, or without a disaster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_point: Option<Age>,
}

/// How an act stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActState {
    /// Not undone yet.
    Outstanding,
    /// Done once and for all: there is nothing to undo.
    Spent,
    /// Undone.
    Undone,
    /// It stands on purpose.
    Kept,
    /// Its undo failed: a person must.
    Stuck,
}

impl ActState {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Outstanding => "outstanding",
            Self::Spent => "one-shot",
            Self::Undone => "healed",
            Self::Kept => "kept on purpose",
            Self::Stuck => "stuck",
        }
    }
}

/// Whether an act was seen to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Pass: seen.
    pub seen: Verdict,
    /// What was seen.
    pub how: String,
}

/// Something that happened at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When, in microseconds since the run began.
    pub at_us: i64,
    /// What.
    pub what: MomentKind,
    /// What was seen or said.
    pub note: String,
}

/// The kinds of moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// A planned switch-over began.
    Started,
    /// The outage was noticed.
    Detected,
    /// Somebody decided to switch over.
    Declared,
    /// A wait came to its end.
    Reached,
    /// The run was stopped early.
    Aborted,
    /// The guardian took the run over.
    Guardian,
    /// A later process took the run over.
    Recover,
    /// The run went on after its runner had vanished.
    Resumed,
}

impl MomentKind {
    /// The words in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Detected => "detected",
            Self::Declared => "declared",
            Self::Reached => "reached",
            Self::Aborted => "aborted",
            Self::Guardian => "guardian took over",
            Self::Recover => "recovery took over",
            Self::Resumed => "resumed",
        }
    }
}

/// What was done and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// Phases, in the order of beginning.
    pub phases: Vec<Phase>,
    /// Acts, in the order of intent.
    pub acts: Vec<Act>,
    /// Moments, in order.
    pub moments: Vec<Moment>,
    /// What recovery times count from, if that is not the first fault of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When the machine was restarted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restart>,
}

impl Timeline {
    /// Takes in what a fact says of it; facts of other things are passed over.
    pub(crate) fn meet(&mut self, at_us: i64, fact: &Fact, scale: &Scale) {
        match fact {
            Fact::PhaseBegan { phase } => {
                self.phases.push(Phase { name: phase.clone(), from_us: at_us, to_us: None });
            }
            Fact::PhaseEnded { phase } => {
                let open = self.phases.iter_mut().rev().find(|it| it.name == *phase);
                if let Some(open) = open.filter(|it| it.to_us.is_none()) {
                    open.to_us = Some(at_us);
                }
            }
            Fact::Intent(intent) => self.intent(at_us, intent),
            Fact::Marked { mark, note } => {
                let what = match mark {
                    Mark::Detected => MomentKind::Detected,
                    Mark::Declared => MomentKind::Declared,
                    Mark::Reached => MomentKind::Reached,
                    Mark::Started => MomentKind::Started,
                };
                self.moments.push(Moment { at_us, what, note: note.clone() });
            }
            Fact::Aborted { why } => {
                let what = MomentKind::Aborted;
                self.moments.push(Moment { at_us, what, note: why.clone() });
            }
            Fact::TakenOver { by, why } => {
                let what = match by {
                    Successor::Guardian => MomentKind::Guardian,
                    Successor::Recover => MomentKind::Recover,
                };
                self.moments.push(Moment { at_us, what, note: why.clone() });
            }
            Fact::Applied { .. }
            | Fact::Failed { .. }
            | Fact::Effect { .. }
            | Fact::Showed { .. }
            | Fact::Undone { .. }
            | Fact::Kept { .. }
            | Fact::Stuck { .. } => self.of_act(fact, scale),
            Fact::Course(Course::Resumed(it)) => {
                let (what, gap) = (MomentKind::Resumed, say::length_u(it.gap_us));
                let note = format!("by {}, after {gap} in which nobody played", it.operator);
                self.moments.push(Moment { at_us, what, note });
            }
            Fact::Began(_)
            | Fact::Anchor(_)
            | Fact::Census(_)
            | Fact::Residue(_)
            | Fact::Course(_)
            | Fact::Looks { .. }
            | Fact::Judged { .. }
            | Fact::Loaded { .. }
            | Fact::Writes { .. }
            | Fact::Peeks { .. }
            | Fact::Reads { .. }
            | Fact::Sampled(_)
            | Fact::Site(_)
            | Fact::Ended { .. } => {}
        }
    }

    fn intent(&mut self, at_us: i64, intent: &Intent) {
        let open = self.phases.iter().rev().find(|it| it.to_us.is_none());
        self.acts.push(Act {
            act: intent.act,
            kind: intent.kind.clone(),
            family: intent.family,
            name: intent.name.clone(),
            will: intent.will.clone(),
            phase: open.map(|it| it.name.clone()),
            class: intent.class,
            on_vanish: intent.on_vanish,
            by_hand: intent.by_hand.clone(),
            intended_us: at_us,
            applied: None,
            undone: None,
            state: match intent.class {
                UndoClass::OneShot => ActState::Spent,
                UndoClass::Kernel | UndoClass::Guardian => ActState::Outstanding,
            },
            failed: None,
            stuck: None,
            effect: None,
            showing: None,
            recovery_point: None,
        });
    }

    fn of_act(&mut self, fact: &Fact, scale: &Scale) {
        let Some(number) = number(fact) else { return };
        let Some(act) = self.acts.iter_mut().find(|it| it.act == number) else { return };
        if let Fact::Applied { from_us, to_us, .. } = fact {
            act.applied = Some(scale.window(*from_us, *to_us));
        }
        if let Fact::Failed { why, .. } = fact {
            act.failed = Some(why.clone());
        }
        if let Fact::Effect { seen, how, .. } = fact {
            act.effect = Some(Effect { seen: *seen, how: how.clone() });
        }
        if let Fact::Showed { showing, .. } = fact {
            act.showing = Some((**showing).clone());
        }
        if let Fact::Undone { from_us, to_us, .. } = fact {
            act.undone = Some(scale.window(*from_us, *to_us));
            // What cannot be undone is not healed by an undo that finds nothing to do.
            if act.class != UndoClass::OneShot {
                act.state = ActState::Undone;
            }
        }
        // What could never be undone is not "kept": nobody had a choice.
        if let Fact::Kept { .. } = fact
            && act.state != ActState::Spent
        {
            act.state = ActState::Kept;
        }
        if let Fact::Stuck { why, .. } = fact {
            act.stuck = Some(why.clone());
            act.state = ActState::Stuck;
        }
    }

    /// When the disaster struck: around the call that applied the first fault, unless another
    /// origin is named.
    pub fn disaster(&self) -> Option<Window> {
        self.origin.map(|it| it.window).or_else(|| origin::applied(self))
    }

    /// What recovery times count from.
    pub fn since(&self) -> Since {
        self.origin.map(|it| it.since).unwrap_or_default()
    }

    /// So long, at least, it was from one place to a later one.
    pub fn shortest_us(&self, from_us: i64, to_us: i64) -> i64 {
        scale::shortest_us(&self.restarts, (from_us, to_us))
    }

    /// So long it was at most; none if nobody knows.
    pub fn longest_us(&self, from_us: i64, to_us: i64) -> Option<i64> {
        scale::longest_us(&self.restarts, (from_us, to_us))
    }

    /// The first moment of a kind.
    pub fn first(&self, what: MomentKind) -> Option<&Moment> {
        self.moments.iter().find(|it| it.what == what)
    }
}

fn number(fact: &Fact) -> Option<u32> {
    match fact {
        Fact::Applied { act, .. }
        | Fact::Failed { act, .. }
        | Fact::Effect { act, .. }
        | Fact::Showed { act, .. }
        | Fact::Undone { act, .. }
        | Fact::Kept { act }
        | Fact::Stuck { act, .. } => Some(*act),
        Fact::Began(_)
        | Fact::Anchor(_)
        | Fact::Census(_)
        | Fact::Residue(_)
        | Fact::PhaseBegan { .. }
        | Fact::PhaseEnded { .. }
        | Fact::Intent(_)
        | Fact::Marked { .. }
        | Fact::Course(_)
        | Fact::Looks { .. }
        | Fact::Judged { .. }
        | Fact::Loaded { .. }
        | Fact::Writes { .. }
        | Fact::Peeks { .. }
        | Fact::Reads { .. }
        | Fact::Sampled(_)
        | Fact::Site(_)
        | Fact::Aborted { .. }
        | Fact::TakenOver { .. }
        | Fact::Ended { .. } => None,
    }
}
