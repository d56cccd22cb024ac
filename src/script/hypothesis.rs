//! What must stay true, and how it is judged. Judging is pure.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::{
        began::PlannedHypothesis,
        entry::{Look, When},
    },
    manifest::{
        diagnostic::Diagnostic,
        kinds::Menu,
        node::{Doc, Id},
        read::read,
        unread::Placed,
    },
    probe::{AnyProbe, ProbeKind},
    script::expect::Expect,
    units::Span,
    verdict::Verdict,
};

/// One thing that must stay true.
pub struct Hypothesis {
    /// Its name.
    pub name: String,
    /// The probe's kind.
    pub kind: &'static str,
    /// The question.
    pub probe: Arc<dyn AnyProbe>,
    /// The answer that keeps it true, or that must never come.
    pub expect: Expect,
    /// Which of the two.
    pub sense: Sense,
    /// How often it is asked.
    pub every: Span,
    /// Over which stretches it is judged.
    pub when: Vec<When>,
    /// How much is too much.
    pub threshold: Threshold,
}

/// What an answer that is as expected means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// All is well.
    Always,
    /// It is not.
    Never,
}

/// So many failures among so many looks in a row are too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Counts")]
#[schemars(with = "Counts")]
pub struct Threshold {
    failures: usize,
    of: usize,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Counts {
    /// So many failures are too much …
    failures: u32,
    /// … among so many looks in a row.
    of: u32,
}

impl TryFrom<Counts> for Threshold {
    type Error = String;

    fn try_from(Counts { failures, of }: Counts) -> Result<Self, String> {
        match (failures, of) {
            (0, _) => Err("no failure at all would be too much: write at least 1".to_owned()),
            (_, 10_001..) => Err(format!("a stretch of {of} looks is too long: at most 10000")),
            _ if failures > of => Err(format!(
                "there are never {failures} failures of {of} looks: write at least as many looks"
            )),
            _ => Ok(Self {
                failures: usize::try_from(failures).unwrap_or(usize::MAX),
                of: usize::try_from(of).unwrap_or(usize::MAX),
            }),
        }
    }
}

impl Threshold {
    /// So many failures are too much.
    pub fn failures(self) -> usize {
        self.failures
    }

    /// Among so many looks in a row.
    pub fn of(self) -> usize {
        self.of
    }
}

impl Default for Threshold {
    fn default() -> Self {
        Self { failures: 1, of: 1 }
    }
}

/// When a hypothesis is judged (the words of Chaos Toolkit and Litmus probes).
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Before, during and after.
    #[default]
    Continuous,
    /// Before and after.
    Edge,
    /// Before.
    Start,
    /// After.
    End,
    /// While faults stand.
    DuringFault,
}

impl Mode {
    fn when(self) -> Vec<When> {
        match self {
            Self::Continuous => vec![When::Before, When::During, When::After],
            Self::Edge => vec![When::Before, When::After],
            Self::Start => vec![When::Before],
            Self::End => vec![When::After],
            Self::DuringFault => vec![When::During],
        }
    }
}

/// What stands beside the probe.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Beside {
    /// Its name.
    name: String,
    /// The answer that keeps it true.
    expect: Placed<Expect>,
    /// How often it is asked.
    #[serde(default = "often")]
    every: Span,
    /// When it is judged.
    #[serde(default)]
    mode: Mode,
    /// How much is too much.
    #[serde(default)]
    threshold: Threshold,
}

fn often() -> Span {
    Span::millis(200)
}

const BESIDE: &[&str] = &["name", "expect", "every", "mode", "threshold"];

/// Reads one entry of `hypothesis`.
pub(super) fn hypothesis(
    doc: &mut Doc,
    entry: Id,
    kinds: &[&'static ProbeKind],
    out: &mut Vec<Diagnostic>,
) -> Option<Hypothesis> {
    let (kind, probe, common, place) = probe(doc, entry, (kinds, BESIDE), out)?;
    let beside: Option<Beside> = read(doc, common, place, out);
    let (kind, probe) = (kind?, probe?);
    let Beside { name, expect, every, mode, threshold } = beside?;
    known(kind, &expect, out);
    Some(Hypothesis {
        name,
        kind: kind.about.name,
        probe: Arc::from(probe),
        expect: expect.value,
        sense: Sense::Always,
        every,
        when: mode.when(),
        threshold,
    })
}

type Found =
    (Option<&'static ProbeKind>, Option<Box<dyn AnyProbe>>, Id, crate::manifest::place::Place);

/// Reads the probe that an entry names, and tells where the rest of the entry is.
pub(super) fn probe(
    doc: &mut Doc,
    entry: Id,
    (kinds, common): (&[&'static ProbeKind], &[&str]),
    out: &mut Vec<Diagnostic>,
) -> Option<Found> {
    let known: Vec<&str> = kinds.iter().map(|it| it.about.name).collect();
    let pick = Menu { sort: "probe", known: &known, common }.pick(doc, entry, out)?;
    let kind = pick.kind.and_then(|(n, settings)| kinds.get(n).map(|it| (*it, settings)));
    let probe = kind.and_then(|(it, settings)| it.read(doc, settings, pick.place, out));
    Some((kind.map(|it| it.0), probe, pick.common, pick.place))
}

/// Complains of expectations that the probe never tells anything of.
pub(super) fn known(kind: &ProbeKind, expect: &Placed<Expect>, out: &mut Vec<Diagnostic>) {
    for name in expect.value.0.keys() {
        if !kind.readings.contains(&name.as_str()) && name != crate::units::HOLE {
            let sort = format!("reading of `{}`", kind.about.name);
            out.push(Diagnostic::unknown_name(&sort, name, expect.place, kind.readings));
        }
    }
    if expect.value.0.is_empty() {
        let help = format!("expect one of {}", kind.readings.join(", "));
        out.push(Diagnostic::new("nothing is expected", expect.place, help));
    }
}

/// Complains of a percentile where looks are judged one by one.
pub(super) fn single(expect: &Placed<Expect>, out: &mut Vec<Diagnostic>) {
    if expect.value.needs_many() {
        let help = "leave `p` out here: a percentile is told from many looks, by a `hypothesis`";
        out.push(Diagnostic::new("one look has no percentile", expect.place, help));
    }
}

impl Hypothesis {
    /// As planned, for the journal.
    pub fn planned(&self) -> PlannedHypothesis {
        PlannedHypothesis {
            name: self.name.clone(),
            probe: self.kind.to_owned(),
            expect: self.expect.to_string(),
            when: self.when.clone(),
            every_us: self.every.micros(),
        }
    }

    /// Judges a stretch of looks, one by one and all together.
    pub fn judge(&self, looks: &[Look]) -> (Verdict, String) {
        let (each, why) = self.judge_each(looks);
        let (all, mut told) = self.expect.judge_many(looks);
        // What the verdict comes from is told first.
        let place = if all > each { told.len() } else { 0 };
        told.insert(place, why);
        (each.max(all), told.join("; "))
    }

    /// Judges a stretch of looks one by one: fail if any window of `of` looks in a row has
    /// `failures` bad ones, else inconclusive if any has as many that are bad or blind, or if
    /// nobody looked.
    fn judge_each(&self, looks: &[Look]) -> (Verdict, String) {
        let Threshold { failures, of } = self.threshold;
        let last_why = |grade| {
            let why = looks.iter().rev().find(|it| it.2 == grade).map(|it| it.3.as_str());
            why.unwrap_or("").to_owned()
        };
        let worst = |counts: fn(Verdict) -> bool| {
            let width = of.min(looks.len()).max(1);
            looks.windows(width).any(|it| it.iter().filter(|it| counts(it.2)).count() >= failures)
        };
        let n = looks.len();
        let count = |grade| looks.iter().filter(|it| it.2 == grade).count();
        if n == 0 {
            (Verdict::Inconclusive, "nobody looked".to_owned())
        } else if worst(|it| it == Verdict::Fail) {
            let (bad, why) = (count(Verdict::Fail), last_why(Verdict::Fail));
            (Verdict::Fail, format!("{bad} of {n} looks were bad; the last: {why}"))
        } else if worst(|it| it != Verdict::Pass) {
            let (blind, why) = (count(Verdict::Inconclusive), last_why(Verdict::Inconclusive));
            (Verdict::Inconclusive, format!("{blind} of {n} looks saw nothing; the last: {why}"))
        } else if count(Verdict::Pass) == 0 {
            // Too few to be too much, and not one that was good: that is no proof of anything.
            let few = format!("none of {n} looks was good, and {failures} bad ones are too much");
            (Verdict::Inconclusive, few)
        } else {
            let bad = n - count(Verdict::Pass);
            let more = if bad == 0 { String::new() } else { format!(", {bad} were tolerated") };
            (Verdict::Pass, format!("{} of {n} looks were good{more}", n - bad))
        }
    }

    /// True when the last looks show that it holds again: as many good ones in a row as its
    /// threshold looks at, and at least three.
    pub fn settled(&self, looks: &[Look]) -> bool {
        let row = self.threshold.of.clamp(3, 20);
        looks.len() >= row && looks.iter().rev().take(row).all(|it| it.2 == Verdict::Pass)
    }

    /// The least time that a stretch must last, to be looked at three times.
    pub fn three_looks(&self) -> Duration {
        self.every.duration() * 3
    }
}
