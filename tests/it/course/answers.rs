//! Questions, and who may answer them.

use std::fs;

use holdfast::{
    evidence::{approval::NAMESPACE, fold as evidence, say::Answer},
    journal::{
        chain,
        course::{Course, Outcome, Voice, Word},
        entry::Fact,
        fold,
    },
    verdict::Verdict,
    world::linux::facts,
};

use super::{PATIENCE, answered, asked, courses, decide, play, so_far};
use crate::{
    beside::tool,
    consent::Person,
    ground::{Ground, wait},
};

const TABLETOP: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/chaos-scenarios/drills/tabletop-data-centre-lost.yaml");

/// A drill with one question.
fn gate(settings: &str) -> String {
    format!(
        "title: one question\nexercise: {{ type: tabletop }}\n\
         objectives: {{ rto: 1h, lost_writes: 0 }}\nphases:\n  - phase: declare\n    steps:\n      \
         - gate: {{ question: on?, {settings} }}\n        \
         name: go on\n"
    )
}

#[test]
fn a_rehearsed_tabletop_passes_and_says_that_nobody_answered() {
    let ground = Ground::new(0);
    let done = ground.run(&["drill", "run", "--rehearse", TABLETOP]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let (run, entries) = so_far(&ground);
    let seen = evidence::fold(&entries);
    let road = seen.course.unwrap();
    assert!(road.rehearsed && road.is_talk());
    assert!(
        road.steps.iter().all(|it| it.state.word() == "done" && it.deviation_us < Some(0)
            || it.planned.kind == "parallel"),
        "{:?}",
        road.steps
    );
    assert!(answered(&ground).iter().all(|it| it.voice == Voice::Rehearsed));
    let drill = seen.drill.unwrap();
    assert_eq!((drill.rto.answer, drill.rpo.answer), (Answer::NotExercised, Answer::NotExercised));
    assert_eq!(drill.objectives.mtpd_us, Some(4 * 3_600_000_000));
    for form in ["text", "markdown", "html", "junit", "json"] {
        let told = ground.run(&["report", &run, "--format", form]).out.to_lowercase();
        assert!(told.contains("rehears"), "{form}: {told}");
        assert!(told.contains("walk through the switch-over"), "{form}");
        assert!(told.contains("duty operator"), "{form}");
    }
    ground.assert_settled("rehearsed");
}

#[test]
fn a_tabletop_is_answered_from_another_process_by_one_who_types_for_all() {
    let ground = Ground::new(0);
    let mut runner = play(&ground, &[TABLETOP]);
    let minutes = ground.file("minutes.txt", "three findings\n").display().to_string();
    let say = |step: &str, words: &[&str]| {
        asked(&ground, step);
        let done = decide(&ground, &[&[step], words].concat());
        assert_eq!(done.code, Some(0), "{step}: {}", done.err);
        assert!(done.out.contains("answered"), "{}", done.out);
    };
    say("1.1", &["done", "--for", "duty operator"]);
    say("2.1", &["done", "--for", "duty operator", "--note", "at night ten minutes"]);
    say("3.1", &["go", "--for", "crisis manager"]);
    say("3.2", &["go", "--for", "crisis manager"]);
    say("3.2", &["go", "--for", "head of settlement"]);
    say("4.1.2.1", &["done", "--for", "communications"]);
    say("4.1.1.1", &["done", "--for", "duty operator"]);
    say("5.1", &["done", "--for", "head of settlement"]);
    say("6.1", &["go", "--for", "crisis manager"]);
    say("7.1", &["done", "--for", "duty operator", "--attach", &minutes]);
    say("8.1", &["go", "--for", "crisis manager"]);
    say("8.1", &["go", "--for", "head of settlement"]);
    assert_eq!(wait(&mut runner, PATIENCE), Some(0));
    let all = answered(&ground);
    assert!(all.iter().all(|it| it.voice == Voice::Command && it.by != "crisis manager"));
    let kept = all.iter().find_map(|it| it.attachment.clone()).unwrap();
    let file = ground.state().join("runs").join(so_far(&ground).0).join(&kept.file);
    let bytes = fs::read(file).unwrap();
    assert_eq!((bytes.as_slice(), kept.bytes), (&b"three findings\n"[..], 15));
    assert_eq!(chain::hash(&bytes), kept.sha256, "the journal holds its hash");
    ground.assert_settled("talked through");
    // Without a seal, the journal still tells what was attached.
    let run = so_far(&ground).0;
    let folder = ground.state().join("runs").join(&run);
    fs::remove_file(folder.join("seal.json")).unwrap();
    fs::write(folder.join(&kept.file), "four findings\n").unwrap();
    let verified = ground.run(&["verify", &run]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    let said = format!("{}: is not what", kept.file);
    assert!(format!("{}{}", verified.out, verified.err).contains(&said), "{verified:?}");
}

#[test]
fn answers_that_do_not_count_are_turned_away_and_kept_in_the_journal() {
    let ground = Ground::new(0);
    let text = gate("who: [ghost, TAG], persons: 2, timeout: 10m, on_timeout: abort");
    let file = ground.file("gate.yaml", &text).display().to_string();
    let nobody = decide(&ground, &["go on", "go"]);
    assert_eq!(nobody.code, Some(2), "no run at all: {}", nobody.err);
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.1");
    for (words, why) in [
        (&["no such thing", "go"][..], "no question is called"),
        (&["go on", "done"], "answer go or no-go"),
        (&["go on", "go"], "may not answer"),
        (&["1.1", "go", "--for", "ghost"], "may not answer"),
    ] {
        let done = decide(&ground, words);
        assert_eq!(done.code, Some(3), "{words:?}: {}", done.err);
        assert!(done.err.contains(why), "{words:?}: {}", done.err);
    }
    let away = courses(&ground).into_iter().filter(|it| matches!(it, Course::TurnedAway { .. }));
    assert_eq!(away.count(), 4);
    let run = so_far(&ground).0;
    let told = ground.run(&["drill", "status", &run]);
    assert!(told.out.contains("go on") && told.out.contains("ghost"), "{}", told.out);
    let ended = ground.run(&["drill", "abort", &run]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(wait(&mut runner, PATIENCE), Some(4), "nobody saw it through");
    let late = decide(&ground, &["go on", "go"]);
    assert_eq!(late.code, Some(2), "{}", late.err);
    ground.assert_settled("turned away");
}

#[test]
fn nobody_answers_twice_and_nobody_answers_what_is_decided() {
    let ground = Ground::new(0);
    let text = gate("persons: 2, timeout: 10m, on_timeout: abort")
        .replace("tabletop", "walkthrough")
        + "      - gate: { question: more?, timeout: 10m, on_timeout: abort }\n        name: more\n";
    let file = ground.file("gate.yaml", &text).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.1");
    assert!(decide(&ground, &["more", "go"]).err.contains("not asked yet"));
    assert_eq!(decide(&ground, &["go on", "go", "--for", "alice"]).code, Some(0));
    let twice = decide(&ground, &["go on", "go", "--for", "alice"]);
    assert!(twice.err.contains("has answered"), "{}", twice.err);
    assert_eq!(decide(&ground, &["go on", "go", "--for", "bob"]).code, Some(0));
    asked(&ground, "1.2");
    let decided = decide(&ground, &["go on", "go", "--for", "carol"]);
    assert!(decided.err.contains("has been decided"), "{}", decided.err);
    assert_eq!(decide(&ground, &["more", "no-go", "--note", "enough"]).code, Some(0));
    assert_eq!(wait(&mut runner, PATIENCE), Some(4));
    let why = so_far(&ground).1.into_iter().find_map(|it| match it.fact {
        Fact::Aborted { why } => Some(why),
        _ => None,
    });
    assert!(why.as_deref().is_some_and(|it| it.contains("enough")), "{why:?}");
    ground.assert_settled("no-go");
}

#[test]
fn outside_of_talk_one_who_speaks_for_others_is_still_one() {
    let ground = Ground::new(0);
    let own = facts::operator();
    let text = gate(&format!("who: [{own}, ghost], persons: 2, timeout: 10m, on_timeout: abort"))
        .replace("exercise: { type: tabletop }\n", "")
        .replace("phases:\n", "witness: { directory: { path: GROUND } }\nphases:\n")
        + "  - phase: load\n    steps: [{ witness: start }, { witness: read_back }]\n";
    let file = ground.file("gate.yaml", &text).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.1");
    assert_eq!(decide(&ground, &["go on", "go", "--for", "alice"]).code, Some(0));
    let again = decide(&ground, &["go on", "go", "--for", "bob"]);
    assert!(again.err.contains("has answered"), "{}", again.err);
    assert_eq!(decide(&ground, &["go on", "no-go"]).code, Some(3));
    assert_eq!(ground.run(&["drill", "abort", &so_far(&ground).0]).code, Some(0));
    wait(&mut runner, PATIENCE);
    ground.assert_settled("one person");
}

#[test]
fn the_plan_and_its_objectives_are_signed_while_the_drill_waits_for_it() {
    let Some(keygen) = tool("ssh-keygen", "openssh-client") else { return };
    let ground = Ground::new(0);
    let alice = Person::new(&keygen, ground.path(), "alice");
    let mallory = Person::new(&keygen, ground.path(), "mallory");
    fs::create_dir_all(ground.state()).unwrap();
    let rules = format!("environment: sandbox\napprovers:\n{}", alice.rule());
    fs::write(ground.state().join("host.yml"), rules).unwrap();
    let text = gate("timeout: 1m, on_timeout: abort")
        .replace("gate: { question: on?,", "approval: { persons: 1,")
        .replace("name: go on", "name: approval");
    let file = ground.file("approval.yaml", &text).display().to_string();
    let mut runner = play(&ground, &[&file]);
    asked(&ground, "1.1");
    let text = courses(&ground).into_iter().find_map(|it| match it {
        Course::Asked(it) => Some(it.text),
        _ => None,
    });
    let text = text.unwrap();
    let (line, objectives) = text.split_once("; ").unwrap();
    assert!(objectives.contains("recovery within 60 min"), "{objectives}");
    let line = format!("{line}\n");
    let run = so_far(&ground).0;
    let sign = |who: &Person<'_>, line: &str, name: &str| {
        who.sign(&keygen, (line, NAMESPACE), &ground.path().join(name))
    };
    let other = format!("{} ", line.trim_end());
    for (signature, why) in [
        (sign(&mallory, &line, "mallory.sig"), "not among the approvers"),
        (sign(&alice, &other, "other.sig"), "signed another plan"),
    ] {
        let done = ground.run(&["drill", "approve", &run, "--signature", &signature]);
        assert_eq!(done.code, Some(3), "{}", done.err);
        assert!(done.err.contains(why), "{why}: {}", done.err);
    }
    let signature = sign(&alice, &line, "alice.sig");
    let done = ground.run(&["drill", "approve", &run, "--signature", &signature]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(wait(&mut runner, PATIENCE), Some(0));
    let kept = answered(&ground).into_iter().next().unwrap();
    assert_eq!((kept.by.as_str(), kept.word), ("alice", Word::Approved));
    assert!(kept.signed.is_some_and(|it| it.signature.contains("SSH SIGNATURE")));
    ground.assert_settled("approved");
}

#[test]
fn a_gate_that_nobody_answers_acts_as_the_file_says() {
    for (outcome, code) in [(Outcome::Abort, 4), (Outcome::Go, 0), (Outcome::Fail, 1)] {
        let ground = Ground::new(0);
        let text = gate(&format!("timeout: 50ms, on_timeout: {}", outcome.word()));
        let file = ground.file("gate.yaml", &text).display().to_string();
        let done = ground.run(&["drill", "run", &file]);
        assert_eq!(done.code, Some(code), "{outcome:?}: {}", done.err);
        let decided = courses(&ground).into_iter().any(|it| {
            matches!(it, Course::Decided { outcome: it, why, .. }
                if it == outcome && why.contains("nobody decided"))
        });
        assert!(decided, "{outcome:?}");
        ground.assert_settled(outcome.word());
    }
}

#[test]
fn a_step_that_cannot_be_done_lets_the_run_go_on_where_the_file_says_so() {
    let ground = Ground::new(0);
    let text = "title: t\nexercise: { type: walkthrough }\n\
        objectives: { rto: 1h, lost_writes: 0 }\nphases:\n  - phase: clean up\n    steps:\n      \
        - command: { run: ['false'] }\n        name: fails\n        on_fail: go_on\n      \
        - notify: { by: { file: GROUND/told }, say: 'run {run}' }\n        name: tell\n        \
        owner: the desk\n        planned: 1m\n";
    let file = ground.file("t.yaml", text).display().to_string();
    let done = ground.run(&["drill", "run", &file]);
    assert_eq!(done.code, Some(1), "what was not done weighs: {}", done.err);
    let (run, entries) = so_far(&ground);
    assert_eq!(fs::read_to_string(ground.path().join("told")).unwrap(), format!("run {run}"));
    let seen = evidence::fold(&entries);
    let steps = seen.course.unwrap().steps;
    let words: Vec<_> = steps.iter().map(|it| it.state.word()).collect();
    assert_eq!((words, seen.verdict), (vec!["not done", "done"], Verdict::Fail));
    ground.assert_settled("went on");
}

#[test]
fn nothing_is_rehearsed_on_a_production_machine() {
    let ground = Ground::new(0);
    fs::create_dir_all(ground.state()).unwrap();
    fs::write(ground.state().join("host.yml"), "environment: production\n").unwrap();
    let done = ground.run(&["drill", "run", "--rehearse", TABLETOP]);
    assert_eq!(done.code, Some(3), "{}", done.err);
    assert!(done.err.contains("rehears"), "{}", done.err);
    assert!(ground.journals().is_empty());
    let chaos = ground.run(&["chaos", "run", "--rehearse", TABLETOP]);
    assert_eq!(chaos.code, Some(2), "{}", chaos.err);
}

#[test]
fn mistakes_in_questions_are_told_at_their_places() {
    let ground = Ground::new(0);
    for (settings, why) in [
        ("timeout: 1m", "`on_timeout`"),
        ("persons: 0, timeout: 1m, on_timeout: go", "0 people cannot be asked"),
        ("who: [a], persons: 2, timeout: 1m, on_timeout: go", "only 1 may answer"),
        (
            "who: [a], timeout: 1m, on_timeout: go, rehearsal: [{ by: b, answer: go }]",
            "b may not answer",
        ),
        ("timeout: 1m, on_timeout: go, rehearsal: [{ by: b, answer: done }]", "no answer to this"),
    ] {
        let file = ground.file("gate.yaml", &gate(settings)).display().to_string();
        let done = ground.run(&["check", &file]);
        assert_eq!(done.code, Some(2), "{settings}");
        assert!(done.err.contains(why) && done.err.contains("gate.yaml:7:"), "{why}: {}", done.err);
    }
    let file = ground.file("two.yaml", &(gate("timeout: 1m, on_timeout: go")
        + "      - gate: { question: on?, timeout: 1m, on_timeout: go }\n        name: go on\n        for: 3s\n"));
    let done = ground.run(&["check", &file.display().to_string()]);
    assert!(
        done.err.contains("two questions are called") || done.err.contains("`for` is for actions")
    );
    assert!(fold::began(&so_far(&ground).1).is_none());
    assert_eq!(Word::read("approved"), None, "nobody types an approval");
}
