//! When a run may start, and when it must stop.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        read::read,
        unread::Placed,
    },
    probe::{AnyProbe, ProbeKind},
    script::{
        expect::Expect,
        hypothesis::{Hypothesis, Sense, Threshold, known, probe, single},
    },
    units::Span,
};

/// What must be so before anything is begun.
pub struct Condition {
    /// Its name.
    pub name: String,
    /// The question.
    pub probe: Arc<dyn AnyProbe>,
    /// The answer that lets the run begin.
    pub is: Expect,
}

/// What stops a run.
pub struct Guard {
    /// What must not be so.
    pub never: Hypothesis,
    /// So many looks in a row that see nothing stop it, too.
    pub blind_max: usize,
}

/// What stands beside the probe of a `start_when`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BesideCondition {
    /// Its name.
    #[serde(default)]
    name: Option<String>,
    /// The answer that lets the run begin.
    is: Placed<Expect>,
}

/// What stands beside the probe of an `abort_when`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BesideGuard {
    /// Its name.
    #[serde(default)]
    name: Option<String>,
    /// The answer that stops the run.
    is: Placed<Expect>,
    /// How often it is asked.
    #[serde(default = "often")]
    every: Span,
    /// How much is too much.
    #[serde(default)]
    threshold: Threshold,
    /// So many looks in a row that see nothing stop it, too.
    #[serde(default = "ten")]
    blind_max: u16,
}

fn often() -> Span {
    Span::millis(500)
}

fn ten() -> u16 {
    10
}

/// Reads one entry of `start_when`.
pub(super) fn condition(
    doc: &mut Doc,
    entry: Id,
    kinds: &[&'static ProbeKind],
    out: &mut Vec<Diagnostic>,
) -> Option<Condition> {
    let (kind, probe, common, place) = probe(doc, entry, (kinds, &["name", "is"]), out)?;
    let beside: Option<BesideCondition> = read(doc, common, place, out);
    let (kind, probe, BesideCondition { name, is }) = (kind?, probe?, beside?);
    known(kind, &is, out);
    single(&is, out);
    let name = name.unwrap_or_else(|| is.value.to_string());
    Some(Condition { name, probe: Arc::from(probe), is: is.value })
}

/// Reads one entry of `abort_when`.
pub(super) fn guard(
    doc: &mut Doc,
    entry: Id,
    kinds: &[&'static ProbeKind],
    out: &mut Vec<Diagnostic>,
) -> Option<Guard> {
    let beside = &["name", "is", "every", "threshold", "blind_max"];
    let (kind, probe, common, place) = probe(doc, entry, (kinds, beside), out)?;
    let beside: Option<BesideGuard> = read(doc, common, place, out);
    let (kind, probe, beside) = (kind?, probe?, beside?);
    let BesideGuard { name, is, every, threshold, blind_max } = beside;
    known(kind, &is, out);
    single(&is, out);
    let name = name.unwrap_or_else(|| is.value.to_string());
    Some(Guard {
        never: Hypothesis {
            name: format!("abort when {name}"),
            kind: kind.about.name,
            probe: Arc::from(probe),
            expect: is.value,
            sense: Sense::Never,
            every,
            when: Vec::new(),
            threshold,
        },
        blind_max: usize::from(blind_max.max(1)),
    })
}
