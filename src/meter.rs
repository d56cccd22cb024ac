//! The contract of those who measure energy.

use std::time::Duration;

use crate::{about::About, world::roots::Roots};

/// Measures the machine's energy, interval by interval. Whoever asks keeps the sum.
///
/// Ask at least every ten seconds: a counter of the hardware starts over at its maximum, and two
/// rounds within one interval cannot be told from one.
pub trait Meter: Send {
    /// Energy used since the last call; the first call begins and answers zero. `elapsed` is the
    /// time since the last call.
    fn joules(&mut self, roots: &Roots, elapsed: Duration) -> Result<Energy, Blind>;
}

/// An entry in the family's list.
#[derive(Debug)]
pub struct MeterKind {
    /// Its visiting card; the name is the `method` of its figures.
    pub about: &'static About,
    /// A meter for this machine, or why there is none.
    pub open: fn(&Roots) -> Result<Box<dyn Meter>, Blind>,
}

/// An amount of energy in joules. `low <= joules <= high`; a measurement has `low == high`.
#[derive(Debug, Clone, PartialEq)]
pub struct Energy {
    /// The best estimate.
    pub joules: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// How it came about: the name of the meter.
    pub method: &'static str,
    /// Its parts: domains do not overlap, and their sum is the whole.
    pub domains: Vec<Domain>,
    /// What the hardware counts zone by zone, where it does. Zones overlap: they have no sum.
    pub zones: Vec<Domain>,
}

/// A part of the machine and its energy in joules.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// `package-0`, `dram-0`, `rest-of-platform`, `platform`, `battery-BAT0`, `cpu`, `memory`.
    pub name: String,
    /// The best estimate.
    pub joules: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

impl Domain {
    /// What was counted: its bounds are the count itself.
    pub fn counted(name: String, joules: f64) -> Self {
        Self { name, joules, low: joules, high: joules }
    }
}

impl Energy {
    /// The whole, from its parts.
    pub fn of(method: &'static str, domains: Vec<Domain>) -> Self {
        let sum = |part: fn(&Domain) -> f64| domains.iter().map(part).sum();
        Self {
            joules: sum(|it| it.joules),
            low: sum(|it| it.low),
            high: sum(|it| it.high),
            method,
            domains,
            zones: Vec::new(),
        }
    }
}

/// Why a meter cannot see; completes "could not …".
#[derive(Debug, thiserror::Error)]
pub enum Blind {
    /// The machine has no such counters, or the kernel does not show them.
    #[error("find {0}")]
    Nothing(String),
    /// They are there, but not for us.
    #[error("read `{file}`: permission denied; {remedy}")]
    Denied {
        /// Which file.
        file: String,
        /// What to do.
        remedy: &'static str,
    },
    /// They cannot be read or make no sense.
    #[error("{0}")]
    Odd(String),
}
