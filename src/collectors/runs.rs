//! Runs, faults and drill results, from the small index that the runner keeps in the state folder.
//!
//! No index means that nothing was ever run here, and the counters say zero. An index that cannot
//! be read or understood is a failure: zeros would be a lie.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    about::{About, Need},
    collector::{Blank, Collector, CollectorKind, Samples, many, wide},
    export::Export,
    journal::index::{self, DrillFigures, Index, Last, RunKind},
    verdict::Verdict,
    world::roots::{self, Roots, Stamp},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "runs",
        summary: "active faults, verdicts and drill results from the state folder's index",
        needs: &[Need::ReadAll],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: Some((
        "holdfast_runs_index_readable",
        "Whether the index of runs in the state folder could be read (1) or not (0).",
    )),
    make: |setup| Box::new(Runs::new(&setup.state)),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["holdfast_runs_index_readable", "holdfast_runs_total", "holdfast_runs_active"],
        &[],
        "a state folder that the agent may read: --state",
    ),
    Export::of(
        &[
            "holdfast_fault_active",
            "holdfast_fault_active_since_timestamp_seconds",
            "holdfast_fault_stuck",
        ],
        &[],
        "a fault that stands now: it is there only as long as one does",
    ),
    Export::of(
        &["holdfast_faults_applied_total", "holdfast_faults_stuck_total"],
        &[],
        "a fault that was applied: `holdfast chaos run`",
    ),
    Export::of(
        &["holdfast_run_last_end_timestamp_seconds", "holdfast_run_last_verdict"],
        &[],
        "a run that ended",
    ),
    Export::of(
        &[
            "holdfast_drill_last_rto_seconds",
            "holdfast_drill_last_rto_objective_seconds",
            "holdfast_drill_last_lost_writes",
            "holdfast_drill_last_acknowledged_writes",
            "holdfast_drill_last_energy_joules",
        ],
        &[],
        "a drill that ended and measured it: `holdfast drill run`",
    ),
];

const KINDS: [RunKind; 2] = [RunKind::Scenario, RunKind::Drill];
/// The index is small by design; a larger file is something else.
const SIZE_MAX: u64 = 1 << 20;
/// So many label values a family at most; what is beyond goes by the name of `other`.
const SERIES_MAX: usize = 100;
const OTHER: &str = "other";

#[derive(Debug)]
struct Runs {
    file: PathBuf,
    known: Option<(Stamp, Index)>,
}

impl Runs {
    fn new(state: &Path) -> Self {
        Self { file: state.join(index::FILE), known: None }
    }

    /// Reads the index, unless it is the one that was read last.
    fn look(&mut self) -> Result<(), Blank> {
        let Some(stamp) = roots::stamp(&self.file)? else {
            self.known = None;
            return Ok(());
        };
        if matches!(&self.known, Some((known, _)) if *known == stamp) {
            // Permission may have been taken away since, and then we do not know any more.
            return Ok(roots::may_read(&self.file)?);
        }
        self.known = None;
        if stamp.size > SIZE_MAX {
            return Err(Blank::odd(&self.file, format!("it is longer than {SIZE_MAX} bytes")));
        }
        let text = roots::read(&self.file)?;
        let index: Index =
            serde_json::from_str(&text).map_err(|why| Blank::odd(&self.file, why.to_string()))?;
        if index.version != index::VERSION {
            let why = format!("its version is {}, not {}", index.version, index::VERSION);
            return Err(Blank::odd(&self.file, why));
        }
        self.known = Some((stamp, index));
        Ok(())
    }
}

impl Collector for Runs {
    fn collect(&mut self, _roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.look()?;
        let nothing = Index::default();
        let index = self.known.as_ref().map_or(&nothing, |(_, index)| index);
        show_runs(index, samples);
        show_standing(index, samples);
        let help = "Faults applied since the state folder was made, by fault.";
        show_counts("holdfast_faults_applied_total", help, &index.faults_applied, samples);
        let help = "Faults whose undo failed for good, by fault.";
        show_counts("holdfast_faults_stuck_total", help, &index.faults_stuck, samples);
        show_last(index, samples);
        // One that measured nothing has no figures; those of an earlier one are not its own.
        if let Some(drill) = last(index, RunKind::Drill).and_then(|it| it.drill.as_ref()) {
            show_drill(drill, samples);
        }
        Ok(())
    }
}

fn show_runs(index: &Index, samples: &mut Samples) {
    let help = "Runs that ended, by kind and verdict.";
    samples.counter("holdfast_runs_total", help);
    for kind in KINDS {
        let ended = index.ended.get(&kind);
        for verdict in Verdict::ALL {
            let count = ended.and_then(|it| it.get(verdict.word())).copied().unwrap_or(0);
            samples.row(&[("kind", kind.word()), ("verdict", verdict.word())], wide(count));
        }
    }
    samples.gauge("holdfast_runs_active", "Runs that have begun and not ended, by kind.");
    for kind in KINDS {
        let count = index.active.iter().filter(|run| run.kind == kind).count();
        samples.row(&[("kind", kind.word())], many(count));
    }
}

/// What stands of one fault in one run.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    active: usize,
    stuck: usize,
    since: f64,
}

fn show_standing(index: &Index, samples: &mut Samples) {
    let mut all: BTreeMap<(&str, &str), Standing> = BTreeMap::new();
    for run in &index.active {
        for fault in &run.faults {
            let key = (fault.kind.as_str(), run.run.as_str());
            let is_known = all.contains_key(&key);
            let key = if is_known || all.len() < SERIES_MAX { key } else { (OTHER, OTHER) };
            let it =
                all.entry(key).or_insert(Standing { since: fault.since, ..Default::default() });
            it.active += 1;
            it.stuck += usize::from(fault.stuck);
            it.since = it.since.min(fault.since);
        }
    }
    let mut show = |name: &str, help: &str, value: fn(&Standing) -> f64| {
        samples.gauge(name, help);
        for ((fault, run), standing) in &all {
            samples.row(&[("fault", fault), ("run", run)], value(standing));
        }
    };
    let help = "Faults of this kind that stand in the world now, by run.";
    show("holdfast_fault_active", help, |it| many(it.active));
    let help = "When the oldest standing fault of this kind was applied, by run.";
    show("holdfast_fault_active_since_timestamp_seconds", help, |it| it.since);
    let help = "Standing faults of this kind whose undo failed: a person must go back, by run.";
    show("holdfast_fault_stuck", help, |it| many(it.stuck));
}

fn show_counts(name: &str, help: &str, counts: &BTreeMap<String, u64>, samples: &mut Samples) {
    samples.counter(name, help);
    for (fault, count) in counts.iter().take(SERIES_MAX) {
        samples.row(&[("fault", fault)], wide(*count));
    }
    if counts.len() > SERIES_MAX && !counts.contains_key(OTHER) {
        let rest: u64 = counts.values().skip(SERIES_MAX).sum();
        samples.row(&[("fault", OTHER)], wide(rest));
    }
}

/// The newest ended run of a kind.
fn last(index: &Index, kind: RunKind) -> Option<&Last> {
    index.last.iter().rev().find(|last| last.kind == kind)
}

fn show_last(index: &Index, samples: &mut Samples) {
    let help = "When the last run of this kind ended.";
    samples.gauge("holdfast_run_last_end_timestamp_seconds", help);
    for kind in KINDS {
        if let Some(last) = last(index, kind) {
            samples.row(&[("kind", kind.word())], last.ended);
        }
    }
    let help = "The verdict of the last run of this kind: 1 for the one it was, 0 for the others.";
    samples.gauge("holdfast_run_last_verdict", help);
    for kind in KINDS {
        let Some(last) = last(index, kind) else { continue };
        for verdict in Verdict::ALL {
            let labels = [("kind", kind.word()), ("verdict", verdict.word())];
            samples.row(&labels, f64::from(u8::from(last.verdict == verdict)));
        }
    }
}

fn show_drill(drill: &DrillFigures, samples: &mut Samples) {
    if let Some((low, high)) = drill.rto_seconds {
        let help = "Recovery time of the last drill: it lies between the low and the high bound.";
        samples
            .gauge("holdfast_drill_last_rto_seconds", help)
            .row(&[("bound", "low")], low)
            .row(&[("bound", "high")], high);
    }
    if let Some(seconds) = drill.rto_objective_seconds {
        let help = "Recovery time objective of the last drill.";
        samples.gauge("holdfast_drill_last_rto_objective_seconds", help).row(&[], seconds);
    }
    if let Some(writes) = drill.lost_writes {
        let help = "Acknowledged writes that were gone after the last drill.";
        samples.gauge("holdfast_drill_last_lost_writes", help).row(&[], wide(writes));
    }
    if let Some(writes) = drill.acknowledged_writes {
        let help = "Writes that were acknowledged during the last drill.";
        samples.gauge("holdfast_drill_last_acknowledged_writes", help).row(&[], wide(writes));
    }
    if let Some(energy) = &drill.energy_joules {
        let help = "Energy used during the last drill, by method of measurement and bound.";
        samples.gauge("holdfast_drill_last_energy_joules", help);
        let bounds = [("low", energy.low), ("estimate", energy.joules), ("high", energy.high)];
        for (bound, joules) in bounds {
            samples.row(&[("bound", bound), ("method", &energy.method)], joules);
        }
    }
}
