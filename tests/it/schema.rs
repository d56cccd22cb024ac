//! The schemas for editors: what is shipped fits them, what is wrong does not.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod checker;

use std::path::PathBuf;

use holdfast::{
    journal::{entry::Family, index::RunKind},
    manifest::{node::Doc, read::read, source::Source},
    registry,
    script::schema,
};
use serde_json::Value;

use crate::stage::{Stage, text};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a file says, as an editor sees it: its variables are not filled in.
fn value(name: &str, text: &str) -> Value {
    let (source, mut out) = (Source::new(name, text), Vec::new());
    let doc = Doc::parse(&source, &mut out).unwrap_or_else(|| panic!("{name}: {out:?}"));
    let value = read::<Value>(&doc, doc.root(), doc.place(doc.root()), &mut out);
    value.unwrap_or_else(|| panic!("{name}: {out:?}"))
}

fn of(kind: RunKind) -> Value {
    schema::schema(kind, &registry::kinds())
}

/// What the schema says against a file.
fn complaints(kind: RunKind, text: &str) -> Vec<String> {
    checker::complaints(&of(kind), &value("file.yaml", text))
}

fn shipped(folder: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(root().join(folder)).unwrap().flatten().map(|it| it.path());
    all.filter(|it| it.extension().is_some_and(|it| it == "yaml")).collect()
}

#[test]
fn every_shipped_scenario_and_drill_fits() {
    let folders =
        [("chaos-scenarios", RunKind::Scenario), ("chaos-scenarios/drills", RunKind::Drill)];
    for (folder, kind) in folders {
        let files = shipped(folder);
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(complaints(kind, &text), Vec::<String>::new(), "{}", file.display());
        }
    }
}

fn indented(text: &str, by: usize) -> String {
    let lines: Vec<_> = text.lines().map(|it| format!("{}{it}", " ".repeat(by))).collect();
    lines.join("\n") + "\n"
}

const HEAD: &str = "title: t\nmethod:\n  - cpu_burn: { percent: 50, cores: 1 }\n    for: 1s\n";

const DRILL: &str = "title: t\nobjectives: { rto: 1s, lost_writes: 0 }\nwitness:\n  \
    write: { url: 'http://x/', body: '{id}' }\n  read: { url: 'http://x/{id}', contains: x }\n\
    phases:\n  - phase: p\n    steps:\n      - witness: start\n";

#[test]
fn the_example_of_every_kind_fits() {
    for it in registry::actions() {
        let (name, example) = (it.about.name, it.about.example);
        let (kind, file) = match it.family {
            Family::Fault => {
                let entry = indented(example, 6);
                let file = format!("title: t\nmethod:\n  - {name}:\n{entry}    for: 1s\n");
                (RunKind::Scenario, file)
            }
            Family::Step => {
                (RunKind::Drill, format!("{DRILL}      - {name}:\n{}", indented(example, 10)))
            }
        };
        assert_eq!(complaints(kind, &file), Vec::<String>::new(), "{file}");
    }
    for it in registry::ledgers() {
        let entry = indented(it.about.example, 4);
        let (_, rest) = DRILL.split_once("phases:").unwrap();
        let name = it.about.name;
        let head = "title: t\nobjectives: { rto: 1s, lost_writes: 0 }\nwitness:\n";
        let file = format!("{head}  {name}:\n{entry}phases:{rest}");
        assert_eq!(complaints(RunKind::Drill, &file), Vec::<String>::new(), "{file}");
    }
    for it in registry::probes() {
        let (name, reading) = (it.about.name, it.readings[0]);
        let entry = indented(it.about.example, 6);
        let file = format!(
            "{HEAD}hypothesis:\n  - {name}:\n{entry}    name: n\n    expect: {{ {reading}: 1 }}\n"
        );
        assert_eq!(complaints(RunKind::Scenario, &file), Vec::<String>::new(), "{file}");
    }
}

/// Wrong scenarios: what is wrong, and what is written after [`HEAD`].
const WRONG: &[(&str, &str)] = &[
    ("an unknown key", "titel: t\n"),
    ("a length without a unit", "max: 10\n"),
    ("a length of zero", "max: 0s\n"),
    ("a probe that is none", "hypothesis:\n  - htpp: {}\n    name: n\n    expect: { status: 1 }\n"),
    (
        "two probes in one",
        "hypothesis:\n  - http: { url: x }\n    tcp: { address: 'x:1' }\n    name: n\n    \
         expect: { status: 1 }\n",
    ),
    ("no expectation", "hypothesis:\n  - http: { url: x }\n    name: n\n"),
    (
        "a reading that the probe does not tell",
        "hypothesis:\n  - http: { url: x }\n    name: n\n    expect: { statsu: 1 }\n",
    ),
    (
        "an empty list of what is allowed",
        "hypothesis:\n  - http: { url: x }\n    name: n\n    expect: { status: [] }\n",
    ),
    (
        "a mode that is none",
        "hypothesis:\n  - http: { url: x }\n    name: n\n    expect: { status: 1 }\n    \
         mode: sometimes\n",
    ),
    ("a day that is none", "window: { days: [someday], from: '1:00', to: '2:00', zone: UTC }\n"),
    ("a window without a zone", "window: { from: '1:00', to: '2:00' }\n"),
    ("a load without a rate", "load: [{ name: n, url: x }]\n"),
    ("a profile that is none", "load: [{ name: n, url: x, rate: 5, profile: { leap: {} } }]\n"),
    ("a secret that is written here", "secrets: { token: hunter2 }\n"),
    ("a secret from nowhere", "secrets: { token: { vault: x } }\n"),
    ("a variable from nowhere", "vars: { n: { default: '3' } }\n"),
    ("a port that is none", "deny: { ports: [ssh] }\n"),
];

#[test]
fn what_is_wrong_does_not_fit() {
    assert_eq!(complaints(RunKind::Scenario, HEAD), Vec::<String>::new());
    for (what, more) in WRONG {
        assert_ne!(complaints(RunKind::Scenario, &format!("{HEAD}{more}")), [""; 0], "{what}");
    }
    let method =
        |entry: &str| complaints(RunKind::Scenario, &format!("title: t\nmethod:\n  - {entry}\n"));
    let kill = "process_kill: { target: { name: x } }, for: 1s";
    assert_eq!(method(&format!("{{ {kill} }}")), Vec::<String>::new());
    for wrong in [
        "{ cpu_burn: { percent: 50, cores: 1 } }",
        "{ cpu_burn: { percent: 50, cores: 1 }, for: 1s, on_vanish: keep }",
        "{ cpu_burn: { percent: many, cores: 1 }, for: 1s }",
        "{ cpu_burn: { percents: 50, cores: 1 }, for: 1s }",
        "{ process_kill: { target: { nmae: x } }, for: 1s }",
        "{ process_kill: { target: { port: http } }, for: 1s }",
        "{ process_kill: { target: {} }, for: 1s }",
        "{ for: 1s }",
        "{ pause: 1s, for: 1s }",
        "{ parallel: [] }",
        "{ command: { run: [x] }, for: 1s }",
        "a word",
    ] {
        assert_ne!(method(wrong), [""; 0], "{wrong}");
    }
    assert_eq!(complaints(RunKind::Drill, DRILL), Vec::<String>::new());
    for wrong in [
        "      - witness: end\n",
        "      - declare: { delay: 1s }\n",
        "      - wait_for: { http: { url: x }, expect: { status: 200 } }\n",
        "      - pause: 1s\n        for: 1s\n",
        "hypotheses: []\n",
    ] {
        assert_ne!(complaints(RunKind::Drill, &format!("{DRILL}{wrong}")), [""; 0], "{wrong}");
    }
    assert_ne!(complaints(RunKind::Drill, HEAD), [""; 0], "a scenario is no drill");
}

#[test]
fn a_variable_may_stand_for_any_value_and_texts_need_no_quotes() {
    let file = "title: 7\nmax: ${length}\nvars: { length: 5s, n: 3, m: { env: M } }\nsecrets: { t: { env: T }, f: { file: /f } }\nhypothesis:\n  \
        - http: { url: x, headers: { X-Count: 5 } }\n    name: true\n    mode: ${mode}\n    \
        expect: { status: '${n}', latency_ms: { max: '${n}' } }\n    \
        threshold: { failures: '${n}', of: 5 }\nmethod:\n  \
        - cpu_burn: { percent: '${n}', cores: 1 }\n    for: ${length}\n";
    assert_eq!(complaints(RunKind::Scenario, file), Vec::<String>::new());
}

#[test]
fn the_program_prints_them() {
    let stage = Stage::empty();
    for (word, kind) in [("scenario", RunKind::Scenario), ("drill", RunKind::Drill)] {
        let output = stage.run(&["schema", word]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed, of(kind), "{word}");
        assert_eq!(printed["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
    assert_eq!(stage.run(&["schema", "poem"]).status.code(), Some(2));
}
