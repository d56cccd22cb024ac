//! The pipelines of `docs/ci.md`: their shell lines do what the page says.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use holdfast::manifest::{node::Doc, read::read, source::Source};
use serde_json::Value;

use crate::{
    docs::blocks,
    stage::{PROGRAM, Stage, text},
};

const FILE: &str = "chaos-scenarios/kyc-frozen.yaml";

/// A scenario that nothing can keep to.
const FAILS: &str = "title: it fails\nbaseline: 10ms\nsettle: 1s\nhypothesis:\n  \
    - file: { path: /nowhere/at/all }\n    name: it is there\n    \
      mode: during_fault\n    every: 10ms\n    \
      expect: { exists: true }\nmethod:\n  \
    - cpu_burn: { percent: 50, cores: 1 }\n    for: 500ms\n";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The pipelines of the page, GitHub's and GitLab's.
fn pipelines() -> Vec<Value> {
    let page = fs::read_to_string(root().join("docs/ci.md")).unwrap();
    let all = blocks(&page, "yaml").into_iter().map(|it| {
        let mut out = Vec::new();
        let doc = Doc::parse(&Source::new("ci.yml", it), &mut out).unwrap();
        read::<Value>(&doc, doc.root(), doc.place(doc.root()), &mut out).unwrap()
    });
    all.collect()
}

/// The shell lines of GitHub's step of this name.
fn step(pipeline: &Value, name: &str) -> String {
    let steps = pipeline["jobs"]["resilience"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|it| it["name"] == name).unwrap();
    step["run"].as_str().unwrap().to_owned()
}

/// The shell lines under this key of GitLab's.
fn lines(pipeline: &Value, key: &str) -> String {
    let all = pipeline["resilience"][key].as_array().unwrap();
    let lines: Vec<_> = all.iter().map(|it| it.as_str().unwrap()).collect();
    lines.join("\n")
}

/// Runs shell lines as a runner does: in a checkout, up to the first that fails.
fn shell(script: &str, checkout: &Path, stage: &Stage) -> Output {
    let path = std::env::var("PATH").unwrap();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    std::process::Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(checkout)
        .env("PATH", format!("{programs}:{path}"))
        .env("HOLDFAST_STATE", stage.state())
        .env("GITHUB_STEP_SUMMARY", checkout.join("summary.md"))
        .output()
        .unwrap()
}

fn checkout() -> tempfile::TempDir {
    let checkout = tempfile::tempdir().unwrap();
    let link = checkout.path().join("chaos-scenarios");
    std::os::unix::fs::symlink(root().join("chaos-scenarios"), link).unwrap();
    fs::write(checkout.path().join("fails.yaml"), FAILS).unwrap();
    checkout
}

/// How many tests there are, and how many of them are not good.
fn tests(checkout: &Path) -> (u32, u32) {
    let xml = fs::read_to_string(checkout.join("report.xml")).unwrap();
    let xml = roxmltree::Document::parse(&xml).unwrap();
    let number = |it| xml.root_element().attribute(it).unwrap().parse::<u32>().unwrap();
    (number("tests"), number("failures") + number("errors"))
}

/// Plays both halves of a pipeline, once as it stands and once with a scenario that fails.
fn gates(play: &str, afterwards: &str) {
    for (file, code) in [(FILE, 0), ("fails.yaml", 1)] {
        let (stage, checkout) = (Stage::empty(), checkout());
        assert!(play.contains(FILE), "{play}");
        let played = shell(&play.replace(FILE, file), checkout.path(), &stage);
        let said = text(&played.stderr) + &text(&played.stdout);
        assert_eq!(played.status.code(), Some(code), "{file}: {said}");
        let after = shell(afterwards, checkout.path(), &stage);
        assert!(after.status.success(), "{file}: {}", text(&after.stderr));
        let (all, bad) = tests(checkout.path());
        assert!(all >= 3, "{all} tests");
        assert_eq!(bad > 0, code != 0, "{file}: {bad} of {all} tests are not good");
        let events = fs::read_to_string(checkout.path().join("events.jsonl"));
        for line in events.unwrap_or_default().lines() {
            assert!(serde_json::from_str::<Value>(line).unwrap()["fact"].is_object(), "{line}");
        }
    }
}

#[test]
fn the_pipeline_for_github_gates_on_the_scenario() {
    let [github, _] = &pipelines()[..] else { unreachable!("two pipelines") };
    let afterwards = step(github, "Report") + &step(github, "Clean up");
    gates(&step(github, "Play"), &afterwards);
}

#[test]
fn the_pipeline_for_gitlab_gates_on_the_scenario() {
    let [_, gitlab] = &pipelines()[..] else { unreachable!("two pipelines") };
    assert_eq!(gitlab["resilience"]["artifacts"]["reports"]["junit"], "report.xml");
    gates(&lines(gitlab, "script"), &lines(gitlab, "after_script"));
}
