//! Load is sent on time, counted from when it was planned, and judged.

use std::{net::TcpListener, thread, time::Duration};

use holdfast::journal::{
    entry::Fact,
    load::{LoadRow, Sum},
};

use super::web::Echo;
use crate::ground::{Done, Ground};

const METHOD: &str = "method:\n  - exec: { run: ['true'], undo: ['true'] }\n    for: 2s\n";

fn play(ground: &Ground, load: &str) -> Done {
    let text = format!("title: x\nbaseline: 500ms\nsettle: 1s\nload:\n{load}{METHOD}");
    let path = ground.file("load.yaml", &text).display().to_string();
    ground.run(&["chaos", "run", &path])
}

fn rows(ground: &Ground) -> Vec<LoadRow> {
    let lines = ground.journal().1;
    let of = |it: &Fact| match it {
        Fact::Loaded { rows, .. } => rows.clone(),
        _ => Vec::new(),
    };
    lines.entries.iter().flat_map(|it| of(&it.fact)).collect()
}

#[test]
fn a_load_leaves_on_time_and_is_counted_in_few_rows() {
    let (ground, echo) = (Ground::new(0), Echo::start());
    let load = format!(
        "  - name: customers\n    url: http://{}/pay\n    method: POST\n    \
         headers: {{ x-id: '{{id}}' }}\n    body: 'n {{seq}}'\n    rate: 40\n    \
         profile: {{ step: {{ to: 80, after: 1s }} }}\n    timeout: 30s\n    \
         expect: {{ good_ratio: {{ min: 0.99 }}, sent: {{ min: 40 }} }}\n",
        echo.address
    );
    let done = play(&ground, &load);
    assert_eq!(done.code, Some(0), "{done:?}");
    let rows = rows(&ground);
    let sum = Sum::of(&rows);
    assert!(rows.len() < 100, "{} rows", rows.len());
    let heard = echo.heard();
    for seq in [0, 1, 50] {
        assert!(heard.contains(&format!("n {seq}\n")), "{seq}");
        assert!(heard.contains(&format!("-customers-{seq}\r\n")), "{seq}");
    }
    // The schedule is fixed by the rate alone, however busy the machine is: a quarter of a second
    // holds 10 at first, and 20 after the step.
    let planned: Vec<u64> = rows.iter().map(|it| it.2 + it.6).collect();
    assert!(planned.iter().take(3).all(|it| (9..=11).contains(it)), "{planned:?}");
    assert!(planned[5..8].iter().all(|it| (19..=21).contains(it)), "{planned:?}");
    assert_eq!(sum.sent, sum.good + sum.late + sum.failed, "{sum:?}");
    for format in ["text", "markdown", "html", "json", "junit"] {
        let done = ground.run(&["report", "--format", format, &ground.journal().0]);
        assert!(done.out.contains("customers"), "{format}: {done:?}");
        assert!(format == "junit" || done.out.contains("while faults stood"), "{format}");
    }
    ground.assert_settled("load");
}

#[test]
fn what_a_hanging_service_keeps_waiting_is_counted_from_its_planned_instant() {
    let ground = Ground::new(0);
    // It takes connections, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || listener.incoming().flatten().for_each(std::mem::forget));
    let load = format!(
        "  - name: customers\n    url: http://{address}/\n    rate: 20\n    timeout: 300ms\n    \
         during: method\n    expect: {{ failed: 0 }}\n"
    );
    let done = play(&ground, &load);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.err.contains("failed is"), "{done:?}");
    let sum = Sum::of(&rows(&ground));
    assert!(sum.good == 0 && sum.failed >= 20, "{sum:?}");
    let half = Duration::from_micros(sum.within_us(500).expect("some ended"));
    assert!(half >= Duration::from_millis(300), "{half:?}");
}

#[test]
fn a_load_that_is_wrong_is_told_at_its_place() {
    let ground = Ground::new(0);
    for (bad, why) in [
        ("{ name: a, url: 'http://x/', rate: 0 }", "a load of nothing"),
        ("{ name: a, url: 'http://x/', rate: 5000 }", "more load than one run sends"),
        ("{ name: a, url: 'http://x/', rate: 5, profile: { rampe: {} } }", "none of"),
        ("{ name: a, url: 'http://x/', rate: 5, profile: { ramp: { to: 9 } } }", "`over`"),
        ("{ name: a, url: 'http://x/', rate: 5, expect: { p98_ms: 5 } }", "p99_ms"),
        ("{ name: a, url: 'http://x/' }", "`rate` is missing"),
    ] {
        let text = format!("title: x\nload:\n  - {bad}\n{METHOD}");
        let done = ground.run(&["check", &ground.file("x.yaml", &text).display().to_string()]);
        assert_eq!(done.code, Some(2), "{bad}: {done:?}");
        assert!(done.err.contains(why) && done.err.contains("x.yaml:3:"), "{bad}: {done:?}");
    }
    let twice = "  - { name: a, url: 'http://x/', rate: 5 }\n";
    let text = format!("title: x\nload:\n{twice}{twice}{METHOD}");
    let done = ground.run(&["check", &ground.file("x.yaml", &text).display().to_string()]);
    assert!(done.err.contains("a second load `a`"), "{done:?}");
}

#[test]
fn a_dry_run_tells_the_load_and_sends_nothing() {
    let (ground, echo) = (Ground::new(0), Echo::start());
    let text = format!(
        "title: x\nload:\n  - {{ name: flood, url: 'http://{}/', rate: 7 }}\n{METHOD}",
        echo.address
    );
    let path = ground.file("x.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", "--dry-run", &path]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("load flood: GET http://"), "{done:?}");
    assert!(done.out.contains("7 a second"), "{done:?}");
    assert_eq!(echo.heard(), "");
}
