//! Memory errors that were found, from `/sys/devices/system/edac`.

use super::class::{Class, Device};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "edac",
        summary: "memory errors that were found, and corrected or not",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Edac { controllers: Class::new("devices/system/edac/mc", FILES) }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &[
        "node_edac_correctable_errors_total",
        "node_edac_uncorrectable_errors_total",
        "node_edac_csrow_correctable_errors_total",
        "node_edac_csrow_uncorrectable_errors_total",
    ],
    &[Origin::Sys("devices/system/edac/mc/mc*")],
    "memory with ECC, and its controller's driver (CONFIG_EDAC)",
)];

#[derive(Debug)]
struct Edac {
    controllers: Class,
}

/// No controller has more rows of chips.
const ROWS: usize = 8;
const FILES: &[&str] = &[
    "ce_count",
    "ue_count",
    "ce_noinfo_count",
    "ue_noinfo_count",
    "csrow0/ce_count",
    "csrow0/ue_count",
    "csrow1/ce_count",
    "csrow1/ue_count",
    "csrow2/ce_count",
    "csrow2/ue_count",
    "csrow3/ce_count",
    "csrow3/ue_count",
    "csrow4/ce_count",
    "csrow4/ue_count",
    "csrow5/ce_count",
    "csrow5/ue_count",
    "csrow6/ce_count",
    "csrow6/ue_count",
    "csrow7/ce_count",
    "csrow7/ue_count",
];
const OF_NO_ROW: usize = 2;
const OF_ROWS: usize = 4;

/// Corrected ones and others: of a controller, and of a row.
const COUNTERS: [[(&str, &str); 2]; 2] = [
    [
        ("node_edac_correctable_errors_total", "Total correctable memory errors."),
        (
            "node_edac_csrow_correctable_errors_total",
            "Total correctable memory errors for this csrow.",
        ),
    ],
    [
        ("node_edac_uncorrectable_errors_total", "Total uncorrectable memory errors."),
        (
            "node_edac_csrow_uncorrectable_errors_total",
            "Total uncorrectable memory errors for this csrow.",
        ),
    ],
];

impl Collector for Edac {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let controllers = self.controllers.look(roots, |name| number(name).is_some())?;
        for (sort, [of_all, of_row]) in COUNTERS.into_iter().enumerate() {
            samples.counter(of_all.0, of_all.1);
            for it in &mut *controllers {
                if let Some(count) = it.number(sort)? {
                    let controller = number(&it.name).unwrap_or_default();
                    samples.row(&[("controller", controller)], count);
                }
            }
            samples.counter(of_row.0, of_row.1);
            for it in &mut *controllers {
                show_rows(it, sort, samples)?;
            }
        }
        Ok(())
    }
}

fn show_rows(it: &mut Device, sort: usize, samples: &mut Samples) -> Result<(), Blank> {
    if let Some(count) = it.number(OF_NO_ROW + sort)? {
        let controller = number(&it.name).unwrap_or_default();
        samples.row(&[("controller", controller), ("csrow", "unknown")], count);
    }
    for row in 0..ROWS {
        if let Some(count) = it.number(OF_ROWS + 2 * row + sort)? {
            let controller = number(&it.name).unwrap_or_default();
            samples.row(&[("controller", controller), ("csrow", &row.to_string())], count);
        }
    }
    Ok(())
}

fn number(name: &str) -> Option<&str> {
    name.strip_prefix("mc").filter(|rest| super::parse::is_digits(rest))
}
