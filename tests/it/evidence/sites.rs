//! What sites used, from journals of runs that never were: every formula of the page.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;

use holdfast::{
    evidence::{
        fold::{Evidence, fold},
        sites::{
            Sites,
            figure::{Basis, Figure, Known},
        },
    },
    journal::{
        entry::Fact,
        index::EnergyFigures,
        sample::Sample,
        site::{Grid, Overhead, PlannedSite, Resource, Role, SiteRow, SiteRows},
    },
    reports,
};

use super::stories::{Journal, SYNC, began, us};

const GIB: f64 = 1_073_741_824.0;

fn planned(name: &str, role: Role) -> PlannedSite {
    PlannedSite {
        name: name.to_owned(),
        role,
        read: "a test".to_owned(),
        local: false,
        host: true,
        processes: Vec::new(),
        grid: Some(Grid {
            grams_per_kwh: 380.0,
            low: 300.0,
            high: 450.0,
            source: "a table".to_owned(),
        }),
        pue: Some(Overhead { factor: 1.5, source: "the landlord".to_owned() }),
    }
}

fn joules(joules: f64, spread: (f64, f64), method: &str) -> EnergyFigures {
    let (low, high) = (joules * spread.0, joules * spread.1);
    EnergyFigures { joules, low, high, method: method.to_owned() }
}

/// Readings each second, from power and processor time of each second.
fn rows(watts: &[f64], busy: &[f64], spread: (f64, f64), method: &str) -> Vec<SiteRow> {
    let (mut energy, mut cpu) = (1_000.0, 50.0);
    (0..=watts.len())
        .map(|n| {
            if n > 0 {
                energy += watts[n - 1];
                cpu += busy[n - 1];
            }
            SiteRow {
                at_us: us(u64::try_from(n).unwrap() * 1_000),
                cpu_seconds: Some(cpu),
                cpus: Some(2.0),
                memory_bytes: Some(if n == 6 { 2.0 * GIB } else { GIB }),
                memory_total_bytes: Some(8.0 * GIB),
                energy: Some(joules(energy, spread, method)),
                ..SiteRow::default()
            }
        })
        .collect()
}

const PHASES: [(&str, u64, u64); 3] =
    [("baseline", 0, 4_000), ("promote", 4_000, 5_000), ("verify", 5_000, 8_000)];

/// A run with these sites, which say this of themselves.
fn told(sites: Vec<PlannedSite>, facts: Vec<SiteRows>) -> Journal {
    let mut journal = Journal::new();
    let began = holdfast::journal::began::Began { sites, ..began(&SYNC) };
    journal.at(0).anchor().say(Fact::Began(Box::new(began)));
    for (phase, from, to) in PHASES {
        journal.at(from).say(Fact::PhaseBegan { phase: phase.to_owned() });
        journal.at(to).say(Fact::PhaseEnded { phase: phase.to_owned() });
    }
    for it in facts {
        journal.say(Fact::Site(Box::new(it)));
    }
    journal
}

fn fact(site: &str, rows: Vec<SiteRow>) -> SiteRows {
    SiteRows { site: site.to_owned(), rows, ..SiteRows::default() }
}

fn sites(journal: &Journal) -> Sites {
    fold(&journal.entries).sites.unwrap()
}

fn known(it: &Figure) -> &Known {
    it.known().unwrap_or_else(|| panic!("{it:?}"))
}

fn why(it: &Figure) -> &str {
    match it {
        Figure::Unavailable { why } => why,
        Figure::Known(it) => panic!("{it:?}"),
    }
}

const WEST: [f64; 8] = [50.0, 50.0, 50.0, 50.0, 10.0, 10.0, 10.0, 10.0];
const EAST: [f64; 8] = [19.0, 20.0, 21.0, 20.0, 30.0, 30.0, 30.0, 30.0];
const BUSY: [f64; 8] = [0.2, 0.2, 0.2, 0.2, 0.2, 1.0, 1.5, 0.8];
const EXACT: (f64, f64) = (1.0, 1.0);

/// The two sites of the page.
fn both(method: &str, spread: (f64, f64)) -> Journal {
    let planned = vec![planned("west", Role::Primary), planned("east", Role::Standby)];
    let west = fact("west", rows(&WEST, &BUSY, spread, method));
    let east = fact("east", rows(&EAST, &BUSY, spread, method));
    told(planned, vec![west, east])
}

#[test]
fn the_two_sites_of_the_page_are_what_is_computed() {
    let sites = sites(&both("rapl", EXACT));
    let [_, east] = sites.each.as_slice() else { panic!("{sites:?}") };
    let page = include_str!("../../../docs/measurement.md");
    let (_, page) = page.split_once("### Two sites").unwrap();
    let results: BTreeMap<&str, f64> = page
        .lines()
        .filter_map(|it| {
            let mut cells = it.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
            let (figure, result) = (cells.next()?, cells.nth(1)?);
            Some((figure, result.split(' ').next()?.parse().ok()?))
        })
        .collect();
    let (top, year) = (known(&east.incremental_kwh), known(east.idle_year_kwh.as_ref().unwrap()));
    let baseline = east.phases.first().unwrap();
    let room = east.headroom.as_ref().unwrap();
    let computed = [
        ("the standby's baseline", known(&baseline.watts).value),
        ("on top of it", top.value * 3.6e6),
        ("on top of it, lower bound", top.low * 3.6e6),
        ("on top of it, upper bound", top.high * 3.6e6),
        ("emissions of that", known(&east.incremental_grams).value),
        ("a year of waiting", year.value),
        ("a year of waiting, lower bound", year.low),
        ("a year of waiting, upper bound", year.high),
        ("peak while both ran", known(&sites.peak_dual_watts).value),
        ("processors left at take-over", 100.0 * known(&room.cpu).value),
        ("processors left, at the busiest moment", 100.0 * known(&room.cpu_least).value),
        ("memory left at take-over", 100.0 * known(&room.memory).value),
    ];
    assert_eq!(results.len(), computed.len(), "{results:?}");
    for (figure, computed) in computed {
        let said = results[figure];
        assert!((said - computed).abs() < 1e-6, "{figure}: {said}, {computed}");
    }
    assert_eq!((top.basis, top.covered_ratio), (Basis::Measured, 1.0));
    assert_eq!(east.indistinguishable, Some(false));
    assert!(year.method.contains("mean of a baseline of 4.00 s"), "{}", year.method);
}

#[test]
fn an_interval_that_holds_zero_is_indistinguishable_from_the_baseline() {
    let mut even = EAST;
    even[4..].fill(20.5);
    let site = planned("east", Role::Standby);
    let journal = told(vec![site], vec![fact("east", rows(&even, &BUSY, EXACT, "rapl"))]);
    let evidence = fold(&journal.entries);
    let east = evidence.sites.as_ref().unwrap().each.first().unwrap();
    let top = known(&east.incremental_kwh);
    assert!(top.low < 0.0 && top.high > 0.0 && top.value > 0.0, "{top:?}");
    assert_eq!(east.indistinguishable, Some(true));
    let grams = known(&east.incremental_grams);
    assert!((grams.low - top.low * 450.0 * 1.5).abs() < 1e-12, "{grams:?}");
    for kind in [&reports::text::KIND, &reports::markdown::KIND, &reports::html::KIND] {
        let text = String::from_utf8((kind.render)(&evidence)).unwrap();
        for it in ["indistinguishable from the baseline", "与基线无法区分", "landlord", "a table"]
        {
            assert!(text.contains(it), "{}: {it}", kind.about.name);
        }
    }
}

#[test]
fn a_models_bounds_are_held_against_bounds_of_their_own_kind() {
    let sites = sites(&both("model", (0.5, 2.0)));
    let east = sites.each.last().unwrap();
    let top = known(&east.incremental_kwh);
    // 40 J at best; half of (120 − 21 × 4) at least, twice (120 − 19 × 4) at most.
    assert_eq!(top.basis, Basis::Modelled);
    assert!((top.value * 3.6e6 - 40.0).abs() < 1e-6, "{top:?}");
    assert!((top.low * 3.6e6 - 18.0).abs() < 1e-6, "{top:?}");
    assert!((top.high * 3.6e6 - 88.0).abs() < 1e-6, "{top:?}");
    let peak = known(&sites.peak_dual_watts);
    assert!((peak.low - 35.5).abs() < 1e-9 && (peak.high - 142.0).abs() < 1e-9, "{peak:?}");
}

#[test]
fn measured_and_modelled_power_is_never_added_and_neither_are_two_methods_of_one_site() {
    let planned = vec![planned("west", Role::Primary), planned("east", Role::Standby)];
    let west = fact("west", rows(&WEST, &BUSY, EXACT, "rapl"));
    let mut mixed = rows(&EAST, &BUSY, EXACT, "model");
    let east = fact("east", mixed.clone());
    let apart = sites(&told(planned.clone(), vec![west.clone(), east]));
    let said = why(&apart.peak_dual_watts);
    assert_eq!(said, "one site is measured and another modelled, and the two are not added");
    known(&apart.each.last().unwrap().incremental_kwh);
    mixed.last_mut().unwrap().energy.as_mut().unwrap().method = "rapl".to_owned();
    let east = fact("east", mixed);
    let changed = sites(&told(planned, vec![west, east]));
    assert!(why(&changed.each.last().unwrap().incremental_kwh).contains("the method changed"));
    assert!(why(&changed.peak_dual_watts).starts_with("east: the method changed"));
}

#[test]
fn a_gap_lowers_the_coverage_and_a_stretch_within_it_is_unavailable() {
    let mut rows = rows(&EAST, &BUSY, EXACT, "rapl");
    // Readings at 0, 1, 2 and 7, 8 s.
    rows.drain(3..7);
    let site = planned("east", Role::Standby);
    let sites = sites(&told(vec![site], vec![fact("east", rows)]));
    let east = sites.each.first().unwrap();
    let whole = known(&east.whole.joules);
    assert!((whole.value - 200.0).abs() < 1e-9, "a counter goes on where nobody looks");
    assert!((whole.covered_ratio - 3.0 / 8.0).abs() < 1e-9, "{whole:?}");
    let promote = &east.phases[1];
    assert_eq!(why(&promote.joules), "no reading of energy covers this stretch");
    assert_eq!(why(&promote.scopes.first().unwrap().cpu_seconds), "no reading covers this stretch");
    let idle = why(east.idle_year_kwh.as_ref().unwrap());
    assert!(idle.starts_with("the baseline has 2 readings of power"), "{idle}");
}

#[test]
fn what_was_never_read_is_unavailable_with_its_reason() {
    let planned = vec![planned("west", Role::Primary), planned("east", Role::Standby)];
    let blind = Some("no connection: refused".to_owned());
    let west = SiteRows { blind, ..fact("west", Vec::new()) };
    let mut bare = rows(&EAST, &BUSY, EXACT, "rapl");
    for it in &mut bare {
        it.energy = None;
    }
    let missing = [(Resource::Energy, "there are no series for x".to_owned())].into();
    let east = SiteRows { missing, ..fact("east", bare) };
    let sites = sites(&told(planned, vec![west, east]));
    let [west, east] = sites.each.as_slice() else { panic!("{sites:?}") };
    assert_eq!(why(&west.whole.scopes.first().unwrap().memory_bytes), "no connection: refused");
    assert_eq!(why(&west.incremental_kwh), "no connection: refused");
    assert_eq!(why(&east.grams), "there are no series for x");
    assert_eq!(why(&sites.peak_dual_watts), "west: no connection: refused");
    known(&east.whole.scopes.first().unwrap().cpu_seconds);
    assert_eq!(
        why(&east.whole.scopes.first().unwrap().disk_read_bytes),
        "no reading covers this stretch"
    );
}

/// A site of processes on this machine, whose energy is 20 W by RAPL.
fn here(busy: f64, sites: Vec<PlannedSite>) -> Evidence {
    let rows = (0..=8).map(|n| SiteRow {
        at_us: us(n * 1_000),
        cpu_seconds: Some(f64::from(u32::try_from(n).unwrap()) * busy),
        cpus: Some(2.0),
        processes: Some(1),
        ..SiteRow::default()
    });
    let rows = SiteRows { process: "it".to_owned(), ..fact("here", rows.collect()) };
    let mut journal = told(sites, vec![rows]);
    for n in 0..=32 {
        let seconds = f64::from(u32::try_from(n).unwrap()) / 4.0;
        journal.say(Fact::Sampled(Box::new(Sample {
            at_us: us(n * 250),
            cpu_ratio: 0.25,
            memory_used_bytes: 2 << 30,
            processes: Vec::new(),
            energy: Some(joules(seconds * 20.0, EXACT, "rapl")),
            energy_blind: None,
        })));
    }
    fold(&journal.entries)
}

fn local(name: &str, role: Role, host: bool) -> PlannedSite {
    let processes = if host { Vec::new() } else { vec!["it".to_owned()] };
    PlannedSite { local: true, host, processes, ..planned(name, role) }
}

#[test]
fn processes_have_their_part_of_the_machines_energy_by_processor_time() {
    let evidence = here(0.5, vec![local("here", Role::Standby, false)]);
    let sites = evidence.sites.unwrap();
    let site = sites.each.first().unwrap();
    // A quarter of two processors' time, of 160 J.
    let whole = known(&site.whole.joules);
    assert!((whole.value - 40.0).abs() < 1e-6, "{whole:?}");
    assert_eq!(whole.basis, Basis::Modelled);
    assert_eq!(whole.method, "rapl, shared out by processor time");
    // The machine has a quarter of its processors busy, and 2 of 8 GiB in use.
    let room = site.headroom.as_ref().unwrap();
    assert!((known(&room.cpu).value - 0.75).abs() < 1e-6, "{room:?}");
    assert!((known(&room.memory).value - 0.75).abs() < 1e-6, "{room:?}");
}

#[test]
fn a_machine_is_not_counted_twice() {
    let twice = vec![local("all", Role::Primary, true), local("here", Role::Standby, false)];
    let sites = here(0.5, twice).sites.unwrap();
    assert!(why(&sites.peak_dual_watts).ends_with("it would count twice"));
    let whole = known(&sites.each.first().unwrap().whole.joules);
    assert!((whole.value - 160.0).abs() < 1e-6 && whole.basis == Basis::Measured, "{whole:?}");
}

#[test]
fn what_a_process_took_with_it_is_not_covered() {
    let mut rows = rows(&EAST, &BUSY, EXACT, "rapl");
    for it in &mut rows {
        it.processes = Some(2);
    }
    rows[3].unsure = 1;
    rows[3].processes = Some(1);
    let mut site = local("east", Role::Other, false);
    site.processes = vec!["db".to_owned()];
    let rows = SiteRows { process: "db".to_owned(), ..fact("east", rows) };
    let sites = sites(&told(vec![site], vec![rows]));
    let scope = sites.each.first().unwrap().whole.scopes.first().unwrap();
    assert!((known(&scope.cpu_seconds).covered_ratio - 7.0 / 8.0).abs() < 1e-9);
    assert_eq!(scope.processes, Some((1, 2)));
}
