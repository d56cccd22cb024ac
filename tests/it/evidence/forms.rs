//! The forms that evidence is shown in.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use holdfast::{
    evidence::fold::{Evidence, fold},
    journal::entry::Fact,
    report::ReportKind,
    reports::{self, html, json, junit, markdown, text},
};

use super::stories::{ASYNC, Journal, SYNC, Story, scenario};

pub(super) fn show(kind: &ReportKind, evidence: &Evidence) -> String {
    String::from_utf8((kind.render)(evidence)).unwrap()
}

/// Holds a text against the one that somebody has looked at. To accept a new one, remove the file
/// and run the test twice.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/evidence").join(name);
    if !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        panic!("wrote {}: look at it, then run the test again", path.display());
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    let differs = wanted.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert_eq!(wanted, text, "{name} differs from line {differs:?} (from 0)");
}

/// Few writes, so that a person can read all of it.
fn slow() -> Evidence {
    fold(&Story { every: 250, ..ASYNC }.whole().entries)
}

#[test]
fn the_json_of_a_drill_is_as_somebody_saw_it() {
    golden("drill.json", &show(&json::KIND, &slow()));
}

#[test]
fn the_markdown_of_a_drill_is_as_somebody_saw_it() {
    golden("drill.md", &show(&markdown::KIND, &slow()));
}

#[test]
fn json_reads_back_and_keeps_every_measurement() {
    let text = show(&json::KIND, &fold(&SYNC.whole().entries));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["version"], 1);
    assert_eq!(value["drill"]["attempts"].as_array().unwrap().len(), 450);
    assert_eq!(
        value["drill"]["attempts"][1],
        serde_json::json!([1, 20_000, 2_887, "acked", "same"])
    );
    assert_eq!(value["drill"]["rto"]["answer"], "pass");
    assert!(text.lines().any(|it| it.trim().starts_with("[1,20000,")), "rows take one line each");
}

/// Tags that close, in the order in which they were opened.
fn assert_well_formed(page: &str) {
    let void = ["meta", "br", "!DOCTYPE"];
    let mut open = Vec::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        if tag == "style" {
            rest = after.split_once("</style>").expect("a style ends").1;
        } else if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop(),
                Some(name),
                "before {:?}",
                after.chars().take(40).collect::<String>()
            );
        } else {
            let name = tag.split_whitespace().next().unwrap();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if !void.contains(&name) {
                open.push(name);
            }
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn pages_of_all_stories_are_well_formed_and_load_nothing() {
    let never = Story { back: None, ..SYNC }.whole();
    let mut cut = Journal::new();
    SYNC.whole().entries.into_iter().take(60).for_each(|it| {
        cut.say(it.fact);
    });
    for journal in [ASYNC.whole(), SYNC.whole(), scenario(), never, cut, Journal::new()] {
        let page = show(&html::KIND, &fold(&journal.entries));
        assert_well_formed(&page);
        for load in [
            "<script", "<link", "<img", "<iframe", "@import", "src=", "href=", "http://",
            "https://",
        ] {
            assert!(!page.contains(load), "{load}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf\""), "every coordinate is a number");
    }
}

#[test]
fn what_users_wrote_is_shown_and_never_obeyed() {
    let evil = "</title><script>alert(1)</script>\" onload=\"x";
    let mut journal = SYNC.told();
    for entry in &mut journal.entries {
        if let Fact::Began(began) = &mut entry.fact {
            for text in
                [&mut began.title, &mut began.description, &mut began.manifest, &mut began.operator]
            {
                evil.clone_into(text);
            }
            evil.clone_into(&mut began.hypotheses[0].name);
            evil.clone_into(&mut began.plan[0].phase);
            evil.clone_into(&mut began.host.hostname);
        }
        if let Fact::PhaseBegan { phase } | Fact::PhaseEnded { phase } = &mut entry.fact {
            *phase = format!("{evil}{phase}");
        }
        if let Fact::Intent(intent) = &mut entry.fact {
            evil.clone_into(&mut intent.name);
            evil.clone_into(&mut intent.will);
        }
    }
    let evidence = fold(&journal.entries);
    let page = show(&html::KIND, &evidence);
    assert_well_formed(&page);
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    assert!(!page.contains("\" onload"));
    assert!(!show(&markdown::KIND, &evidence).contains("<script"));
}

#[test]
fn a_page_says_the_verdict_first_and_in_both_languages() {
    let page = show(&html::KIND, &fold(&ASYNC.whole().entries));
    let verdict = page.find("FAIL").unwrap();
    assert!(verdict < page.find("RTO").unwrap());
    assert!(page.contains("未通过") && page.contains("1.974 to 2.001 s"));
    let never = show(&html::KIND, &fold(&Journal::new().entries));
    assert!(never.contains("INCONCLUSIVE") && never.contains("无法判定"));
}

#[test]
fn a_page_of_three_thousand_writes_is_below_a_megabyte() {
    let story = Story { every: 3, ..ASYNC };
    let page = show(&html::KIND, &fold(&story.whole().entries));
    assert!(page.len() < 1_000_000, "{}", page.len());
}

#[test]
fn the_text_of_a_drill_is_as_somebody_saw_it() {
    golden("drill.txt", &show(&text::KIND, &slow()));
}

#[test]
fn the_junit_xml_of_a_drill_is_as_somebody_saw_it() {
    golden("drill.xml", &show(&junit::KIND, &slow()));
}

/// Parses the XML, holds its sums against its tests, and tells each test's name and what is not
/// good about it.
fn tests_in(xml: &str) -> Vec<(String, Option<(String, String)>)> {
    let parsed = roxmltree::Document::parse(xml).unwrap_or_else(|why| panic!("{why}\n{xml}"));
    let suites = parsed.root_element();
    let suite: Vec<_> = suites.children().filter(|it| it.has_tag_name("testsuite")).collect();
    let [suite] = suite[..] else { panic!("not one suite a run") };
    let cases: Vec<_> = suite.children().filter(|it| it.has_tag_name("testcase")).collect();
    let count = |tag: &str| {
        let has = |it: &&roxmltree::Node<'_, '_>| it.children().any(|it| it.has_tag_name(tag));
        cases.iter().filter(has).count().to_string()
    };
    for it in [suites, suite] {
        assert_eq!(it.attribute("tests"), Some(cases.len().to_string().as_str()));
        assert_eq!(it.attribute("failures"), Some(count("failure").as_str()));
        assert_eq!(it.attribute("errors"), Some(count("error").as_str()));
        assert_eq!(it.attribute("skipped"), Some(count("skipped").as_str()));
    }
    let told = |it: &roxmltree::Node<'_, '_>| {
        let bad = it.children().find(|it| it.attribute("message").is_some());
        let bad = bad.map(|it| {
            (it.tag_name().name().to_owned(), it.attribute("message").unwrap().to_owned())
        });
        (it.attribute("name").unwrap().to_owned(), bad)
    };
    cases.iter().map(told).collect()
}

#[test]
fn a_scenario_is_a_suite_whose_tests_are_its_judgements_and_its_healing() {
    let tests = tests_in(&show(&junit::KIND, &fold(&scenario().entries)));
    let names: Vec<&str> = tests.iter().map(|it| it.0.as_str()).collect();
    for stretch in ["before", "during", "after"] {
        assert!(names.iter().any(|it| it.ends_with(&format!("({stretch})"))), "{names:?}");
    }
    assert!(names.iter().any(|it| it.starts_with("everything is put back")), "{names:?}");
    assert!(tests.iter().all(|it| it.1.is_none()), "{tests:?}");
}

#[test]
fn what_is_stuck_fails_a_test_and_what_is_cut_off_never_passes() {
    let mut entries = scenario().entries;
    for it in &mut entries {
        if let Fact::Undone { act, .. } = it.fact {
            it.fact = Fact::Stuck { act, why: "it <vanished> & left".to_owned() };
        }
    }
    let xml = show(&junit::KIND, &fold(&entries));
    let healing = tests_in(&xml).into_iter().find(|it| it.0.starts_with("everything")).unwrap();
    assert_eq!(healing.1, Some(("failure".to_owned(), "1 act not put back".to_owned())));
    assert!(xml.contains("it &lt;vanished&gt; &amp; left"), "{xml}");
    for length in 0..entries.len() {
        let evidence = fold(&scenario().entries[..length]);
        let tests = tests_in(&show(&junit::KIND, &evidence));
        let passes = |it: &(String, Option<(String, String)>)| {
            it.1.as_ref().is_none_or(|it| it.0 == "skipped")
        };
        let passed = evidence.verdict == holdfast::verdict::Verdict::Pass;
        assert_eq!(tests.iter().all(passes), passed, "the first {length} lines");
    }
}

#[test]
fn no_title_or_name_breaks_the_xml_or_moves_a_cursor() {
    let strange = "]]>\u{1b}[2J\u{0}\"'<&\u{ffff}\r\n\u{85}恢复";
    let mut entries = scenario().entries;
    for it in &mut entries {
        match &mut it.fact {
            Fact::Began(began) => {
                strange.clone_into(&mut began.title);
                strange.clone_into(&mut began.operator);
                began.hypotheses.iter_mut().for_each(|it| strange.clone_into(&mut it.name));
            }
            Fact::Intent(intent) => strange.clone_into(&mut intent.will),
            Fact::Judged { hypothesis, why, .. } => {
                strange.clone_into(hypothesis);
                strange.clone_into(why);
            }
            _ => {}
        }
    }
    let evidence = fold(&entries);
    assert!(!tests_in(&show(&junit::KIND, &evidence)).is_empty());
    let page = show(&text::KIND, &evidence);
    assert!(page.contains("恢复") && !page.chars().any(|it| it.is_control() && it != '\n'));
}

#[test]
fn every_form_has_a_name_and_a_file_of_its_own() {
    let mut names: Vec<String> = reports::ALL.iter().map(|it| it.file()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), reports::ALL.len());
    assert!(reports::ALL.iter().all(|it| !it.about.summary.is_empty()));
}

/// Puts one number in the place of every stamp, count and measurement.
fn distort(value: &mut serde_json::Value, by: &serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => items.iter_mut().for_each(|it| distort(it, by)),
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                let kept = ["v", "n", "epoch", "act", "cpus", "good_in_a_row", "pid"];
                if !kept.contains(&name.as_str()) {
                    distort(field, by);
                }
            }
        }
        serde_json::Value::Number(_) => *value = by.clone(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => {}
    }
}

/// Journals come from strangers, too: `verify` folds whatever parses.
#[test]
fn no_number_in_a_journal_upsets_a_fold_or_a_report() {
    let entries = ASYNC.whole().entries;
    for by in [0, 1, u64::MAX, u64::MAX / 2, 1 << 53] {
        for every in [1, 2, 3] {
            let distorted = entries.iter().enumerate().map(|(at, entry)| {
                let mut value = serde_json::to_value(entry).unwrap();
                if at % every == 0 {
                    distort(&mut value, &by.into());
                }
                serde_json::from_value(value).unwrap()
            });
            let evidence = fold(&distorted.collect::<Vec<_>>());
            for kind in reports::ALL {
                let text = show(kind, &evidence);
                assert!(!text.contains("NaN"), "{} of {by}", kind.extension);
            }
        }
    }
}
