//! How long it takes to class a million records of a witness, and how much memory: the classes
//! alone, and the whole evidence from a journal in memory.
//!
//! `cargo bench --bench classes`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench is outside the wall, and prints"
)]

use std::time::Instant;

use holdfast::{
    evidence::{
        fold::fold,
        rpo::{self, Ledger},
        rto::Attempt,
        scale::Window,
    },
    journal::{
        began::Began,
        chain,
        entry::{
            Entry, Fact, Family, Found, Intent, OnVanish, Outcome, ReadBack, UndoClass, Write,
        },
    },
};

const RECORDS: u32 = 1_000_000;
/// So many rows stand in one line of a journal.
const ROWS: usize = 5_000;

fn main() {
    classes();
    evidence();
}

fn outcome(n: u32) -> Outcome {
    if n.is_multiple_of(97) { Outcome::Unknown } else { Outcome::Acked }
}

fn found(n: u32) -> Found {
    if n.is_multiple_of(1_009) { Found::Absent } else { Found::Same }
}

fn classes() {
    let attempt = |n: u32| Attempt {
        seq: u64::from(n),
        sent_us: i64::from(n) * 1_000,
        took_us: 900,
        outcome: outcome(n),
        found: Some(found(n)),
        copies: 1,
        elsewhere: None,
    };
    let attempts: Vec<Attempt> = (0..RECORDS).map(attempt).collect();
    let from_us = i64::from(RECORDS) * 500;
    let ledger = Ledger {
        attempts: &attempts,
        strangers: 0,
        read: true,
        fault: Some(Window { from_us, to_us: from_us + 1_000 }),
        restarts: &[],
        lag: None,
        back_us: Some(from_us + 1_000_000),
        barred_us: None,
    };
    let begun = Instant::now();
    let rpo = rpo::judge(ledger, 0);
    told("records classed", begun, rpo.classes.lost);
}

fn evidence() {
    let entries = entries();
    let begun = Instant::now();
    let evidence = fold(&entries);
    let drill = evidence.drill.expect("a drill");
    assert_eq!(drill.attempts.len(), entries_rows(&entries));
    told("records of a journal folded into evidence", begun, drill.rpo.classes.lost);
}

fn told(what: &str, begun: Instant, lost: u64) {
    let took = begun.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!(
        "{RECORDS} {what} in {:.0} ms, {lost} lost; the process took {peak} at most",
        took.as_secs_f64() * 1e3
    );
}

fn entries_rows(entries: &[Entry]) -> usize {
    let rows =
        entries.iter().map(|it| if let Fact::Writes { rows } = &it.fact { rows.len() } else { 0 });
    rows.sum()
}

/// The least that a drill begins with.
fn began() -> Began {
    let began = serde_json::json!({
        "run": "bench", "kind": "drill", "title": "bench", "file": "bench.yaml", "manifest": "",
        "seed": 1, "program": "bench", "operator": "bench", "plan": [],
        "host": { "hostname": "bench", "os": "", "kernel": "", "cpus": 1, "cpu_model": "",
            "memory_bytes": 1 },
        "objectives": { "rto_us": 1, "lost_writes_max": 0 },
        "witness": { "target": "bench", "every_us": 1_000, "deadline_us": 1, "good_in_a_row": 5 },
    });
    serde_json::from_value(began).expect("it is one")
}

/// A journal with a fault in its middle, and every record written and looked for.
fn entries() -> Vec<Entry> {
    let middle = u64::from(RECORDS) * 500;
    let intent = Intent {
        act: 1,
        kind: "process_kill".to_owned(),
        family: Family::Fault,
        name: "kill it".to_owned(),
        will: "kill it".to_owned(),
        undo: serde_json::json!({}),
        by_hand: Vec::new(),
        class: UndoClass::OneShot,
        on_vanish: OnVanish::Heal,
        due_us: None,
        traces: None,
    };
    let write = |n: u32| Write(u64::from(n), u64::from(n) * 1_000, 900, outcome(n));
    let read = |n: u32| ReadBack(u64::from(n), found(n), 1);
    let numbers: Vec<u32> = (0..RECORDS).collect();
    let writes = numbers
        .chunks(ROWS)
        .map(|it| Fact::Writes { rows: it.iter().copied().map(write).collect() });
    let reads = numbers.chunks(ROWS).map(|it| Fact::Reads {
        side: String::new(),
        rows: it.iter().copied().map(read).collect(),
    });
    let facts = [
        Fact::Began(Box::new(began())),
        Fact::Intent(Box::new(intent)),
        Fact::Applied { act: 1, from_us: middle, to_us: middle + 1_000 },
    ];
    let facts = facts.into_iter().chain(writes).chain(reads);
    let entry = |(n, fact): (u64, Fact)| Entry {
        v: holdfast::journal::entry::VERSION,
        n,
        epoch: 1,
        at_us: if n == 0 { 0 } else { u64::from(RECORDS) * 1_000 },
        prev: chain::GENESIS.to_owned(),
        fact,
    };
    (0..).zip(facts).map(entry).collect()
}
