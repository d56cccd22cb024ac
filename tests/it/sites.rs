//! Sites: what a drill tells of the places where a service runs is what others count there.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod elsewhere;

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use holdfast::{
    journal::{
        chain,
        entry::Fact,
        site::{SiteRow, SiteRows},
    },
    world::{clock::Clock as _, linux::clock::LinuxClock},
};
use serde_json::Value;

use crate::{
    beside::until,
    ground::{Done, Ground, ticks},
};

const TALK: &str = "title: x\nexercise: { type: tabletop }\n\
                    objectives: { rto: 1m, lost_writes: 0 }\n";

/// A drill that looks at sites, and changes nothing.
fn drill(sites: &str, phases: &[(&str, &str)]) -> String {
    let phases = phases
        .iter()
        .map(|(name, length)| format!("  - phase: {name}\n    steps: [{{ pause: {length} }}]\n"));
    format!("{TALK}sites:\n{sites}phases:\n{}", phases.collect::<String>())
}

struct Played {
    done: Done,
    report: Value,
    rows: BTreeMap<(String, String), Vec<SiteRow>>,
    facts: Vec<SiteRows>,
}

fn play(ground: &Ground, text: &str) -> Played {
    let file = ground.file("x.yaml", text).display().to_string();
    let done = ground.run(&["drill", "run", &file]);
    let journals = ground.journals();
    let (id, journal) = journals.last().unwrap_or_else(|| panic!("{done:?}"));
    let entries = chain::read(journal).unwrap().entries;
    let facts: Vec<SiteRows> = entries
        .into_iter()
        .filter_map(|it| if let Fact::Site(it) = it.fact { Some(*it) } else { None })
        .collect();
    let mut rows: BTreeMap<_, Vec<SiteRow>> = BTreeMap::new();
    for it in &facts {
        let key = (it.site.clone(), it.process.clone());
        rows.entry(key).or_default().extend(it.rows.clone());
    }
    let folder = ground.state().join("runs").join(id);
    let report = fs::read_to_string(folder.join("report.json")).unwrap();
    for (form, heading) in [
        ("report.txt", "Sites: energy"),
        ("report.md", "各站点能耗"),
        ("report.html", "各站点能耗"),
    ] {
        let text = fs::read_to_string(folder.join(form)).unwrap();
        assert!(text.contains(heading), "{form}");
    }
    Played { done, report: serde_json::from_str(&report).unwrap(), rows, facts }
}

/// A figure's value and bounds.
fn known(figure: &Value) -> [f64; 3] {
    let it = &figure["known"];
    let number = |name: &str| it[name].as_f64().unwrap_or_else(|| panic!("{name}: {figure}"));
    assert!(it["method"].as_str().is_some_and(|it| !it.is_empty()), "{figure}");
    assert!(it["basis"] == "measured" || it["basis"] == "modelled", "{figure}");
    assert!((0.0..=1.0).contains(&number("covered_ratio")), "{figure}");
    let [value, low, high] = ["value", "low", "high"].map(number);
    assert!(low <= value && value <= high, "{figure}");
    [value, low, high]
}

fn unavailable(figure: &Value) -> String {
    let why = figure["unavailable"]["why"].as_str();
    why.unwrap_or_else(|| panic!("{figure}")).to_owned()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}

/// A look of ours: when it began and when it was over, and processor time in seconds.
struct Look {
    from_us: u64,
    to_us: u64,
    seconds: f64,
}

/// Processor time of a process and of its children that it waited for.
fn used(pid: u32) -> Look {
    let from_us = LinuxClock.now_us();
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let to_us = LinuxClock.now_us();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = fields[11..15].iter().map(|it| it.parse::<f64>().unwrap()).sum::<f64>();
    Look { from_us, to_us, seconds: ticks / 100.0 }
}

/// Reads a process's time again and again while something is done.
fn watched<T>(pid: u32, what: impl FnOnce() -> T) -> (T, Vec<Look>) {
    let stop = Arc::new(AtomicBool::new(false));
    let looks = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut all = vec![used(pid)];
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
                all.push(used(pid));
            }
            all
        }
    });
    let done = what();
    stop.store(true, Ordering::Relaxed);
    (done, looks.join().unwrap())
}

/// What the rows gained lies between what we read around their instants, to so many seconds. A row
/// is read after its instant: as soon as whoever reads it gets a processor, which here takes as
/// long as between two looks of ours.
fn assert_agrees(rows: &[SiteRow], looks: &[Look], slack: f64) {
    let pairs = looks.iter().zip(&looks[1..]);
    let late_us = pairs.map(|(a, b)| b.to_us - a.from_us).max().unwrap();
    let at = |us: u64| {
        let before = looks.partition_point(|it| it.to_us <= us).saturating_sub(1);
        let after = looks.partition_point(|it| it.from_us < us + late_us).min(looks.len() - 1);
        (looks[before].seconds, looks[after].seconds)
    };
    let first = &rows[0];
    for row in rows {
        let gained = row.cpu_seconds.unwrap() - first.cpu_seconds.unwrap();
        let (from, to) = (at(first.at_us), at(row.at_us));
        let (least, most) = (to.0 - from.1 - slack, to.1 - from.0 + slack);
        assert!(least <= gained && gained <= most, "{gained}: {least} to {most}");
    }
}

#[test]
fn what_children_used_that_came_and_went_between_two_readings_is_counted() {
    let mut ground = Ground::new(0);
    let tag = format!("{}-parent", ground.tag());
    let child = "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done";
    let parent = format!("while :; do sh -c '{child}' {tag}; done");
    let pid = ground.victim("sh", &["-c", &parent, &tag]);
    let sites =
        format!("  - {{ name: a, role: other, processes: {{ all: {{ cmdline: {tag} }} }} }}\n");
    let text = drill(&sites, &[("baseline", "5s")]);
    let (played, looks) = watched(pid, || play(&ground, &text));
    let rows = &played.rows[&("a".to_owned(), "all".to_owned())];
    // What a child uses is its parent's when it has ended: at most one is under way.
    assert_agrees(rows, &looks, 0.25);
    assert_eq!(rows.iter().map(|it| it.unsure).sum::<u32>(), 0, "{rows:?}");
    let whole = &played.report["sites"]["each"][0]["whole"]["scopes"][0];
    let [seconds, ..] = known(&whole["cpu_seconds"]);
    let own = f64::from(u32::try_from(ticks(pid)).unwrap()) / 100.0;
    assert!(seconds > 3.0 * own, "the children did nearly all of it: {seconds}, {own}");
    assert!(whole["cpu_seconds"]["known"]["covered_ratio"].as_f64().unwrap() > 0.9);
}

#[test]
fn a_busy_process_has_the_processor_time_that_we_read_ourselves() {
    let mut ground = Ground::new(1);
    let tag = format!("{}-busy", ground.tag());
    let busy = ground.victim("sh", &["-c", "while :; do :; done", &tag]);
    let sites = "  - { name: north, role: primary, processes: { spinner: { cmdline: TAG-busy } } }\n  \
                 - { name: south, role: standby, processes: { sleeper: { cmdline: sleep TAG } } }\n";
    let sites = sites.replace("TAG-busy", &tag);
    let text = drill(&sites, &[("baseline", "6s"), ("promote", "1s"), ("verify", "2s")]);
    let (played, looks) = watched(busy, || play(&ground, &text));
    assert_eq!(played.done.code, Some(0), "{:?}", played.done);
    let rows = &played.rows[&("north".to_owned(), "spinner".to_owned())];
    assert!(rows.len() >= 7 && rows.iter().all(|it| it.processes == Some(1)), "{rows:?}");
    // Two ticks of the clock, which is all that may be told apart.
    assert_agrees(rows, &looks, 0.021);
    let each = &played.report["sites"]["each"];
    let whole = &each[0]["whole"]["scopes"][0];
    let [seconds, ..] = known(&whole["cpu_seconds"]);
    let gained = rows.last().unwrap().cpu_seconds.unwrap() - rows[0].cpu_seconds.unwrap();
    assert!(seconds > 0.3 && near(seconds, gained), "{seconds}, {gained}");
    known(&whole["memory_bytes"]);
    known(&whole["disk_written_bytes"]);
    assert_eq!(
        unavailable(&whole["network_received_bytes"]),
        "the kernel counts no network bytes by process"
    );
    let [idle, ..] = known(&each[1]["whole"]["scopes"][0]["cpu_seconds"]);
    assert!(idle < 0.1, "{idle}");
    // A part of a machine's energy is a model's, whatever counted the whole.
    let energy = &each[0]["whole"]["joules"];
    let [north, ..] = known(energy);
    let [south, ..] = known(&each[1]["whole"]["joules"]);
    assert!(north > 10.0 * south, "{north}, {south}");
    assert_eq!(energy["known"]["basis"], "modelled");
    // It slept before as after: that cannot be told apart, and is said.
    assert_eq!(each[1]["indistinguishable"], true, "{}", each[1]["incremental_kwh"]);
    known(&each[1]["idle_year_kwh"]);
    let room = &each[1]["headroom"];
    let [cpu, ..] = known(&room["cpu"]);
    let [least, ..] = known(&room["cpu_least"]);
    assert!((0.0..1.0).contains(&cpu) && least <= cpu + 1e-9, "{room}");
    known(&room["memory"]);
    known(&played.report["sites"]["peak_dual_watts"]);
    assert_eq!(unavailable(&each[0]["grams"]), "no grid's intensity is named");
}

#[test]
fn what_a_run_uses_on_top_of_its_baseline_is_told_from_nothing() {
    let mut ground = Ground::new(0);
    let (tag, go) = (format!("{}-late", ground.tag()), ground.path().join("go"));
    let waits = format!("while ! [ -e {} ]; do sleep 0.1; done; while :; do :; done", go.display());
    ground.victim("sh", &["-c", &waits, &tag]);
    let sites =
        format!("  - {{ name: a, role: standby, processes: {{ late: {{ cmdline: {tag} }} }} }}\n");
    let text = drill(&sites, &[("baseline", "6s"), ("verify", "4s")]);
    let ended = |it: &Fact| matches!(it, Fact::PhaseEnded { phase } if phase == "baseline");
    let played = std::thread::scope(|threads| {
        threads.spawn(|| {
            until("the baseline's end", || ground.has(ended).then_some(()));
            fs::write(&go, "").unwrap();
        });
        play(&ground, &text)
    });
    assert_eq!(played.done.code, Some(0), "{:?}", played.done);
    let it = &played.report["sites"]["each"][0];
    let [value, low, _] = known(&it["incremental_kwh"]);
    assert!(low > 0.0, "{it}");
    assert_eq!(it["indistinguishable"], false);
    // Nearly all of it came on top: the baseline only looked for a file.
    let [joules, ..] = known(&it["whole"]["joules"]);
    assert!(value * 3.6e6 > joules / 2.0 && value * 3.6e6 <= joules, "{it}");
}

#[test]
fn a_process_that_is_replaced_is_followed_and_what_its_end_hid_is_not_covered() {
    let mut ground = Ground::new(0);
    let short =
        ["-c", "i=0; while [ $i -lt 3 ]; do sh -c 'sleep 2.2; :' GROUPTAG; i=$((i+1)); done"];
    let tag = format!("{}-group", ground.tag());
    let short = short.map(|it| it.replace("GROUPTAG", &tag));
    ground.victim("sh", &[&short[0], &short[1]]);
    let sites = format!(
        "  - {{ name: a, role: other, processes: {{ it: {{ cmdline: 'sleep 2.2; : {tag}' }}, none: {{ name: no-such-one }} }} }}\n"
    );
    let played = play(&ground, &drill(&sites, &[("baseline", "6s")]));
    let rows = &played.rows[&("a".to_owned(), "it".to_owned())];
    let gone: u32 = rows.iter().map(|it| it.unsure).sum();
    assert!(gone >= 1, "{rows:?}");
    let scopes = &played.report["sites"]["each"][0]["whole"]["scopes"];
    let covered = scopes[0]["cpu_seconds"]["known"]["covered_ratio"].as_f64().unwrap();
    assert!(covered < 0.9, "{scopes}");
    assert_eq!(unavailable(&scopes[1]["cpu_seconds"]), "no process ever fitted");
}

#[test]
fn wrong_sites_are_each_told_with_a_way_out() {
    let ground = Ground::new(0);
    let sites = "  - { name: a, role: primary }\n  \
                 - { name: a, role: standby, host: true, prometheus: { url: 'http://x', \
                 instance: y } }\n  \
                 - { name: b, role: standby, host: true, grid: { \
                 grams_per_kwh: 9000, source: '' } }\n  \
                 - { name: c, role: other, prometheus: { url: 'http://x' }, \
                 pue: { factor: 0.5, source: x } }\n  \
                 - { name: d, role: spare, hosts: true }\n";
    let file = ground.file("x.yaml", &drill(sites, &[("baseline", "1s")])).display().to_string();
    let done = ground.run(&["check", &file]);
    assert_eq!(done.code, Some(2), "{done:?}");
    for it in [
        "nothing is read of this site",
        "two sites are called “a”",
        "either on this machine or known to a Prometheus",
        "two sites cannot both be this machine",
        "no intensity of a grid",
        "without its source",
        "every host that this Prometheus knows would be added up",
        "0.5 is no PUE",
        "hosts",
        "spare",
    ] {
        assert!(done.err.contains(it), "{it}: {}", done.err);
    }
}
