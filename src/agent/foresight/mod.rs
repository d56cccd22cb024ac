//! Chosen series, held against their own past: how unusual is what they say now?

pub mod model;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use self::model::{Model, Score, Shape};
use super::agent_file::{Season, Watched};
use crate::{
    about::About,
    collector::{Blank, Collector, FamilyView, Samples, Type, many},
    export::{Card, Export},
    world::roots::Roots,
};

/// What it says of itself.
pub(crate) const CARD: Card = Card {
    about: &About {
        name: "foresight",
        summary: "how unusual chosen series are, held against their own past",
        needs: &[],
        example: "",
    },
    exports: &[
        Export::of(
            &["holdfast_anomaly_seen", "holdfast_anomaly_seasons"],
            &[],
            "series to watch: `foresight:` in the agent's file",
        ),
        Export::of(
            &[
                "holdfast_anomaly_expected",
                "holdfast_anomaly_score",
                "holdfast_anomaly_sustained_score",
            ],
            &[],
            "series to watch (`foresight:` in the agent's file), and three days or weeks of them",
        ),
    ],
};

/// What is watched, shared by who looks and who shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Foresight(Arc<Mutex<BTreeMap<String, Series>>>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Series {
    model: Model,
    #[serde(skip)]
    last: Option<(f64, f64)>,
    #[serde(skip)]
    seen: bool,
    #[serde(skip)]
    score: Option<Score>,
}

impl Foresight {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Series>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at what a page holds, at so many seconds since the epoch.
    pub(crate) fn look(&self, watched: &[Watched], samples: &Samples, at: f64) {
        self.with(|all| {
            all.retain(|key, _| watched.iter().any(|it| it.shown() == *key));
            for it in watched {
                let shape = it.shape();
                let series = all.entry(it.shown()).or_insert_with(|| Series::new(shape));
                if !series.model.is_of(shape) {
                    *series = Series::new(shape);
                }
                let family = samples.families().find(|family| family.name() == it.name);
                let said = family.and_then(|family| it.sum(family).map(|sum| (sum, family.kind())));
                series.take(said, at);
            }
        });
    }

    /// What was learnt, to be kept.
    pub(crate) fn save(&self) -> Option<Vec<u8>> {
        self.with(|all| if all.is_empty() { None } else { serde_json::to_vec(all).ok() })
    }

    /// Goes on from what was kept.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), String> {
        let kept: BTreeMap<String, Series> =
            serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
        self.with(|all| *all = kept);
        Ok(())
    }
}

impl Watched {
    fn shape(&self) -> Shape {
        match self.season {
            Season::Day => Shape::DAY,
            Season::Week => Shape::WEEK,
        }
    }

    /// As Prometheus writes it.
    fn shown(&self) -> String {
        if self.labels.is_empty() {
            return self.name.clone();
        }
        let labels: Vec<String> =
            self.labels.iter().map(|(name, said)| format!("{name}={said:?}")).collect();
        format!("{}{{{}}}", self.name, labels.join(","))
    }

    /// The sum over the rows that have its labels; none: there are none.
    fn sum(&self, family: FamilyView<'_>) -> Option<f64> {
        let fits = |row: &crate::collector::RowView<'_>| {
            let mut wanted = self.labels.iter();
            wanted.all(|(name, said)| row.labels().any(|it| it == (name.as_str(), said.as_str())))
        };
        let rows: Vec<f64> = family.rows().filter(fits).map(|row| row.value()).collect();
        (!rows.is_empty()).then(|| rows.iter().sum())
    }
}

impl Series {
    fn new(shape: Shape) -> Self {
        Self { model: Model::new(shape), last: None, seen: false, score: None }
    }

    /// Takes a reading in: of a counter its growth a second.
    fn take(&mut self, said: Option<(f64, Type)>, at: f64) {
        self.seen = said.is_some();
        self.score = None;
        let Some((value, kind)) = said else {
            self.last = None;
            return;
        };
        let last = self.last.replace((at, value));
        let value = match (kind, last) {
            (Type::Gauge | Type::Untyped, _) => value,
            // One that was set back tells nothing of the time between.
            (Type::Counter, Some((then, before))) if value >= before && at > then => {
                (value - before) / (at - then)
            }
            (Type::Counter, _) => return,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds")]
        let seconds = at.max(0.0) as u64;
        self.score = self.model.note(seconds, value);
    }
}

/// Shows the scores of the last look.
pub(crate) struct Scores(pub(crate) Foresight);

impl Collector for Scores {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.0.with(|all| {
            let mut show = |name: &str, help: &str, value: fn(&Series) -> Option<f64>| {
                samples.gauge(name, help);
                for (key, series) in &*all {
                    if let Some(value) = value(series) {
                        samples.row(&[("series", key)], value);
                    }
                }
            };
            let help = "Whether the watched series was there (1) at the last look, or not (0).";
            show("holdfast_anomaly_seen", help, |it| Some(f64::from(u8::from(it.seen))));
            let help = "Seasons that are known of the watched series; scores want three.";
            show("holdfast_anomaly_seasons", help, |it| Some(many(it.model.seasons())));
            let help = "What is usual for the watched series at this time of day or week.";
            show("holdfast_anomaly_expected", help, |it| Some(it.score?.expected));
            let help = "How many standard deviations the watched series lies above or below what \
                        is usual, over the last minute.";
            show("holdfast_anomaly_score", help, |it| Some(it.score?.now));
            let help =
                "The same on average over the last hour and more: small, and not going away.";
            show("holdfast_anomaly_sustained_score", help, |it| Some(it.score?.sustained));
        });
        Ok(())
    }
}
