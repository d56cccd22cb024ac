//! The processes that use most, by name.

use std::{collections::BTreeMap, fs, path::Path};

use holdfast::{
    collector::{Collector as _, Samples},
    collectors::top::{PROCESSES_MAX, TOP, Top},
    world::roots::{Roots, page_size},
};
use tempfile::TempDir;

fn process(machine: &Path, number: u32, (name, started): (&str, u32), ticks: u32, pages: u32) {
    let folder = machine.join("proc").join(number.to_string());
    fs::create_dir_all(&folder).unwrap();
    let said = format!(
        "{number} ({name}) S 1 7 7 0 -1 4 9 0 0 0 {ticks} 0 0 0 20 0 3 0 {started} 1000 {pages} 1\n"
    );
    fs::write(folder.join("stat"), said).unwrap();
}

fn look(top: &mut Top, machine: &TempDir) -> BTreeMap<String, BTreeMap<String, f64>> {
    let path = |inside: &str| machine.path().join(inside);
    let roots = Roots::new(path("proc"), path("sys"), path("root"));
    let mut samples = Samples::default();
    top.collect(&roots, &mut samples).unwrap();
    let rows = |family: holdfast::collector::FamilyView<'_>| {
        let name = |row: &holdfast::collector::RowView<'_>| {
            row.labels().map(|it| it.1.to_owned()).collect::<String>()
        };
        family.rows().map(|row| (name(&row), row.value())).collect()
    };
    samples.families().map(|it| (it.name().to_owned(), rows(it))).collect()
}

const CPU: &str = "holdfast_top_cpu_seconds_total";
const MEMORY: &str = "holdfast_top_memory_bytes";

#[test]
fn processes_of_one_name_are_one_and_their_time_never_falls() {
    let machine = tempfile::tempdir().unwrap();
    let mut top = Top::new(TOP);
    process(machine.path(), 10, ("postgres", 1), 1000, 100);
    process(machine.path(), 11, ("postgres", 2), 500, 50);
    process(machine.path(), 12, ("cron", 3), 9000, 1);
    let page = look(&mut top, &machine);
    assert!(!page.contains_key(CPU), "what was used before the first look is not known");
    let memory = f64::from(u32::try_from(150 * page_size()).unwrap());
    assert!((page[MEMORY]["postgres"] - memory).abs() < 1e-9);
    process(machine.path(), 10, ("postgres", 1), 1200, 100);
    process(machine.path(), 11, ("postgres", 2), 600, 50);
    assert_eq!(look(&mut top, &machine)[CPU], [("postgres".to_owned(), 3.0)].into());
    // One ends, and another gets its number.
    fs::remove_dir_all(machine.path().join("proc/11")).unwrap();
    assert_eq!(look(&mut top, &machine)[CPU]["postgres"].to_bits(), 3.0_f64.to_bits());
    fs::remove_dir_all(machine.path().join("proc/10")).unwrap();
    process(machine.path(), 10, ("postgres", 77), 50, 10);
    assert!(look(&mut top, &machine)[CPU]["postgres"] >= 3.0);
}

#[test]
fn however_many_processes_there_are_few_are_shown_and_the_rest_is_counted() {
    let machine = tempfile::tempdir().unwrap();
    let more = 50;
    for number in 1..=u32::try_from(PROCESSES_MAX).unwrap() + more {
        process(machine.path(), number, (&format!("p{number}"), 1), 0, number);
    }
    let mut top = Top::new(TOP);
    let page = look(&mut top, &machine);
    assert_eq!(page[MEMORY].len(), TOP);
    assert!(page["holdfast_top_names"][""] <= 1024.0);
    assert!(page["holdfast_top_overflowed_total"][""] >= f64::from(more));
}

#[test]
fn this_machines_processes_are_seen() {
    let mut samples = Samples::default();
    Top::new(TOP).collect(&Roots::default(), &mut samples).unwrap();
    let memory = samples.families().find(|it| it.name() == MEMORY).unwrap();
    assert!((1..=TOP).contains(&memory.rows().count()));
}
