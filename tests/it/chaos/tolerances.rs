//! Patterns, places in JSON and percentiles, from the file to the journal.

use std::fmt::Write as _;

use holdfast::journal::entry::Fact;

use crate::ground::{Done, Ground};

/// Plays a scenario with one hypothesis over what `echo` prints.
fn echo(ground: &Ground, says: &str, expect: &str) -> Done {
    let mut text = String::from("title: x\nbaseline: 50ms\nsettle: 1s\nhypothesis:\n  - name: h\n");
    writeln!(text, "    command: {{ run: [echo, '{says}'] }}\n    expect: {expect}").expect("text");
    text += "    every: 20ms\n";
    text += "method:\n  - process_pause: { target: { cmdline: 'sleep TAG' } }\n    for: 50ms\n";
    let path = ground.file("x.yaml", &text).display().to_string();
    ground.run(&["chaos", "run", &path])
}

const JSON: &str = r#"{"accounts": [{"state": "open", "balance": 12.5, "locked": false}]}"#;

#[test]
fn an_answer_is_held_against_patterns_and_places_in_json() {
    let holds = [
        ("stdout", "{ regex: '^\\{.*open' }"),
        ("stdout", "{ json: /accounts/0/state, is: open }"),
        ("stdout", "{ json: /accounts/0/balance, is: { min: 12, max: 13 } }"),
        ("stdout", "{ json: /accounts/0, is: { contains: locked } }"),
        ("stdout", "{ json: /accounts/0/locked, is: false }"),
    ];
    for (name, bound) in holds {
        let ground = Ground::new(1);
        let done = echo(&ground, JSON, &format!("{{ {name}: {bound} }}"));
        assert_eq!(done.code, Some(0), "{bound}: {done:?}");
    }
    let fails = [
        ("{ regex: closed }", "not a text that matches `closed`"),
        ("{ json: /accounts/0/state, is: closed }", "stdout is `open` at `/accounts/0/state`"),
        ("{ json: /accounts/1/state, is: open }", "has nothing at `/accounts/1/state`"),
    ];
    for (bound, why) in fails {
        let ground = Ground::new(1);
        let done = echo(&ground, JSON, &format!("{{ stdout: {bound} }}"));
        assert_eq!(done.code, Some(3), "{bound}: {done:?}");
        assert!(done.err.contains(why), "{bound}: {done:?}");
    }
    let ground = Ground::new(1);
    let done = echo(&ground, "open", "{ stdout: { json: /state, is: open } }");
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("stdout is `open`, which is not JSON"), "{done:?}");
}

#[test]
fn a_percentile_is_judged_over_all_looks_of_a_stretch_and_its_numbers_are_in_the_journal() {
    let ground = Ground::new(1);
    let done = echo(&ground, "5", "{ number: { p: 99, max: 5 } }");
    assert_eq!(done.code, Some(0), "{done:?}");
    let told = ground.has(|it| match it {
        Fact::Judged { why, .. } => why.contains("p99 of number was 5"),
        _ => false,
    });
    assert!(told, "{done:?}");
    let kept = ground.has(|it| match it {
        Fact::Looks { rows, .. } => rows.iter().all(|it| it.4 == [Some(5.0)]),
        _ => false,
    });
    assert!(kept, "each look keeps its number");

    let ground = Ground::new(1);
    let done = echo(&ground, "5", "{ number: { p: 50, max: 4 } }");
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(done.err.contains("p50 of number was 5 over"), "{done:?}");
    assert!(done.err.contains("not at most 4"), "{done:?}");
}
