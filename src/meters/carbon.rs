//! Carbon dioxide and its like (CO2e): of the energy that is used, and of making the machine.
//!
//! ```text
//! operational  g = E kWh × I            E: energy of the machine, I: grams per kWh of the grid
//! overhead     g = E kWh × (PUE − 1) × I
//! embodied     g = TE × share × time ÷ life          TE: what making the whole server emits
//! SCI            = (operational + overhead + embodied) ÷ R
//! ```
//! SCI is the Software Carbon Intensity of ISO/IEC 21031 (Green Software Foundation), with R a
//! business counter: grams a payment. Its M is `TE × (TiR ÷ EL) × (RR ÷ ToR)`; `share` is the last
//! factor. TE is added up from parts as Cloud Carbon Footprint does (`coefficients.json`).
//!
//! Nothing is assumed that nobody said: without a grid's intensity there is no operational figure,
//! without a PUE no overhead, without a share of the server no embodied one, and SCI only with all.

use std::{path::PathBuf, str::FromStr, time::Duration};

use super::coefficients::Making;
use crate::world::roots::{self, Stamp};

/// What is known of the grid and of the server. Nothing, unless somebody says so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The building's overhead.
    pub pue: Option<Pue>,
    /// What the grid emits.
    pub intensity: Intensity,
    /// What making the server emitted.
    pub embodied: Option<Embodied>,
}

/// Power usage effectiveness: what the building draws for each watt of the machine's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pue(f64);

/// What the grid emits for a kilowatt-hour: where that is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Intensity {
    /// Nowhere. Then no emissions are shown.
    #[default]
    Unset,
    /// In the settings.
    Fixed(Grid),
    /// In a file that somebody keeps up to date; it is read anew when it changed.
    File(PathBuf),
}

/// Grams of `CO2e` for a kilowatt-hour. `low <= grams <= high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// The best estimate.
    pub grams: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

/// The server's making, and which part of it is this machine's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Embodied {
    /// This machine's part of the server: 1 for all of it, 0.125 for 8 of 64 vCPUs.
    pub share: Share,
    /// What making the whole server emitted, in grams, where its maker says so. Otherwise it is
    /// added up from the parts that this machine sees, which are all only where the share is 1.
    pub server_grams: Option<f64>,
    /// For how many years it is kept, where that is known.
    pub life_years: Option<f64>,
}

/// A part of a whole: above 0, at most 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

/// What a server is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// Processors.
    pub cpus: f64,
    /// Gigabytes of memory.
    pub gigabytes: f64,
    /// Solid-state disks.
    pub ssds: f64,
    /// Spinning disks.
    pub hdds: f64,
    /// Graphics processors.
    pub gpus: f64,
}

/// An amount with bounds, in grams or joules.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bounded {
    /// The best estimate.
    pub best: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

impl Bounded {
    /// The sum, bound by bound.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            best: self.best + other.best,
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }

    /// What came on top of an earlier sum, bound by bound; never less than nothing.
    #[must_use]
    pub fn minus(self, earlier: Self) -> Self {
        Self {
            best: (self.best - earlier.best).max(0.0),
            low: (self.low - earlier.low).max(0.0),
            high: (self.high - earlier.high).max(0.0),
        }
    }

    /// So many times as much; `by` is not below zero.
    #[must_use]
    pub fn times(self, by: f64) -> Self {
        Self { best: self.best * by, low: self.low * by, high: self.high * by }
    }
}

/// Why a text or a number is none of these; the whole sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not an overhead.
    #[error("`{0}` is no PUE: write what the building draws for each watt, from 1 to 5, as in 1.4")]
    Pue(String),
    /// Not a part of a server.
    #[error("`{0}` is no part of a server: write a number above 0, at most 1, as in 0.125")]
    Share(String),
    /// Not an intensity.
    #[error(
        "`{0}` is no intensity: write grams of CO2e for a kWh, from 0 to 3000, as in 380, or with \
         bounds, as in `380 300 450`"
    )]
    Intensity(String),
}

impl Pue {
    /// The factor.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Pue {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let factor = text.trim().parse().ok().filter(|it| (1.0..=5.0).contains(it));
        factor.map(Self).ok_or_else(|| Unfit::Pue(shorten(text)))
    }
}

impl FromStr for Share {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let share = text.trim().parse().ok().filter(|it| 0.0 < *it && *it <= 1.0);
        share.map(Self).ok_or_else(|| Unfit::Share(shorten(text)))
    }
}

impl FromStr for Grid {
    type Err = Unfit;

    /// `380`, or `380 300 450` with bounds: the first line that is neither empty nor a comment.
    /// The dirtiest grids emit some 1100 grams; figures beyond 3000 are mistakes of units.
    fn from_str(text: &str) -> Result<Self, Unfit> {
        let line = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let line = line.clone().find(|it| !it.is_empty()).unwrap_or_default();
        let unfit = || Unfit::Intensity(shorten(line));
        let number = |word: &str| word.parse::<f64>().ok().filter(|it| (0.0..=3000.0).contains(it));
        let numbers: Option<Vec<f64>> = line.split_ascii_whitespace().map(number).collect();
        match *numbers.ok_or_else(unfit)?.as_slice() {
            [grams] => Ok(Self { grams, low: grams, high: grams }),
            [grams, low, high] if low <= grams && grams <= high => Ok(Self { grams, low, high }),
            _ => Err(unfit()),
        }
    }
}

fn shorten(text: &str) -> String {
    text.trim().chars().take(60).flat_map(char::escape_debug).collect()
}

impl Grid {
    /// Grams of `CO2e` of so much energy in joules.
    pub fn grams_of(self, joules: Bounded) -> Bounded {
        let kwh = joules.times(1.0 / 3_600_000.0);
        Bounded { best: kwh.best * self.grams, low: kwh.low * self.low, high: kwh.high * self.high }
    }
}

/// Tells the intensity of now, and reads its file again when that changed.
#[derive(Debug)]
pub struct Watch {
    from: Intensity,
    known: Option<(Stamp, Result<Grid, String>)>,
}

impl Watch {
    /// Nothing is read yet.
    pub fn new(from: Intensity) -> Self {
        Self { from, known: None }
    }

    /// The intensity of now; or why it is not known, as a fragment that completes "could not …".
    pub fn now(&mut self) -> Result<Grid, String> {
        let path = match &self.from {
            Intensity::Unset => return Err("find the grid's intensity: none is set".to_owned()),
            Intensity::Fixed(grid) => return Ok(*grid),
            Intensity::File(path) => path,
        };
        let stamp = roots::stamp(path).map_err(|why| why.to_string())?;
        let Some(stamp) = stamp else {
            self.known = None;
            return Err(format!("read `{}`: there is no such file", path.display()));
        };
        match &self.known {
            Some((known, said)) if *known == stamp => said.clone(),
            Some(_) | None => {
                let text = roots::read(path).map_err(|why| why.to_string())?;
                let said = text
                    .parse()
                    .map_err(|why: Unfit| format!("understand `{}`: {why}", path.display()));
                self.known = Some((stamp, said.clone()));
                said
            }
        }
    }
}

impl Embodied {
    /// A part of a server whose making is added up from its parts.
    pub fn of(share: Share) -> Self {
        Self { share, server_grams: None, life_years: None }
    }

    /// The grams that fall to an interval. The bounds are the life's: the longer a server is kept,
    /// the less of it falls to an hour. How wrong the figure of its making is nobody knows.
    pub fn grams(self, parts: Parts, making: &Making, interval: Duration) -> Bounded {
        let server = self.server_grams.unwrap_or_else(|| making.of(parts));
        let over = |years: f64| server * self.share.0 * interval.as_secs_f64() / (years * YEAR);
        match self.life_years {
            Some(years) => Bounded { best: over(years), low: over(years), high: over(years) },
            None => Bounded {
                best: over(making.life_years),
                low: over(making.life_years_high),
                high: over(making.life_years_low),
            },
        }
    }
}

/// Seconds in a year of 365.25 days.
const YEAR: f64 = 31_557_600.0;

impl Making {
    /// What making a server of these parts emits, in grams.
    pub fn of(&self, parts: Parts) -> f64 {
        self.server_grams
            + self.grams_per_gb_beyond * (parts.gigabytes - self.memory_allowance_gb).max(0.0)
            + self.grams_per_further_cpu * (parts.cpus - 1.0).max(0.0)
            + self.grams_per_ssd * parts.ssds
            + self.grams_per_hdd * parts.hdds
            + self.grams_per_gpu * parts.gpus
    }
}

/// Grams for each unit of business; none before there was one.
pub fn sci(grams: Bounded, units: f64) -> Option<Bounded> {
    (units > 0.0 && units.is_finite()).then(|| grams.times(1.0 / units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::coefficients;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1e-9)
    }

    #[test]
    fn a_kilowatt_hour_emits_what_the_grid_says() {
        let grid: Grid = "# of 2026\n\n380 300 450 # grams\n".parse().unwrap();
        let kwh = Bounded { best: 3.6e6, low: 1.8e6, high: 7.2e6 };
        let grams = grid.grams_of(kwh);
        assert!(near(grams.best, 380.0) && near(grams.low, 150.0) && near(grams.high, 900.0));
    }

    #[test]
    fn what_is_no_intensity_and_no_pue_says_what_would_be() {
        for text in ["", "x", "-1", "nan", "inf", "77000000", "380 400 450", "1 2", "1 0 2 3"] {
            let why = text.parse::<Grid>().unwrap_err().to_string();
            assert!(why.contains("grams of CO2e for a kWh"), "{why}");
        }
        for text in ["", "0.9", "-1", "140%", "nan", "6"] {
            assert!(text.parse::<Pue>().unwrap_err().to_string().contains("as in 1.4"), "{text}");
        }
        for text in ["", "0", "-1", "1.1", "nan"] {
            assert!(text.parse::<Share>().unwrap_err().to_string().contains("as in 0.125"));
        }
        assert!(near("1.58".parse::<Pue>().unwrap().get(), 1.58));
    }

    #[test]
    fn a_servers_making_is_spread_over_its_life() {
        let making = coefficients::table().embodied;
        let parts = Parts { cpus: 2.0, gigabytes: 32.0, ssds: 1.0, hdds: 2.0, gpus: 0.0 };
        // 1000 kg + 16 × 1.388 + 100 + 100 + 2 × 50.
        assert!(near(making.of(parts), 1_322_208.0));
        let half = Embodied::of("0.5".parse().unwrap());
        let year = half.grams(parts, &making, Duration::from_hours(8766));
        assert!(near(year.best, 1_322_208.0 / 8.0));
        assert!(near(year.low, 1_322_208.0 / 12.0) && near(year.high, 1_322_208.0 / 6.0));
        let said = Embodied { share: Share(1.0), server_grams: Some(5e5), life_years: Some(5.0) };
        let year = said.grams(parts, &making, Duration::from_hours(8766));
        assert_eq!((year.best, year.low), (year.high, year.high));
        assert!(near(year.best, 1e5));
    }

    #[test]
    fn the_worked_example_of_the_docs() {
        // 2 kWh at 400 g with a PUE of 1.5, 100 g of the server, 1000 payments: 1.3 g each.
        let grid: Grid = "400".parse().unwrap();
        let joules = Bounded { best: 7.2e6, low: 7.2e6, high: 7.2e6 };
        let operational = grid.grams_of(joules);
        let overhead = operational.times("1.5".parse::<Pue>().unwrap().get() - 1.0);
        let embodied = Bounded { best: 100.0, low: 100.0, high: 100.0 };
        let all = operational.plus(overhead).plus(embodied);
        assert!(near(sci(all, 1000.0).unwrap().best, 1.3));
        assert_eq!(sci(all, 0.0), None);
    }
}
