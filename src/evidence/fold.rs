//! A journal folded for a reader. Total: a run that is going on, crashed or was stopped folds, too.

use serde::Serialize;

use crate::{
    evidence::{
        course::{self, Road},
        energy::{self, Point, Use},
        facts::RunFacts,
        judge,
        lag::{self, Peeked},
        load::{self, Load},
        origin::{self, Claims},
        rpo::{self, Ledger, Rpo},
        rto::{self, Attempt, Rto},
        say::{self, Answer},
        scale::{Clocks, Scale},
        shown,
        sides::{self, Reads},
        sites::{self, Sites},
        terms::{self, Level, Term},
        timeline::Timeline,
    },
    journal::{
        began::{Began, Objectives, PlannedHypothesis, PlannedPhase, PlannedWitness},
        census::Residue,
        entry::{Entry, Fact, When},
    },
    verdict::Verdict,
};

/// The version of [`Evidence`] as JSON.
pub const VERSION: u32 = 1;

/// What a run showed. As JSON it is `report.json`. Every `*_us` is microseconds: places on the
/// scale count from the run's beginning, and what happened just before it is below zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// [`VERSION`].
    pub version: u32,
    /// The run.
    pub run: RunFacts,
    /// The worst of everything that was judged; while the run has not ended, at best inconclusive.
    pub verdict: Verdict,
    /// Why, one sentence each, the worst first.
    pub why: Vec<String>,
    /// What the run itself wrote down at its end; none if it has not ended.
    pub stated: Option<Stated>,
    /// What a drill measured; none for scenarios.
    pub drill: Option<Drill>,
    /// A drill's steps and questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<Road>,
    /// What must stay true, and whether it did.
    pub hypotheses: Vec<Hypothesis>,
    /// Phases, acts and moments.
    pub timeline: Timeline,
    /// Phases that were planned and never begun.
    pub not_exercised: Vec<PlannedPhase>,
    /// What the whole run used.
    pub whole: Use,
    /// What each phase used, in the order of the timeline's phases.
    pub phases: Vec<Use>,
    /// What the sites used that the run names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sites: Option<Sites>,
    /// Samples of the machine.
    pub points: Vec<Point>,
    /// What was sent while it was played.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<Load>,
    /// What was found when everything had been put back; none if nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residue: Option<Residue>,
    /// How the clocks behaved.
    pub clocks: Clocks,
}

/// What a run wrote down at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stated {
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub why: Vec<String>,
}

/// What a drill measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drill {
    /// What it must reach, fixed before it began.
    pub objectives: Objectives,
    /// How it measured.
    pub witness: Option<PlannedWitness>,
    /// The recovery time.
    pub rto: Rto,
    /// The loss of data.
    pub rpo: Rpo,
    /// The other objectives, those that the file names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
    /// How much of the service there was, phase by phase.
    pub levels: Vec<Level>,
    /// Every write of the witness, in the order of sending.
    pub attempts: Vec<Attempt>,
}

/// A hypothesis and how it stood.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hypothesis {
    /// What was planned.
    pub planned: PlannedHypothesis,
    /// Its judgements, one a stretch.
    pub judgements: Vec<Judgement>,
    /// What its probe saw, in the order of sending.
    pub looks: Vec<Seen>,
}

/// A judgement over a stretch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The stretch.
    pub when: When,
    /// How it stood.
    pub answer: Answer,
    /// Why, in a sentence.
    pub why: String,
}

/// A look of a probe. As JSON: `[sent_us, took_us, grade, note]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "(i64, u64, Verdict, String)")]
pub struct Seen {
    /// When it was sent.
    pub sent_us: i64,
    /// How long it took.
    pub took_us: u64,
    /// Inside its tolerance, outside, or blind.
    pub grade: Verdict,
    /// Why it was not good.
    pub note: String,
}

impl From<Seen> for (i64, u64, Verdict, String) {
    fn from(it: Seen) -> Self {
        (it.sent_us, it.took_us, it.grade, it.note)
    }
}

/// Folds a journal.
pub fn fold(entries: &[Entry]) -> Evidence {
    let mut evidence = Draft::read(entries).finish(entries);
    let ended = evidence.stated.is_some();
    (evidence.verdict, evidence.why) = judge::settle(judge::reasons(&evidence, ended));
    evidence
}

/// What [`Fact::Ended`] is to say of a run that did all that `entries` tell, whether it stands
/// among them already or not.
pub fn outcome(entries: &[Entry]) -> (Verdict, Vec<String>) {
    let evidence = Draft::read(entries).finish(entries);
    judge::settle(judge::reasons(&evidence, true))
}

/// What one pass over the journal gathers.
struct Draft<'a> {
    began: Option<&'a Began>,
    scale: Scale,
    timeline: Timeline,
    attempts: Vec<Attempt>,
    reads: Reads<'a>,
    peeks: Vec<Peeked>,
    looks: Vec<(&'a str, Seen)>,
    judged: Vec<(&'a str, Judgement)>,
    points: Vec<Point>,
    course: course::Draft,
    claims: Claims,
    residue: Option<Residue>,
    sites: sites::Draft<'a>,
    stated: Option<Stated>,
    last_us: i64,
}

impl<'a> Draft<'a> {
    fn read(entries: &'a [Entry]) -> Self {
        let began = entries.iter().find_map(|it| {
            if let Fact::Began(began) = &it.fact { Some((it.at_us, &**began)) } else { None }
        });
        let begun_us = began.map(|it| it.0).or(entries.first().map(|it| it.at_us)).unwrap_or(0);
        let mut draft = Self {
            began: began.map(|it| it.1),
            scale: Scale::new(begun_us),
            timeline: Timeline::default(),
            attempts: Vec::new(),
            reads: Reads::default(),
            peeks: Vec::new(),
            looks: Vec::new(),
            judged: Vec::new(),
            points: Vec::new(),
            course: course::Draft::default(),
            claims: Claims::default(),
            residue: None,
            sites: sites::Draft::of(began.map(|it| it.1)),
            stated: None,
            last_us: 0,
        };
        for entry in entries {
            draft.meet(entry);
        }
        draft.attempts.sort_by_key(|it| (it.sent_us, it.seq));
        draft
    }

    fn meet(&mut self, entry: &'a Entry) {
        if let Fact::Anchor(anchor) = &entry.fact {
            self.scale.meet(anchor, self.last_us);
        }
        let at_us = self.scale.at(entry.at_us);
        self.last_us = self.last_us.max(at_us);
        self.timeline.meet(at_us, &entry.fact, &self.scale);
        self.course.meet(at_us, &entry.fact);
        if let Some(claim) = origin::claim(&entry.fact) {
            self.claims.meet(at_us, claim, &self.scale);
        }
        if let Fact::Looks { probe, rows } = &entry.fact {
            self.looks.extend(rows.iter().map(|row| {
                let (sent_us, took_us) = (self.scale.at(row.0), row.1);
                (probe.as_str(), Seen { sent_us, took_us, grade: row.2, note: row.3.clone() })
            }));
        }
        if let Fact::Judged { hypothesis, when, verdict, why } = &entry.fact {
            let judgement = Judgement { when: *when, answer: (*verdict).into(), why: why.clone() };
            self.judged.push((hypothesis, judgement));
        }
        if let Fact::Writes { rows } = &entry.fact {
            self.attempts.extend(rows.iter().map(|row| Attempt {
                seq: row.0,
                sent_us: self.scale.at(row.1),
                took_us: row.2,
                outcome: row.3,
                found: None,
                copies: 1,
                elsewhere: None,
            }));
        }
        if let Fact::Peeks { rows } = &entry.fact {
            self.peeks.extend(rows.iter().map(|row| Peeked {
                sent_us: self.scale.at(row.0),
                took_us: row.1,
                newest: row.2,
            }));
        }
        if let Fact::Reads { side, rows } = &entry.fact {
            self.reads.meet(side, rows);
        }
        if let Fact::Sampled(sample) = &entry.fact {
            let at_us = self.scale.at(sample.at_us);
            let (sample, epoch) = ((**sample).clone(), entry.epoch);
            self.points.push(Point { at_us, sample, epoch });
        }
        if let Fact::Residue(found) = &entry.fact {
            self.residue = Some((**found).clone());
        }
        if let Fact::Site(more) = &entry.fact {
            self.sites.meet(more, &self.scale);
        }
        if let Fact::Ended { verdict, why } = &entry.fact {
            self.stated = Some(Stated { verdict: *verdict, why: why.clone() });
        }
    }

    fn finish(mut self, entries: &[Entry]) -> Evidence {
        self.timeline.restarts = self.scale.restarts().to_vec();
        self.timeline.origin = origin::origin(&self.timeline, &self.claims, &self.scale);
        shown::reckon(&mut self.timeline, &self.scale);
        let run = self.run(say::count(entries.len()));
        let drill = self.drill();
        let (whole, phases) = energy::uses(&self.timeline.phases, &self.points, self.last_us);
        self.sites.samples(&self.points, self.began);
        let sites = sites::sites(&self.sites, &self.timeline.phases, self.last_us);
        let planned = self.began.map(|it| it.plan.clone()).unwrap_or_default();
        let played = |it: &PlannedPhase| self.timeline.phases.iter().any(|p| p.name == it.phase);
        Evidence {
            version: VERSION,
            run,
            verdict: Verdict::Inconclusive,
            why: Vec::new(),
            drill,
            course: std::mem::take(&mut self.course).finish(self.began),
            hypotheses: self.hypotheses(),
            not_exercised: planned.into_iter().filter(|it| !played(it)).collect(),
            whole,
            phases,
            loads: load::loads(entries, &self.timeline.acts, &self.scale),
            residue: self.residue,
            sites,
            clocks: self.scale.clocks(),
            points: self.points,
            timeline: self.timeline,
            stated: self.stated,
        }
    }

    fn run(&self, entries: u64) -> RunFacts {
        let began = self.began;
        let text = |of: fn(&Began) -> &str| began.map(|it| of(it).to_owned()).unwrap_or_default();
        let ended = self.stated.as_ref().and_then(|_| self.scale.wall_us(self.last_us));
        RunFacts {
            id: text(|it| &it.run),
            kind: began.map(|it| it.kind),
            title: text(|it| &it.title),
            description: text(|it| &it.description),
            tags: began.map(|it| it.tags.clone()).unwrap_or_default(),
            owner: text(|it| &it.owner),
            controls: began.map(|it| it.controls.clone()).unwrap_or_default(),
            file: text(|it| &it.file),
            manifest: text(|it| &it.manifest),
            vars: began.map(|it| it.vars.clone()).unwrap_or_default(),
            seed: began.map_or(0, |it| it.seed),
            program: text(|it| &it.program),
            operator: text(|it| &it.operator),
            host: began.map(|it| it.host.clone()),
            began: say::wall(self.scale.wall_us(0)),
            ended: say::wall(ended),
            length_us: self.last_us,
            entries,
        }
    }

    fn drill(&mut self) -> Option<Drill> {
        let began = self.began?;
        let objectives = began.objectives.clone()?;
        let strangers = self.reads.match_up(&mut self.attempts, &self.course.unwritten());
        let attempts = std::mem::take(&mut self.attempts);
        let in_a_row = began.witness.as_ref().map_or(1, |it| it.good_in_a_row);
        let rto = rto::judge(&self.timeline, &attempts, (objectives.rto_us, in_a_row));
        let lag = rto.fault.and_then(|it| lag::lag(&attempts, &self.peeks, it.from_us));
        let ledger = Ledger {
            attempts: &attempts,
            strangers,
            read: self.reads.any(),
            fault: rto.fault,
            restarts: &self.timeline.restarts,
            lag: lag.as_ref(),
            back_us: rto.first_good.map(|it| it.from_us),
            barred_us: sides::barred(&self.timeline),
        };
        let rpo = rpo::judge(ledger, objectives.lost_writes_max);
        let every_us = began.witness.as_ref().map_or(0, |it| it.every_us);
        let terms = terms::terms(&objectives, (&rto, &rpo), (&attempts, every_us));
        let levels = terms::levels(&self.timeline.phases, &attempts, every_us);
        let witness = began.witness.clone();
        Some(Drill { objectives, witness, rto, rpo, terms, levels, attempts })
    }

    /// Hypotheses as planned, and any that were judged without a plan.
    fn hypotheses(&self) -> Vec<Hypothesis> {
        let mut planned = self.began.map(|it| it.hypotheses.clone()).unwrap_or_default();
        for (name, judgement) in &self.judged {
            if !planned.iter().any(|it| it.name == *name) {
                planned.push(PlannedHypothesis {
                    name: (*name).to_owned(),
                    probe: String::new(),
                    expect: String::new(),
                    when: vec![judgement.when],
                    every_us: 0,
                });
            }
        }
        planned.into_iter().map(|it| self.hypothesis(it)).collect()
    }

    fn hypothesis(&self, planned: PlannedHypothesis) -> Hypothesis {
        let of_it = self.judged.iter().filter(|(name, _)| *name == planned.name);
        let mut judgements: Vec<Judgement> = of_it.map(|it| it.1.clone()).collect();
        for when in &planned.when {
            if !judgements.iter().any(|it| it.when == *when) {
                let why = "it was never judged over this stretch".to_owned();
                judgements.push(Judgement { when: *when, answer: Answer::NotExercised, why });
            }
        }
        judgements.sort_by_key(|it| it.when);
        let looks = self.looks.iter().filter(|(name, _)| *name == planned.name);
        let mut looks: Vec<Seen> = looks.map(|it| it.1.clone()).collect();
        looks.sort_by_key(|it| it.sent_us);
        Hypothesis { planned, judgements, looks }
    }
}
