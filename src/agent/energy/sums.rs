//! What was added up: by domain, by consumer, and as carbon.

use std::{collections::BTreeMap, time::Duration};

use super::consumers::Used;
use crate::{
    meter::Energy,
    meters::{
        carbon::Bounded,
        share::{Whole, share},
    },
};

/// Estimate, low and high, each in whole microjoules.
pub(super) type Three = [u64; 3];

/// All sums since the agent's start.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) domains: BTreeMap<(String, &'static str), Sum>,
    pub(super) zones: BTreeMap<(String, &'static str), Sum>,
    pub(super) books: BTreeMap<&'static str, Book>,
    /// Why each meter that was tried is blind; none: it sees.
    pub(super) meters: BTreeMap<&'static str, Option<String>>,
    pub(super) coefficients: Option<(String, String)>,
    pub(super) sci: Sci,
    pub(super) carbon: CarbonSums,
    /// Groups that found no room: now, and so far.
    pub(super) refused: (usize, u64),
}

/// What grams are divided by: R.
#[derive(Debug, Default)]
pub(super) struct Sci {
    /// The business counter.
    pub(super) per: String,
    /// What it had counted before this start of the agent.
    pub(super) units_before: f64,
    /// What was emitted before it was R.
    pub(super) grams_before: Bounded,
}

/// One domain's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) micro: Three,
    rests: [Whole; 3],
    /// Of the last interval; none when that could not be read.
    pub(super) watts: Option<[f64; 3]>,
}

/// Who used the energy that one method measured.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) groups: BTreeMap<String, Three>,
    pub(super) other: Three,
    pub(super) idle: Three,
    /// Of groups that are no more, and whose place was needed.
    pub(super) gone: Three,
}

/// Grams by scope and method, and why some are missing.
#[derive(Debug, Default)]
pub(super) struct CarbonSums {
    pub(super) grams: BTreeMap<(&'static str, &'static str), Bounded>,
    pub(super) intensity: Option<crate::meters::carbon::Grid>,
    pub(super) pue: Option<f64>,
    /// Joules used while nobody knew the grid's intensity.
    pub(super) unaccounted: f64,
    pub(super) accounted: f64,
    pub(super) missing: BTreeMap<&'static str, String>,
}

impl CarbonSums {
    pub(super) fn all_grams(&self) -> Bounded {
        self.grams.values().fold(Bounded::default(), |sum, it| sum.plus(*it))
    }
}

impl Sum {
    fn add(&mut self, joules: [f64; 3], elapsed: Duration) -> Three {
        let mut more = [0; 3];
        let all = self.micro.iter_mut().zip(&mut self.rests).zip(&mut more).zip(joules);
        for (((sum, rest), more), joules) in all {
            // A counter never goes back, whatever a meter says.
            *more = rest.of(joules);
            *sum = sum.saturating_add(*more);
        }
        if !elapsed.is_zero() {
            self.watts = Some(joules.map(|it| it / elapsed.as_secs_f64()));
        }
        more
    }
}

impl Sums {
    /// Notes whether a meter sees, and says whether that is news.
    pub(super) fn note(&mut self, method: &'static str, why: Option<String>) -> bool {
        if why.is_some() {
            // The power of an earlier interval is not passed off as today's.
            for ((_, of), sum) in self.domains.iter_mut().chain(&mut self.zones) {
                if *of == method {
                    sum.watts = None;
                }
            }
        }
        let before = self.meters.insert(method, why.clone());
        before != Some(why)
    }

    /// Adds what a meter says, and answers with the whole of it in microjoules.
    pub(super) fn add(&mut self, energy: &Energy, elapsed: Duration) -> Three {
        // One that the meter no longer names has no power now.
        for sum in self.domains.values_mut().chain(self.zones.values_mut()) {
            sum.watts = None;
        }
        for zone in &energy.zones {
            let sum = self.zones.entry((zone.name.clone(), energy.method)).or_default();
            sum.add([zone.joules, zone.low, zone.high], elapsed);
        }
        energy.domains.iter().fold([0; 3], |whole, part| {
            let sum = self.domains.entry((part.name.clone(), energy.method)).or_default();
            plus(whole, sum.add([part.joules, part.low, part.high], elapsed))
        })
    }

    /// Shares the whole out by processor time.
    pub(super) fn share_out(&mut self, method: &'static str, whole: Three, used: &Used) {
        let times: Vec<u64> = used.groups.iter().map(|it| it.1).collect();
        let shares = whole.map(|it| share(it, &times, used.busy, used.all));
        let book = self.books.entry(method).or_default();
        let each = |pick: fn(&crate::meters::share::Shares) -> u64| shares.each_ref().map(pick);
        book.other = plus(book.other, each(|it| it.other));
        book.idle = plus(book.idle, each(|it| it.idle));
        for (at, (group, _)) in used.groups.iter().enumerate() {
            let more = shares.each_ref().map(|it| it.each.get(at).copied().unwrap_or(0));
            match book.groups.get_mut(group) {
                Some(sum) => *sum = plus(*sum, more),
                None => {
                    book.groups.insert(group.clone(), more);
                }
            }
        }
        book.forget(used);
        self.refused = used.refused;
    }
}

impl Book {
    /// Those that are no more keep their place while there is room: a sum that vanishes at once
    /// would be seen by no scrape.
    fn forget(&mut self, used: &Used) {
        let most = used.groups_max.saturating_mul(2);
        let Some(mut over) = self.groups.len().checked_sub(most).filter(|it| *it > 0) else {
            return;
        };
        let there: std::collections::BTreeSet<&String> =
            used.groups.iter().map(|it| &it.0).collect();
        let gone = self.groups.extract_if(.., |name, _| {
            let goes = over > 0 && !there.contains(name);
            over -= usize::from(goes);
            goes
        });
        self.gone = gone.fold(self.gone, |sum, it| plus(sum, it.1));
    }
}

fn plus(mut sum: Three, more: Three) -> Three {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Domain;

    fn used(groups: &[(String, u64)], busy: u64, all: u64) -> Used {
        Used { groups: groups.to_vec(), busy, all, groups_max: 4, refused: (0, 0) }
    }

    proptest::proptest! {
        #[test]
        fn groups_other_idle_and_gone_are_the_machines_energy_whoever_comes_and_goes(
            rounds in proptest::collection::vec(
                (0.0_f64..500.0, proptest::collection::vec((0_u8..20, 0_u64..1_000_000), 0..4),
                 0_u64..4_000_000, 0_u64..8_000_000),
                1..40,
            ),
        ) {
            let mut sums = Sums::default();
            for (joules, groups, busy, all) in rounds {
                let part = |name: &str, by: f64| Domain {
                    name: name.to_owned(), joules: joules * by, low: joules * by / 3.0,
                    high: joules * by * 1.7,
                };
                let energy = Energy::of("model", vec![part("cpu", 1.0), part("memory", 0.3)]);
                let whole = sums.add(&energy, Duration::from_secs(2));
                let groups: BTreeMap<String, u64> =
                    groups.into_iter().map(|(n, used)| (format!("/g{n}"), used)).collect();
                let groups: Vec<_> = groups.into_iter().collect();
                sums.share_out("model", whole, &used(&groups, busy, all));
            }
            let book = &sums.books["model"];
            proptest::prop_assert!(book.groups.len() <= 8);
            for at in 0..3 {
                let host: u64 = sums.domains.values().map(|it| it.micro[at]).sum();
                let shared: u64 = book.groups.values().map(|it| it[at]).sum();
                let shared = shared + book.other[at] + book.idle[at] + book.gone[at];
                proptest::prop_assert_eq!(host, shared);
            }
        }
    }
}
