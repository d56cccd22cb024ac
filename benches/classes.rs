//! How long it takes to class a million records of a witness, and how much memory.
//!
//! `cargo bench --bench classes`
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench is outside the wall, and prints"
)]

use holdfast::{
    evidence::{
        rpo::{self, Ledger},
        rto::Attempt,
        scale::Window,
    },
    journal::entry::{Found, Outcome},
};

const RECORDS: u32 = 1_000_000;

fn main() {
    let attempt = |n: u32| Attempt {
        seq: u64::from(n),
        sent_us: i64::from(n) * 1_000,
        took_us: 900,
        outcome: if n.is_multiple_of(97) { Outcome::Unknown } else { Outcome::Acked },
        found: Some(if n.is_multiple_of(1_009) { Found::Absent } else { Found::Same }),
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
    let begun = std::time::Instant::now();
    let rpo = rpo::judge(ledger, 0);
    let took = begun.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!(
        "{RECORDS} records classed in {:.0} ms, {} lost; the process took {peak} at most",
        took.as_secs_f64() * 1e3,
        rpo.classes.lost
    );
}
