//! What comes late: an answer after the fault, and a seal after the end.

use std::{fs, os::unix::fs::MetadataExt as _};

use holdfast::{
    journal::entry::{Fact, When},
    verdict::Verdict,
};

use crate::ground::Ground;

#[test]
fn a_question_without_an_answer_is_not_passed_over() {
    // A service that takes connections and never answers: the kernel does that for us.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let ground = Ground::new(1);
    let text = "title: x\nsettle: 300ms\nhypothesis:\n  - name: it answers\n    \
        mode: during_fault\n    http: { url: 'http://ADDRESS/', timeout: 1h }\n    \
        expect: { status: 200 }\nmethod:\n  \
        - process_pause: { target: { cmdline: 'sleep TAG' } }\n    for: 500ms\n";
    let path = ground.file("late.yaml", &text.replace("ADDRESS", &address.to_string()));
    let done = ground.run(&["chaos", "run", &path.display().to_string()]);
    assert_eq!(done.code, Some(4), "{done:?}");
    let blind = |it: &Fact| {
        matches!(it, Fact::Judged { when: When::During, verdict: Verdict::Inconclusive, why, .. }
            if why.contains("no answer by then") || why.contains("nobody looked"))
    };
    assert!(ground.has(blind), "{done:?}");
    ground.assert_settled("a question without an answer");
}

#[test]
fn a_run_that_could_not_be_sealed_is_sealed_by_the_next_recovery() {
    let ground = Ground::new(1);
    let text = "title: x\nmethod:\n  - process_pause: { target: { cmdline: 'sleep TAG' } }\n    \
        for: 10ms\n";
    let path = ground.file("unsealed.yaml", text);
    let keys = ground.state().join("keys");
    fs::create_dir_all(&keys).expect("a folder");
    fs::write(keys.join("seal.key"), "this is no key").expect("a file");
    let done = ground.run(&["chaos", "run", &path.display().to_string()]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(done.err.contains("not sealed"), "{done:?}");
    assert_eq!((ground.is_healed(), ground.open()), (true, 1));
    let tried = ground.run(&["recover"]);
    assert_eq!((tried.code, ground.open()), (Some(4), 1), "{tried:?}");
    fs::remove_file(keys.join("seal.key")).expect("it is there");
    let done = ground.run(&["recover"]);
    assert_eq!((done.code, ground.open()), (Some(0), 0), "{done:?}");
    ground.assert_settled("a run that was sealed late");
}

#[test]
fn the_room_that_a_journal_kept_is_given_back() {
    let ground = Ground::new(1);
    let text = "title: x\nmethod:\n  - process_pause: { target: { cmdline: 'sleep TAG' } }\n    \
        for: 10ms\n";
    let path = ground.file("room.yaml", text);
    let done = ground.run(&["chaos", "run", &path.display().to_string()]);
    assert_eq!(done.code, Some(4), "no hypothesis, so nothing was shown: {done:?}");
    let (run, _) = ground.journal();
    let journal = ground.state().join("runs").join(run).join("journal.jsonl");
    let facts = fs::metadata(journal).expect("a journal");
    assert!(facts.blocks() * 512 < facts.size() + 64 * 1024, "{} blocks", facts.blocks());
}
