//! Sums that survive a restart, as they are in the state folder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    carbon::{EMBODIED, OPERATIONAL, OVERHEAD},
    sums::{Book, Sci, Sums, Three},
};
use crate::meters::{self, carbon::Bounded};

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    domains: Vec<(String, String, Three)>,
    zones: Vec<(String, String, Three)>,
    books: Vec<(String, KeptBook)>,
    grams: Vec<(String, String, [f64; 3])>,
    unaccounted: f64,
    accounted: f64,
    sci: KeptSci,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct KeptBook {
    groups: BTreeMap<String, Three>,
    other: Three,
    idle: Three,
    gone: Three,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct KeptSci {
    per: String,
    units: f64,
    grams: [f64; 3],
}

const VERSION: u32 = 1;

fn three(it: Bounded) -> [f64; 3] {
    [it.best, it.low, it.high]
}

fn bounded([best, low, high]: [f64; 3]) -> Bounded {
    Bounded { best, low, high }
}

/// The word that the code has for a word of the file.
fn known(word: &str) -> Option<&'static str> {
    let methods = meters::ALL.iter().map(|it| it.about.name);
    let scopes = [OPERATIONAL, OVERHEAD, EMBODIED, "declared", "parts"];
    methods.chain(scopes).find(|it| *it == word)
}

/// The sums as a file. `units` are those of the business counter since the start.
pub(super) fn save(sums: &Sums, units: f64) -> Option<Vec<u8>> {
    let rows = |all: &BTreeMap<(String, &'static str), super::sums::Sum>| {
        let row = |((name, method), sum): (&(String, &'static str), &super::sums::Sum)| {
            (name.clone(), (*method).to_owned(), sum.micro)
        };
        all.iter().map(row).collect()
    };
    let book = |it: &Book| KeptBook {
        groups: it.groups.clone(),
        other: it.other,
        idle: it.idle,
        gone: it.gone,
    };
    let carbon = &sums.carbon;
    let kept = Kept {
        version: VERSION,
        domains: rows(&sums.domains),
        zones: rows(&sums.zones),
        books: sums.books.iter().map(|(name, it)| ((*name).to_owned(), book(it))).collect(),
        grams: carbon
            .grams
            .iter()
            .map(|((scope, method), it)| ((*scope).to_owned(), (*method).to_owned(), three(*it)))
            .collect(),
        unaccounted: carbon.unaccounted,
        accounted: carbon.accounted,
        sci: KeptSci {
            per: sums.sci.per.clone(),
            units: sums.sci.units_before + units,
            grams: three(sums.sci.grams_before),
        },
    };
    serde_json::to_vec(&kept).ok()
}

/// Goes on from a file. Words that this version does not know are left out.
pub(super) fn restore(sums: &mut Sums, bytes: &[u8]) -> Result<(), String> {
    let kept: Kept = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
    if kept.version != VERSION {
        return Err(format!("its version is {}, not {VERSION}", kept.version));
    }
    for (all, rows) in [(&mut sums.domains, kept.domains), (&mut sums.zones, kept.zones)] {
        for (name, method, micro) in rows {
            if let Some(method) = known(&method) {
                all.entry((name, method)).or_default().micro = micro;
            }
        }
    }
    for (method, KeptBook { groups, other, idle, gone }) in kept.books {
        if let Some(method) = known(&method) {
            sums.books.insert(method, Book { groups, other, idle, gone });
        }
    }
    for (scope, method, grams) in kept.grams {
        if let (Some(scope), Some(method)) = (known(&scope), known(&method)) {
            sums.carbon.grams.insert((scope, method), bounded(grams));
        }
    }
    (sums.carbon.unaccounted, sums.carbon.accounted) = (kept.unaccounted, kept.accounted);
    if sums.sci.per == kept.sci.per {
        let (units_before, grams_before) = (kept.sci.units, bounded(kept.sci.grams));
        sums.sci = Sci { per: kept.sci.per, units_before, grams_before };
    } else {
        // Another counter: grams count for it from now on.
        sums.sci.grams_before = sums.carbon.all_grams();
    }
    Ok(())
}

/// Lets another business counter be R: grams count for it from now on.
pub(super) fn per(sums: &mut Sums, per: &str) {
    if sums.sci.per != per {
        let grams_before = sums.carbon.all_grams();
        sums.sci = Sci { per: per.to_owned(), units_before: 0.0, grams_before };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Domain, Energy};
    use std::time::Duration;

    #[test]
    fn what_is_kept_comes_back_and_goes_on() {
        let mut sums = Sums::default();
        per(&mut sums, "orders_total");
        let part = Domain { name: "cpu".to_owned(), joules: 7.5, low: 5.0, high: 9.0 };
        let energy = Energy::of("model", vec![part]);
        sums.add(&energy, Duration::from_secs(2));
        let grams = Bounded { best: 3.0, low: 2.0, high: 4.0 };
        sums.carbon.grams.insert((OPERATIONAL, "model"), grams);
        let bytes = save(&sums, 40.0).unwrap();
        let mut again = Sums::default();
        per(&mut again, "orders_total");
        restore(&mut again, &bytes).unwrap();
        again.add(&energy, Duration::from_secs(2));
        assert_eq!(again.domains[&("cpu".to_owned(), "model")].micro[0], 15_000_000);
        assert!((again.sci.units_before - 40.0).abs() < 1e-9);
        assert!((again.carbon.all_grams().best - 3.0).abs() < 1e-9);
        let mut other = Sums::default();
        per(&mut other, "trades_total");
        restore(&mut other, &bytes).unwrap();
        assert!((other.sci.grams_before.best - 3.0).abs() < 1e-9, "those are not of trades");
        assert!(other.sci.units_before.abs() < 1e-9);
    }

    #[test]
    fn a_file_that_is_cut_off_or_of_another_version_is_refused() {
        let bytes = save(&Sums::default(), 0.0).unwrap();
        let mut sums = Sums::default();
        assert!(restore(&mut sums, &bytes[..bytes.len() / 2]).is_err());
        let other = String::from_utf8(bytes).unwrap().replace("\"version\":1", "\"version\":9");
        assert!(restore(&mut sums, other.as_bytes()).unwrap_err().contains("version is 9"));
    }
}
