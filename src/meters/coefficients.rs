//! The coefficient table of the utilisation model: data, with its source and version.

use std::ops::RangeInclusive;

use serde::Deserialize;

/// The table as it was published, trimmed to what the model uses.
const TABLE: &str = include_str!("coefficients.json");

/// The whole table.
#[derive(Debug, Deserialize)]
pub struct Coefficients {
    /// Where it is from and of when.
    pub source: String,
    /// Watts for each gigabyte of memory beyond a chip's allowance.
    pub memory_watts_per_gb: f64,
    /// What making a server emits.
    pub embodied: Making,
    fallback: Fallback,
    architectures: Vec<Architecture>,
}

/// What making a server emits, part by part, in grams of `CO2e`, and for how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Making {
    /// A server with one processor.
    pub server_grams: f64,
    /// So many gigabytes of memory are in that.
    pub memory_allowance_gb: f64,
    /// Each gigabyte beyond.
    pub grams_per_gb_beyond: f64,
    /// Each further processor.
    pub grams_per_further_cpu: f64,
    /// Each solid-state disk.
    pub grams_per_ssd: f64,
    /// Each spinning disk.
    pub grams_per_hdd: f64,
    /// Each graphics processor.
    pub grams_per_gpu: f64,
    /// It is kept so long.
    pub life_years: f64,
    /// Or only so long.
    pub life_years_low: f64,
    /// Or even so long.
    pub life_years_high: f64,
}

#[derive(Debug, Deserialize)]
struct Fallback {
    name: String,
    min_watts: f64,
    max_watts: f64,
}

#[derive(Debug, Deserialize)]
struct Architecture {
    name: String,
    cpus: Vec<Cpus>,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Cpus {
    vendor: String,
    family: u32,
    models: Vec<u32>,
    #[serde(default)]
    steppings: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Row {
    min_watts: f64,
    max_watts: f64,
    chip_gb: f64,
}

impl Row {
    /// Watts of a vCPU that is used to this share.
    fn watts(self, share: f64) -> f64 {
        self.min_watts + share * (self.max_watts - self.min_watts)
    }
}

/// A processor by its numbers, as `/proc/cpuinfo` has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processor {
    /// `GenuineIntel`, `AuthenticAMD`; empty elsewhere.
    pub vendor: String,
    /// Its family.
    pub family: u32,
    /// Its model.
    pub model: u32,
    /// Its stepping.
    pub stepping: u32,
}

/// The coefficients of one processor.
#[derive(Debug)]
pub struct Chosen {
    /// The architecture's name, or the fallback's.
    pub architecture: String,
    estimate: Row,
    rows: Vec<Row>,
}

/// The table in this program.
///
/// # Panics
/// Never: the table is part of the program, and a test reads it.
pub fn table() -> Coefficients {
    serde_json::from_str(TABLE).expect("the table is part of the program, and a test reads it")
}

impl Coefficients {
    /// The rows for a processor; for one that the table does not know, its published average, with
    /// every row as the spread.
    pub fn choose(&self, processor: &Processor) -> Chosen {
        let known = self.architectures.iter().find(|it| it.cpus.iter().any(|it| it.is(processor)));
        if let Some(architecture) = known {
            return Chosen {
                architecture: architecture.name.clone(),
                estimate: mean(&architecture.rows),
                rows: architecture.rows.clone(),
            };
        }
        let rows: Vec<Row> = self.architectures.iter().flat_map(|it| it.rows.clone()).collect();
        Chosen {
            architecture: self.fallback.name.clone(),
            estimate: Row {
                min_watts: self.fallback.min_watts,
                max_watts: self.fallback.max_watts,
                chip_gb: mean(&rows).chip_gb,
            },
            rows,
        }
    }
}

impl Cpus {
    fn is(&self, it: &Processor) -> bool {
        let steppings: Option<RangeInclusive<u32>> = self.steppings.map(|(from, to)| from..=to);
        self.vendor == it.vendor
            && self.family == it.family
            && self.models.contains(&it.model)
            && steppings.is_none_or(|all| all.contains(&it.stepping))
    }
}

impl Chosen {
    /// Watts of a vCPU that is used to this share: low, estimate, high.
    pub fn vcpu_watts(&self, share: f64) -> (f64, f64, f64) {
        let all = self.rows.iter().map(|row| row.watts(share));
        let estimate = self.estimate.watts(share);
        let (low, high) = all.fold((estimate, estimate), |(l, h), it| (l.min(it), h.max(it)));
        (low, estimate, high)
    }

    /// Gigabytes of memory that a chip's watts already contain: estimate and most.
    pub fn chip_gb(&self) -> (f64, f64) {
        let most = self.rows.iter().map(|row| row.chip_gb).fold(self.estimate.chip_gb, f64::max);
        (self.estimate.chip_gb, most)
    }
}

fn mean(rows: &[Row]) -> Row {
    let count = f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)).max(1.0);
    let of = |part: fn(&Row) -> f64| rows.iter().map(part).sum::<f64>() / count;
    Row {
        min_watts: of(|it| it.min_watts),
        max_watts: of(|it| it.max_watts),
        chip_gb: of(|it| it.chip_gb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intel(model: u32, stepping: u32) -> Processor {
        Processor { vendor: "GenuineIntel".to_owned(), family: 6, model, stepping }
    }

    #[test]
    fn processors_find_their_rows() {
        let table = table();
        let name = |it: &Processor| table.choose(it).architecture;
        assert_eq!(name(&intel(85, 4)), "Skylake");
        assert_eq!(name(&intel(85, 7)), "Cascade Lake");
        assert_eq!(name(&intel(143, 8)), "Sapphire Rapids");
        let rome =
            Processor { vendor: "AuthenticAMD".to_owned(), family: 23, model: 49, stepping: 0 };
        assert_eq!(name(&rome), "EPYC 2nd Gen");
        assert_eq!(name(&intel(167, 1)), "average");
        assert_eq!(name(&Processor::default()), "average");
    }

    #[test]
    fn every_row_makes_sense_and_bounds_hold_the_estimate() {
        let table = table();
        for architecture in &table.architectures {
            assert!(!architecture.rows.is_empty() && !architecture.cpus.is_empty());
            for row in &architecture.rows {
                assert!(0.0 < row.min_watts && row.min_watts < row.max_watts);
                assert!(row.max_watts < 10.0 && row.chip_gb > 1.0, "{}", architecture.name);
            }
        }
        for processor in [intel(85, 4), intel(106, 6), Processor::default()] {
            let chosen = table.choose(&processor);
            for share in [0.0, 0.3, 1.0] {
                let (low, estimate, high) = chosen.vcpu_watts(share);
                assert!(low <= estimate && estimate <= high && low > 0.0);
            }
        }
    }
}
