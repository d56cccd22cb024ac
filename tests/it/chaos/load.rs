//! Load is sent on time, counted from when it was planned, and judged.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
    time::Duration,
};

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
        ("{ name: a, url: 'http://x/', rate: 5, phase: load }", "has no phase to begin with"),
        (
            "{ name: a, url: 'http://x/', rate: 5, during: method, afterwards: { good_ratio: 1 } }",
            "over before there is anything to show",
        ),
        ("{ name: a, url: 'http://x/', rate: 5, afterwards: { god_ratio: 1 } }", "good_ratio"),
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

/// A service that fails while a file is there.
fn fails_while(path: std::path::PathBuf) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = move |mut stream: std::net::TcpStream| -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let status = if path.exists() { "503 Unavailable" } else { "200 OK" };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    thread::spawn(move || {
        // A client that went away is no reason to stop.
        listener.incoming().flatten().for_each(|it| answer(it).unwrap_or_default());
    });
    address
}

/// Plays a load that must be well again afterwards over a fault that is put back so.
fn broken_and(undo: &str) -> (Ground, Done) {
    let ground = Ground::new(0);
    let address = fails_while(ground.path().join("broken"));
    let text = format!(
        "title: x\nbaseline: 500ms\nsettle: 2s\nload:\n  - name: customers\n    \
         url: http://{address}/\n    rate: 40\n    expect: {{ error_ratio: {{ min: 0.9 }} }}\n    \
         afterwards: {{ error_ratio: 0, p99_ms: {{ max: 30000 }} }}\nmethod:\n  \
         - exec: {{ run: [touch, GROUND/broken], undo: {undo} }}\n    for: 2s\n"
    );
    let path = ground.file("load.yaml", &text).display().to_string();
    let done = ground.run(&["chaos", "run", &path]);
    (ground, done)
}

#[test]
fn a_load_that_is_well_again_afterwards_passes_over_both_stretches() {
    let (ground, done) = broken_and("[rm, -f, GROUND/broken]");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.err.contains("PASS customers (during): error_ratio is "), "{done:?}");
    assert!(done.err.contains("PASS customers (after): error_ratio is 0, p99_ms is "), "{done:?}");
    // Not what was sent while the fault stood, and no more than a second of what came after.
    let of = done.err.split("PASS customers (after): ").nth(1).expect("it was judged");
    let of = of.split(", of ").nth(1).and_then(|it| it.split(' ').next()).expect("a count");
    assert!((30..=60).contains(&of.parse::<u32>().expect("a number")), "{of}");
    let page = ground.run(&["report", "--format", "html", &ground.journal().0]).out;
    assert!(page.contains("How many requests were planned, and what became of them"), "no chart");
    for class in ["bar", "bad", "fault"] {
        assert!(page.contains(&format!("<rect class=\"{class}\"")), "{class}");
    }
    ground.assert_settled("well again");
}

#[test]
fn a_load_that_stays_broken_afterwards_fails() {
    let (_ground, done) = broken_and("['true']");
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.err.contains("PASS customers (during)"), "{done:?}");
    assert!(done.err.contains("FAIL customers (after): error_ratio is 1, not 0"), "{done:?}");
}

#[test]
fn a_load_of_a_drill_begins_with_its_phase() {
    let (ground, echo) = (Ground::new(0), Echo::start());
    let text = format!(
        "title: x\nexercise: {{ type: tabletop }}\nobjectives: {{ rto: 1m, lost_writes: 0 }}\n\
         load:\n  - name: customers\n    url: http://{}/\n    rate: 40\n    phase: second\n    \
         expect: {{ good_ratio: 1 }}\n    afterwards: {{ good_ratio: 1 }}\n\
         phases:\n  - phase: first\n    steps:\n      - pause: 1s\n  - phase: second\n    \
         steps:\n      - pause: 1s\n",
        echo.address
    );
    let path = ground.file("drill.yaml", &text).display().to_string();
    let done = ground.run(&["drill", "run", &path]);
    let (_, lines) = ground.journal();
    let began = lines.entries.iter().find_map(|it| match &it.fact {
        Fact::PhaseBegan { phase } if phase == "second" => Some(it.at_us),
        _ => None,
    });
    let rows = rows(&ground);
    let first = rows.iter().map(|it| it.0).min().expect("it was sent");
    let began = began.expect("the phase began");
    // It hears of the phase as the phase is written down.
    assert!(first + 500_000 >= began && first <= began + 2_000_000, "{first} {began}: {done:?}");
    assert!(Sum::of(&rows).sent >= 40, "{done:?}");
    assert!(done.err.contains("PASS customers (after): good_ratio is 1"), "{done:?}");
    // No fault stood, so nothing can be said of that.
    assert!(
        done.err.contains("customers (during): nothing was sent over this stretch"),
        "{done:?}"
    );
    for (phase, why) in [("secund", "`second`"), ("third", "`first`")] {
        let text =
            text.replace("phase: second\n    expect", &format!("phase: {phase}\n    expect"));
        let done = ground.run(&["check", &ground.file("x.yaml", &text).display().to_string()]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains(phase) && done.err.contains(why), "{done:?}");
    }
}
