//! A robust seasonal baseline, and how far a value lies from it.
//!
//! A season (a day or a week) is cut into slots. Of each slot and each of the last seasons one
//! median is kept, and the spread within. What is usual is the median over the seasons; the scale
//! is 1.4826 × the median absolute deviation over the seasons and within the slot, put together.
//! The score is the modified z-score of Iglewicz and Hoaglin (*How to Detect and Handle Outliers*,
//! 1993), so that up to half of the past seasons may be anything: an earlier fault does not hide
//! the next one, and needs no label.
//!
//! What is too small for one minute but does not go away shows in the sustained score: an
//! exponentially weighted moving average (Roberts, *Control Chart Tests Based on Geometric Moving
//! Averages*, Technometrics 1, 1959) of the clipped scores.
//!
//! Memory is fixed: slots × seasons × two numbers of four bytes.

use serde::{Deserialize, Serialize};

/// After so many seasons there is a score.
pub const SEASONS_MIN: usize = 3;
/// Scores end here: whatever lies farther was never seen before.
pub const SCORE_MAX: f64 = 100.0;
/// A single minute counts at most so much for the sustained score.
const CLIP: f64 = 5.0;
/// The weight of the newest minute in the sustained score: half is forgotten after 40 minutes.
const WEIGHT: f64 = 1.0 / 60.0;
/// Makes the median absolute deviation of normal noise its standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// No series is steadier than this part of what is usual.
const STEADY: f64 = 0.01;

/// The shape of a season.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Its length in seconds.
    pub season: u64,
    /// So many slots.
    pub slots: usize,
    /// So many of them are remembered.
    pub seasons: usize,
}

impl Shape {
    /// A day in quarters of an hour, for two weeks.
    pub const DAY: Self = Self { season: 86_400, slots: 96, seasons: 14 };
    /// A week in half hours, for eight weeks.
    pub const WEEK: Self = Self { season: 7 * 86_400, slots: 336, seasons: 8 };

    fn slot_seconds(self) -> u64 {
        (self.season / u64::try_from(self.slots).unwrap_or(1).max(1)).max(1)
    }

    fn slot(self, at: u64) -> usize {
        usize::try_from(at % self.season / self.slot_seconds()).unwrap_or(0)
    }
}

/// How far a value lies from what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// What is usual at this time.
    pub expected: f64,
    /// In standard deviations, above or below.
    pub now: f64,
    /// The same, on average over the last hour and more.
    pub sustained: f64,
}

/// What one series was like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    shape: Shape,
    /// For each slot the medians of the last seasons, newest last, each with its spread.
    past: Vec<Vec<(f32, f32)>>,
    /// When the slot of now began, and its values.
    open: Option<(u64, Vec<f32>)>,
    sustained: f64,
    /// What is usual in the slot of now.
    #[serde(skip)]
    usual: Option<(u64, Option<Usual>)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Usual {
    median: f64,
    sigma: f64,
}

impl Model {
    /// One that knows nothing.
    pub fn new(shape: Shape) -> Self {
        let past = vec![Vec::new(); shape.slots];
        Self { shape, past, open: None, sustained: 0.0, usual: None }
    }

    /// Whether it is of this shape, as one that was kept in a file may not be.
    pub fn is_of(&self, shape: Shape) -> bool {
        self.shape == shape && self.past.len() == shape.slots
    }

    /// So many seasons are known of the slot that knows least.
    pub fn seasons(&self) -> usize {
        self.past.iter().map(Vec::len).min().unwrap_or(0)
    }

    /// Takes a value in, at so many seconds since the epoch, and scores it when enough is known.
    pub fn note(&mut self, at: u64, value: f64) -> Option<Score> {
        if !value.is_finite() {
            return None;
        }
        let began = at - at % self.shape.slot_seconds();
        if self.open.as_ref().is_none_or(|it| it.0 != began) {
            self.close();
            self.open = Some((began, Vec::new()));
        }
        if self.usual.is_none_or(|it| it.0 != began) {
            self.usual = Some((began, self.usual(self.shape.slot(at))));
        }
        let minutes = usize::try_from(self.shape.slot_seconds() / 60).unwrap_or(1).max(1);
        if let Some((_, values)) = &mut self.open
            && values.len() < 2 * minutes
        {
            values.push(narrow(value));
        }
        let usual = self.usual.and_then(|it| it.1)?;
        let now = ((value - usual.median) / usual.sigma).clamp(-SCORE_MAX, SCORE_MAX);
        self.sustained += WEIGHT * (now.clamp(-CLIP, CLIP) - self.sustained);
        Some(Score { expected: usual.median, now, sustained: self.sustained })
    }

    /// Ends the slot of now.
    fn close(&mut self) {
        let Some((began, values)) = self.open.take() else { return };
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let Some(middle) = median(values.clone()) else { return };
        let spread = spread(&values, middle);
        let slot = self.shape.slot(began);
        if let Some(past) = self.past.get_mut(slot) {
            if past.len() >= self.shape.seasons {
                past.remove(0);
            }
            past.push((narrow(middle), narrow(spread)));
        }
    }

    fn usual(&self, slot: usize) -> Option<Usual> {
        let past = self.past.get(slot).filter(|it| it.len() >= SEASONS_MIN)?;
        let middles: Vec<f64> = past.iter().map(|it| f64::from(it.0)).collect();
        let middle = median(middles.clone())?;
        let within = median(past.iter().map(|it| f64::from(it.1)).collect())?;
        let between = spread(&middles, middle);
        // A few seasons tell little of how seasons differ: what they do not show is allowed for.
        let few = 1.0 + 2.0 / wide(middles.len());
        let sigma = (between * few).hypot(within);
        let floor = (middle.abs() * STEADY).max(1e-9);
        Some(Usual { median: middle, sigma: sigma.max(floor) })
    }
}

/// The standard deviation, as the median absolute deviation has it.
fn spread(values: &[f64], middle: f64) -> f64 {
    let away = values.iter().map(|it| (it - middle).abs()).collect();
    median(away).unwrap_or(0.0) * MAD_TO_SIGMA
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

#[expect(clippy::cast_possible_truncation, reason = "what is kept of the past may be rough")]
fn narrow(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

fn wide(count: usize) -> f64 {
    crate::collector::many(count)
}
