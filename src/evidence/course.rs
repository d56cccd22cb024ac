//! What became of a drill's steps, held against the plan, and of the questions it asked.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    evidence::{
        judge::Reason,
        say,
        scale::signed,
        timeline::{Moment, MomentKind, Timeline},
    },
    journal::{
        began::Began,
        course::{Answered, Asked, Course, Outcome, Settled},
        entry::{Fact, Family},
        exercise::{Exercise, PlannedStep},
    },
    verdict::Verdict,
};

/// So many names stand in a sentence.
const NAMES_MAX: usize = 5;

/// A drill's course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Road {
    /// What sort of exercise it was.
    pub exercise: Option<Exercise>,
    /// Questions were answered by the file: it was a rehearsal.
    pub rehearsed: bool,
    /// Every planned step, and what became of it.
    pub steps: Vec<Step>,
    /// Questions to people, in the order of asking.
    pub questions: Vec<Question>,
    /// Answers that did not count.
    pub turned_away: Vec<Away>,
    /// When the run went on after its runner had vanished.
    pub resumed: Vec<Again>,
}

/// A step, and how it was against the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was planned.
    #[serde(flatten)]
    pub planned: PlannedStep,
    /// How it stands.
    pub state: StepState,
    /// When it began, in microseconds since the run began.
    pub from_us: Option<i64>,
    /// When it ended.
    pub to_us: Option<i64>,
    /// How much longer it took than planned, in microseconds; below zero if it was shorter.
    pub deviation_us: Option<i64>,
    /// Why it was not done.
    pub why: Option<String>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It was done.
    Done,
    /// It could not be done, and the run went on.
    NotDone,
    /// It was begun, and not finished.
    Unfinished,
    /// It was not executed.
    NotExecuted,
}

impl StepState {
    /// The words in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotDone => "not done",
            Self::Unfinished => "not finished",
            Self::NotExecuted => "not executed",
        }
    }

    /// The words in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Done => "已完成",
            Self::NotDone => "未做到",
            Self::Unfinished => "未结束",
            Self::NotExecuted => "未执行",
        }
    }
}

impl Step {
    /// How long it took, in microseconds; none if it did not end.
    pub fn took_us(&self) -> Option<i64> {
        self.from_us.zip(self.to_us).map(|(from, to)| to.saturating_sub(from))
    }

    /// How it was against the plan, in words: `+2.1 s`, `−30 s`.
    pub fn deviation(&self) -> Option<String> {
        let us = self.deviation_us?;
        let sign = if us < 0 { "−" } else { "+" };
        Some(format!("{sign}{}", say::length(us.saturating_abs())))
    }
}

/// A question, its answers, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// When it was asked, in microseconds since the run began.
    pub at_us: i64,
    /// What was asked.
    pub asked: Asked,
    /// Answers that counted, with the instants at which they were given.
    pub answers: Vec<(i64, Answered)>,
    /// When it was decided, what came of it, and why; none if it never was.
    pub decided: Option<(i64, Outcome, String)>,
}

/// An answer that did not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Away {
    /// When, in microseconds since the run began.
    pub at_us: i64,
    /// Which question.
    pub step: String,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// The run went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Again {
    /// When, in microseconds since the run began.
    pub at_us: i64,
    /// Who resumed it.
    pub operator: String,
    /// How long nobody played.
    pub gap_us: u64,
    /// The machine was restarted meanwhile.
    pub restarted: bool,
    /// Records that the witness may have written without anybody having written that down: from,
    /// and up to.
    pub unwritten: Option<(u64, u64)>,
    /// What became of steps that had been begun and not finished.
    pub settled: Vec<Settled>,
}

/// What one pass over the journal gathers.
#[derive(Default)]
pub(super) struct Draft {
    begun: BTreeMap<String, i64>,
    acts: BTreeMap<u32, String>,
    ended: BTreeMap<String, i64>,
    passed: BTreeMap<String, String>,
    questions: Vec<Question>,
    turned_away: Vec<Away>,
    resumed: Vec<Again>,
}

impl Draft {
    pub(super) fn meet(&mut self, at_us: i64, fact: &Fact) {
        // Between an act and the word that its step has ended, the runner may have vanished.
        if let Fact::Applied { act, .. } = fact
            && let Some(step) = self.acts.get(act)
        {
            self.ended.entry(step.clone()).or_insert(at_us);
        }
        let Fact::Course(it) = fact else { return };
        match it {
            Course::Began { step, act } => {
                self.acts.extend(act.map(|act| (act, step.clone())));
                // A step that is done again took as long as both.
                self.begun.entry(step.clone()).or_insert(at_us);
            }
            Course::Ended { step } => {
                self.ended.insert(step.clone(), at_us);
            }
            Course::Passed { step, why } => {
                self.ended.insert(step.clone(), at_us);
                self.passed.insert(step.clone(), why.clone());
            }
            Course::Asked(asked) => {
                // Asked again after a resumption.
                if let Some(it) = self.question(&asked.step) {
                    it.asked = asked.clone();
                } else {
                    let (asked, answers) = (asked.clone(), Vec::new());
                    self.questions.push(Question { at_us, asked, answers, decided: None });
                }
            }
            Course::Answered(answered) => {
                if let Some(it) = self.question(&answered.step) {
                    it.answers.push((at_us, answered.clone()));
                }
            }
            Course::Decided { step, outcome, why } => {
                if let Some(it) = self.question(step) {
                    it.decided = Some((at_us, *outcome, why.clone()));
                }
                if *outcome == Outcome::Go {
                    self.ended.insert(step.clone(), at_us);
                }
            }
            Course::TurnedAway { step, by, why } => {
                let (step, by, why) = (step.clone(), by.clone(), why.clone());
                self.turned_away.push(Away { at_us, step, by, why });
            }
            Course::Resumed(it) => self.resumed.push(Again {
                at_us,
                operator: it.operator.clone(),
                gap_us: it.gap_us,
                restarted: it.restarted,
                unwritten: it.unwritten,
                settled: it.settled.clone(),
            }),
        }
    }

    /// Records that may have been written without anybody having written that down.
    pub(super) fn unwritten(&self) -> Vec<(u64, u64)> {
        self.resumed.iter().filter_map(|it| it.unwritten).collect()
    }

    fn question(&mut self, step: &str) -> Option<&mut Question> {
        self.questions.iter_mut().find(|it| it.asked.step == step)
    }

    pub(super) fn finish(self, began: Option<&Began>) -> Option<Road> {
        let plan = began?.course.as_ref()?;
        let step = |planned: &PlannedStep| {
            let from_us = self.begun.get(&planned.step).copied();
            let to_us = self.ended.get(&planned.step).copied();
            let why = self.passed.get(&planned.step).cloned();
            let state = match (from_us, to_us, &why) {
                (_, Some(_), Some(_)) => StepState::NotDone,
                (_, Some(_), None) => StepState::Done,
                (Some(_), None, _) => StepState::Unfinished,
                (None, None, _) => StepState::NotExecuted,
            };
            let took = from_us.zip(to_us).map(|(from, to)| to.saturating_sub(from));
            let deviation_us =
                took.zip(planned.planned_us).map(|(took, plan)| took.saturating_sub(signed(plan)));
            Step { planned: planned.clone(), state, from_us, to_us, deviation_us, why }
        };
        Some(Road {
            exercise: plan.exercise.clone(),
            rehearsed: plan.rehearsed,
            steps: plan.steps.iter().map(step).collect(),
            questions: self.questions,
            turned_away: self.turned_away,
            resumed: self.resumed,
        })
    }
}

impl Road {
    /// Nothing is changed in such an exercise, so nothing can be measured either.
    pub fn is_talk(&self) -> bool {
        self.exercise.as_ref().is_some_and(|it| it.kind.is_talk())
    }

    /// What sort of exercise it was, in words; nothing if the file does not say.
    pub fn words(&self) -> Option<String> {
        let rehearsed = self.rehearsed.then(|| {
            "a REHEARSAL 预演: its questions were answered by the file, and by nobody".to_owned()
        });
        let exercise = self.exercise.as_ref().map(|it| {
            let named = [(" of", &it.service), (", criticality:", &it.criticality)];
            let named = named.iter().filter(|it| !it.1.is_empty());
            let named: Vec<String> = named.map(|(word, it)| format!("{word} {it}")).collect();
            let named = named.concat();
            format!("{} {}{named}", it.kind.word(), it.kind.word_zh())
        });
        let all: Vec<String> = exercise.into_iter().chain(rehearsed).collect();
        (!all.is_empty()).then(|| all.join(" · "))
    }

    /// The plan's metadata: in English, in Chinese, and what the file says.
    pub fn facts(&self) -> Vec<(&'static str, &'static str, String)> {
        let Some(it) = &self.exercise else { return Vec::new() };
        let people: Vec<String> =
            it.participants.iter().map(|it| format!("{} ({})", it.name, it.role)).collect();
        let supposed = it.scenario.as_ref();
        let supposed = supposed.map(|it| (it.class.clone(), it.plausible.trim().to_owned()));
        let (class, plausible) = supposed.unwrap_or_default();
        let all = [
            ("Exercise", "演练类型", it.kind.word().to_owned()),
            ("Service", "业务服务", it.service.clone()),
            ("Criticality", "重要性", it.criticality.clone()),
            ("Scope", "范围", it.scope.join(", ")),
            ("Third parties", "第三方", it.third_parties.join(", ")),
            ("Participants planned", "计划参加人员", people.join(", ")),
            ("Answered", "实际应答人员", self.attended().join(", ")),
            ("Independence", "独立性", it.independence.clone()),
            ("Scenario", "情景类别", class),
            ("Severe but plausible", "严重但合理", plausible),
        ];
        all.into_iter().filter(|it| !it.2.is_empty()).collect()
    }

    /// Who answered, each once, in order.
    pub fn attended(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for (_, it) in self.questions.iter().flat_map(|it| &it.answers) {
            let name = it.whose();
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// What weighs on the run.
    pub(super) fn reasons(&self, timeline: &Timeline) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for it in &self.steps {
            if let (StepState::NotDone, Some(why)) = (it.state, &it.why) {
                let why = format!("step “{}” was not done: {why}", it.planned.name);
                reasons.push((Verdict::Fail, why));
            }
        }
        for it in &self.questions {
            if let Some((_, Outcome::Fail, why)) = &it.decided {
                reasons.push((Verdict::Fail, format!("“{}”: {why}", it.asked.name)));
            }
        }
        let missed =
            |it: &&Step| matches!(it.state, StepState::Unfinished | StepState::NotExecuted);
        let missed: Vec<&str> =
            self.steps.iter().filter(missed).map(|it| it.planned.name.as_str()).collect();
        if !missed.is_empty() {
            let more = missed.len().saturating_sub(NAMES_MAX);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let names: Vec<String> =
                missed.iter().take(NAMES_MAX).map(|it| format!("“{it}”")).collect();
            let why = format!("steps that were not executed: {}{more}", names.join(", "));
            reasons.push((Verdict::Inconclusive, why));
        } else if self.is_talk() && reasons.is_empty() {
            let n = say::plural(say::count(self.steps.len()), "step");
            reasons.push((Verdict::Pass, format!("all of {n} were gone through")));
        }
        reasons.extend(self.cut_short(timeline));
        reasons
    }

    /// Faults that were put back by others than the runner while nobody played.
    fn cut_short(&self, timeline: &Timeline) -> Vec<Reason> {
        let taken = |it: &&Moment| matches!(it.what, MomentKind::Guardian | MomentKind::Recover);
        let mut reasons = Vec::new();
        for it in &self.resumed {
            let over = timeline.moments.iter().filter(taken).map(|it| it.at_us);
            let over = over.filter(|at| *at <= it.at_us).max().unwrap_or(it.at_us);
            let healed = timeline.acts.iter().filter(|act| {
                act.family == Family::Fault
                    && act.applied.is_some()
                    && act
                        .undone
                        .is_some_and(|undone| undone.from_us >= over && undone.from_us <= it.at_us)
            });
            reasons.extend(healed.map(|act| {
                let why = format!("the fault “{}” was put back before its time", act.name);
                (Verdict::Inconclusive, format!("{why}, when the runner vanished"))
            }));
        }
        reasons
    }
}
