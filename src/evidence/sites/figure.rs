//! A number with all that it needs to be believed: bounds, method, and how much of the stretch it
//! covers. Measured and modelled ones are told apart, and never added.

use serde::Serialize;

use crate::journal::site::{Grid, Overhead};

/// How a number came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Somebody counted.
    Measured,
    /// It was calculated from something else that was counted.
    Modelled,
}

impl Basis {
    /// The word in English reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Modelled => "modelled",
        }
    }

    /// The word in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Measured => "实测",
            Self::Modelled => "估算",
        }
    }
}

/// A number, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// So much.
    Known(Known),
    /// It could not be had.
    Unavailable {
        /// Why.
        why: String,
    },
}

/// A number that is known. `low <= value <= high`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Known {
    /// The best estimate.
    pub value: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// Measured or modelled.
    pub basis: Basis,
    /// How it came about.
    pub method: String,
    /// The share of the stretch that readings cover, 0 to 1.
    pub covered_ratio: f64,
}

impl Figure {
    /// There is none.
    pub fn none(why: impl Into<String>) -> Self {
        Self::Unavailable { why: why.into() }
    }

    /// The number, if there is one.
    pub fn known(&self) -> Option<&Known> {
        match self {
            Self::Known(it) => Some(it),
            Self::Unavailable { .. } => None,
        }
    }

    /// The same with another number.
    #[must_use]
    pub fn map(self, change: impl FnOnce(Known) -> Known) -> Self {
        match self {
            Self::Known(it) => Self::Known(change(it)),
            Self::Unavailable { .. } => self,
        }
    }

    /// So many times as much; `by` is not below zero.
    #[must_use]
    pub fn times(self, by: f64) -> Self {
        self.map(|it| Known { value: it.value * by, low: it.low * by, high: it.high * by, ..it })
    }
}

impl From<Result<Known, String>> for Figure {
    fn from(it: Result<Known, String>) -> Self {
        it.map_or_else(|why| Self::Unavailable { why }, Self::Known)
    }
}

/// Grams of `CO2e` of an amount of energy in kWh:
///
/// ```text
/// g = kWh × I × PUE
/// ```
///
/// with the bounds of both; a saving counts as what it saves at most where the grid is dirtiest.
/// Without a PUE it is that of the machines alone.
pub fn grams(kwh: &Figure, grid: Option<&Grid>, pue: Option<&Overhead>) -> Figure {
    let Some(grid) = grid else { return Figure::none("no grid's intensity is named") };
    kwh.clone().map(|it| {
        let factor = pue.map_or(1.0, |it| it.factor);
        let low = if it.low < 0.0 { grid.high } else { grid.low };
        let high = if it.high < 0.0 { grid.low } else { grid.high };
        let overhead = pue.map_or_else(
            || ", without the building".to_owned(),
            |it| format!(" × PUE {} ({})", it.factor, it.source),
        );
        Known {
            value: it.value * grid.grams_per_kwh * factor,
            low: it.low * low * factor,
            high: it.high * high * factor,
            method: format!(
                "{} × {} g/kWh ({}){overhead}",
                it.method, grid.grams_per_kwh, grid.source
            ),
            ..it
        }
    })
}
