//! What the documents say is so: their tables, their links, and the commands in them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use holdfast::cli::{explain, kinds_page};

use crate::golden;
use crate::stage::{Stage, text};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let listed = |folder: &str| fs::read_dir(root().join(folder)).unwrap().flatten();
    let all = listed("").chain(listed("docs")).chain(listed("docs/runbooks")).map(|it| it.path());
    all.filter(|it| it.extension().is_some_and(|it| it == "md")).collect()
}

/// The text of each fenced block of this language.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(it)) if it == language => open = Some(String::new()),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn the_readme_has_the_table_that_explain_prints() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        readme.contains(&explain::table().join("\n")),
        "paste the output of `holdfast explain`"
    );
}

#[test]
fn the_scenario_page_is_what_the_kinds_say() {
    golden::same_as("../../docs/scenarios.md", &kinds_page::page());
    let printed = Stage::empty().run(&["explain", "--page"]);
    assert_eq!(text(&printed.stdout), kinds_page::page());
}

#[test]
fn the_readme_has_every_command_and_exit_code() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for command in ["cargo run --release -- demo", "tests/run"] {
        assert!(readme.lines().take(24).any(|it| it.contains(command)), "{command}");
    }
    for code in 0..=5 {
        assert!(readme.contains(&format!("| {code} |")), "{code}");
    }
}

#[test]
fn links_lead_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|it| it.split(')').next()) {
            if !link.starts_with("http") {
                let path = document.parent().unwrap().join(link.split('#').next().unwrap());
                assert!(path.exists(), "{}: {link}", document.display());
            }
        }
    }
}

/// Runs the commands of a document's `sh` blocks, one after the other, on one state folder. A
/// comment `exit N` says how a command ends.
fn commands(document: &Path, stage: &Stage) -> usize {
    let text_of = fs::read_to_string(document).unwrap();
    let scenario = blocks(&text_of, "yaml").into_iter().next();
    let file = stage.state().parent().unwrap().join("scenario.yaml");
    if let Some(scenario) = scenario {
        fs::write(&file, scenario).unwrap();
    }
    let mut count = 0;
    for line in blocks(&text_of, "sh").join("").lines() {
        let (command, comment) = line.split_once('#').unwrap_or((line, ""));
        let Some(words) = command.strip_prefix("holdfast ") else { continue };
        if words.contains("/mnt/") {
            continue;
        }
        let shown = file.display().to_string();
        let report = stage.state().parent().unwrap().join("report.out").display().to_string();
        let words: Vec<&str> = words
            .split_whitespace()
            .map(|it| match it {
                "FILE" => shown.as_str(),
                it if it.starts_with("report.") => report.as_str(),
                it => it,
            })
            .collect();
        let wanted = comment.split("exit ").nth(1).map_or(0, |it| it[..1].parse().unwrap());
        let output = stage.run(&words);
        assert_eq!(
            output.status.code(),
            Some(wanted),
            "{}: {line}\n{}{}",
            document.display(),
            text(&output.stdout),
            text(&output.stderr)
        );
        count += 1;
    }
    count
}

#[test]
fn the_commands_of_the_readme_work() {
    assert!(commands(&root().join("README.md"), &Stage::empty()) >= 10);
}

#[test]
fn the_commands_and_the_scenario_of_the_chaos_page_work() {
    let stage = Stage::with_bank(&[]);
    assert_eq!(commands(&root().join("docs/chaos.md"), &stage), 3);
}

#[test]
fn the_commands_of_the_drill_page_and_then_of_the_evidence_page_work() {
    let stage = Stage::empty();
    assert_eq!(commands(&root().join("docs/drills.md"), &stage), 3);
    assert_eq!(commands(&root().join("docs/evidence.md"), &stage), 2);
}

#[test]
fn the_gate_of_the_drill_page_is_a_step() {
    let stage = Stage::empty();
    let page = fs::read_to_string(root().join("docs/drills.md")).unwrap();
    let blocks = blocks(&page, "yaml");
    let gate = blocks.iter().find(|it| it.starts_with("- gate:")).unwrap();
    let gate: Vec<String> = gate.lines().map(|it| format!("      {it}")).collect();
    let head = "title: t\nexercise: { type: tabletop }\n\
        objectives: { rto: 1h, lost_writes: 0 }\nphases:\n  - phase: declare\n    steps:\n";
    let file = stage.state().parent().unwrap().join("gate.yaml");
    fs::write(&file, head.to_owned() + &gate.join("\n")).unwrap();
    let checked = stage.run(&["check", &file.display().to_string()]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}

#[test]
fn the_drill_of_the_drill_page_is_a_drill() {
    let stage = Stage::empty();
    let page = fs::read_to_string(root().join("docs/drills.md")).unwrap();
    let file = stage.state().parent().unwrap().join("drill.yaml");
    fs::write(&file, &blocks(&page, "yaml")[0]).unwrap();
    let checked = stage.run(&["check", &file.display().to_string()]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
}
