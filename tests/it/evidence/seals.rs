//! What a seal finds: everything.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, path::Path};

use holdfast::{
    evidence::{
        folder,
        key::Key,
        seal::{self, FILE, JOURNAL},
        verify::{Verified, verify},
    },
    journal::{
        chain,
        entry::{Entry, Fact},
    },
    reports,
    verdict::Verdict,
};

use super::stories::{Journal, SYNC, scenario};

/// The time of day at which every test seals.
const NOW_US: i64 = 1_790_000_100_000_000;

pub(crate) fn key() -> Key {
    Key::from_seed(&[7; 32])
}

/// Writes a journal into a folder and seals it.
pub(crate) fn sealed(dir: &Path, journal: &Journal, key: &Key) {
    std::fs::write(dir.join(JOURNAL), &journal.text).unwrap();
    seal::finish(dir, key, reports::ALL, NOW_US).unwrap();
}

type Files = BTreeMap<String, Vec<u8>>;

/// A sealed folder that is small enough to try every byte of it.
fn small() -> Files {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::new();
    let facts = scenario().entries.into_iter().map(|it| it.fact);
    let few = facts.filter(|it| matches!(it, Fact::Anchor(_) | Fact::Judged { .. }));
    few.for_each(|it| {
        journal.say(it);
    });
    journal.end();
    std::fs::write(dir.path().join(JOURNAL), &journal.text).unwrap();
    std::fs::create_dir(dir.path().join("minutes")).unwrap();
    std::fs::write(dir.path().join("minutes/call.txt"), "09:14 the duty manager agrees\n").unwrap();
    seal::finish(dir.path(), &key(), &[], NOW_US).unwrap();
    folder::read(dir.path()).unwrap().files
}

/// Checks with the reports left out: there are none.
fn check(files: &Files) -> Verified {
    verify(files, Some(&key().public()), &[])
}

fn assert_found(files: &Files, name: &str, what: &str) {
    let verified = check(files);
    let named = verified.findings.iter().any(|it| it.file == name);
    assert!(named, "{what} of {name} was not found: {:?}", verified.findings);
}

#[test]
fn a_sealed_folder_passes_and_says_what_was_checked() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), &SYNC.whole(), &key());
    let files = folder::read(dir.path()).unwrap().files;
    let verified = verify(&files, Some(&key().public()), reports::ALL);
    assert_eq!((verified.findings.as_slice(), verified.verdict()), (&[][..], Verdict::Pass));
    for name in [JOURNAL, "report.html", "report.json", "report.md", FILE] {
        assert!(verified.checked.iter().any(|it| it.starts_with(name)), "{name}");
    }
    assert_eq!(verified.signer, Some(key().public().id()));
}

#[test]
fn sealing_again_after_half_of_it_gives_the_same_folder() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), &SYNC.whole(), &key());
    let files = folder::read(dir.path()).unwrap().files;
    std::fs::remove_file(dir.path().join(FILE)).unwrap();
    std::fs::write(dir.path().join("report.json"), "half").unwrap();
    std::fs::write(dir.path().join("report.html.half"), "half").unwrap();
    std::fs::write(dir.path().join("seal.json.half"), "half").unwrap();
    seal::finish(dir.path(), &key(), reports::ALL, NOW_US).unwrap();
    assert_eq!(folder::read(dir.path()).unwrap().files, files);
}

#[test]
fn every_changed_dropped_or_added_byte_is_found() {
    let files = small();
    for (name, bytes) in &files {
        let mut with = files.clone();
        let mut assert_found = |bytes: Vec<u8>, what: &str| {
            with.insert(name.clone(), bytes);
            assert_found(&with, name, what);
        };
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert_found(bad, &format!("a flip at {at}"));
            }
            let mut bad = bytes.clone();
            bad.remove(at);
            assert_found(bad, &format!("a loss at {at}"));
            let mut bad = bytes.clone();
            bad.insert(at, b' ');
            assert_found(bad, &format!("a blank at {at}"));
            if at > 0 && bytes[at - 1] != bytes[at] {
                let mut bad = bytes.clone();
                bad.swap(at - 1, at);
                assert_found(bad, &format!("a swap at {at}"));
            }
        }
        assert_found([bytes.as_slice(), b"\n"].concat(), "an end");
        assert_found(Vec::new(), "the emptiness");
    }
}

#[test]
fn a_flip_in_any_report_is_found() {
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), &SYNC.whole(), &key());
    let files = folder::read(dir.path()).unwrap().files;
    for (name, bytes) in &files {
        for at in (0..bytes.len()).step_by(bytes.len() / 7) {
            let mut with = files.clone();
            with.get_mut(name).unwrap()[at] ^= 4;
            assert_found(&with, name, "a flip");
        }
    }
}

#[test]
fn every_deleted_added_renamed_and_exchanged_file_is_found() {
    let files = small();
    let names: Vec<String> = files.keys().cloned().collect();
    for name in &names {
        let mut with = files.clone();
        let bytes = with.remove(name).unwrap();
        if name == FILE {
            let verified = check(&with);
            assert_eq!(verified.verdict(), Verdict::Inconclusive);
            assert!(verified.notes.iter().any(|it| it.starts_with("seal.json: is missing")));
        } else {
            assert_found(&with, name, "the loss");
        }
        with.insert("other".to_owned(), bytes);
        if name != FILE {
            assert_found(&with, "other", "the addition");
        }
        for other in names.iter().filter(|it| *it != name) {
            let mut with = files.clone();
            let theirs = with.insert(name.clone(), files[other].clone()).unwrap();
            with.insert(other.clone(), theirs);
            // Without a seal that can be read, nobody knows what the others should be.
            let named = if other == FILE { FILE } else { name };
            assert_found(&with, named, "the exchange");
        }
    }
}

#[test]
fn lines_of_the_journal_are_named() {
    let files = small();
    let text = String::from_utf8(files[JOURNAL].clone()).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut with = files.clone();
        let mut dropped = lines.clone();
        dropped.remove(at);
        with.insert(JOURNAL.to_owned(), dropped.concat().into_bytes());
        let findings = check(&with).findings;
        if at + 1 < lines.len() {
            assert_eq!(findings[0].line, Some(at + 1), "{findings:?}");
        } else {
            assert!(findings.iter().any(|it| it.what.contains("lines that count")), "{findings:?}");
        }
    }
}

/// Whoever holds the folder can write all of it anew, but not with our key.
#[test]
fn a_seal_by_another_key_is_found_when_the_key_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let other = Key::from_seed(&[8; 32]);
    sealed(dir.path(), &scenario(), &other);
    let files = folder::read(dir.path()).unwrap().files;
    assert_eq!(verify(&files, None, reports::ALL).verdict(), Verdict::Pass);
    let verified = check(&files);
    assert_eq!(verified.verdict(), Verdict::Fail);
    assert!(verified.findings[0].what.contains(&other.public().id()));
}

/// Even with the key, a verdict that the facts do not bear out is found, and so is a report that
/// says something else than the journal.
#[test]
fn what_does_not_follow_from_the_journal_is_found_under_a_good_seal() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::new();
    let whole = super::stories::ASYNC.whole();
    for Entry { fact, .. } in whole.entries {
        if matches!(fact, Fact::Ended { .. }) {
            journal.say(Fact::Ended { verdict: Verdict::Pass, why: vec![] });
        } else {
            journal.say(fact);
        }
    }
    sealed(dir.path(), &journal, &key());
    let mut files = folder::read(dir.path()).unwrap().files;
    let sealed = chain::read(&files[JOURNAL]).unwrap();
    let verified = verify(&files, None, reports::ALL);
    assert_eq!(verified.findings.len(), 1, "{:?}", verified.findings);
    assert_eq!(verified.findings[0].what, "says pass, and its facts lead to fail");
    assert_eq!(verified.findings[0].line, Some(sealed.entries.len()));

    files.insert("report.md".to_owned(), b"all is well".to_vec());
    let predicate = seal::read(&files[FILE]).unwrap().statement.predicate;
    let again = seal::write(&files, predicate, &key());
    files.insert(FILE.to_owned(), again);
    let verified = verify(&files, Some(&key().public()), reports::ALL);
    let of_report = verified.findings.iter().find(|it| it.file == "report.md").unwrap();
    assert_eq!(of_report.what, "is not what the journal leads to");
}

#[test]
fn a_seal_has_one_form_only() {
    let files = small();
    let value: serde_json::Value = serde_json::from_slice(&files[FILE]).unwrap();
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    assert!(seal::read(&pretty).unwrap_err().to_string().contains("one form"));
    let mut two = value.clone();
    let first = two["signatures"][0].clone();
    two["signatures"].as_array_mut().unwrap().push(first);
    assert!(seal::read(&serde_json::to_vec(&two).unwrap()).is_err());
    assert!(seal::read(b"{}").is_err());
}

#[test]
fn an_unsealed_run_is_neither_good_nor_bad() {
    let files: Files = [(JOURNAL.to_owned(), scenario().text.into_bytes())].into();
    assert_eq!(check(&files).verdict(), Verdict::Inconclusive);
    assert_eq!(check(&Files::new()).verdict(), Verdict::Fail);
}
