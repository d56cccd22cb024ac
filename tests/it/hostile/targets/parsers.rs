//! Parsers that take bytes and give back what they mean, each with what it promises.

use std::{
    cell::LazyCell,
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use holdfast::{
    agent::{
        agent_file, guard,
        negotiate::{Format, wants_gzip},
        settings_file,
        textfile::Textfile,
        web_config,
    },
    collector::Samples,
    evidence::{
        fold,
        key::{Key, PublicKey},
        seal,
        verify::verify,
    },
    journal::{chain, entry::Entry},
    manifest::{render::render, source::Source},
    meters::carbon::{Grid, Pue, Share},
    probe::{Datum, Reading},
    registry, reports,
    sandbox::book::{self, Book},
    script::{bound::Bound, expect::Expect, read::script},
    source::counters::Counters,
    sources::{self, events},
    world::{
        bus::wire::{Message, Reader},
        dns,
        linux::proc,
        netlink,
        rules::Rules,
    },
};
use tempfile::TempDir;

use super::{
    hold_complaint,
    machine::{collect_own, hold_page},
    scratch,
};

thread_local! {
    static FOLDER: LazyCell<TempDir> = const { LazyCell::new(scratch) };
}

/// A file that says this, in a folder of this thread's own.
fn file(name: &str, said: &[u8]) -> PathBuf {
    let path = FOLDER.with(|it| it.path().join(name));
    fs::write(&path, said).expect("room");
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `Accept` and `Accept-Encoding`: some form is chosen, whatever they say.
pub(super) fn accept(bytes: &[u8]) {
    let said = text(bytes);
    assert!(!Format::wanted(&said).content_type().is_empty());
    assert!(!wants_gzip(&said) || !said.is_empty(), "nobody asked for gzip");
}

/// A complaint about a file of settings names the file.
fn hold_refusal(why: &dyn std::error::Error, path: &Path) {
    let said = why.to_string();
    assert!(said.contains(&path.display().to_string()), "{said}");
    assert!(!said.chars().any(|it| it.is_control() && it != '\n'), "{said:?}");
    assert!(said.len() <= 1 << 20, "{} bytes of complaints", said.len());
}

pub(super) fn agent_file(bytes: &[u8]) {
    let path = file("agent.yml", bytes);
    if let Err(why) = agent_file::load(&path, &["cpu", "stat"]) {
        hold_refusal(&why, &path);
    }
}

/// What is not understood allows nothing.
pub(super) fn host_file(bytes: &[u8]) {
    let path = file("host.yml", bytes);
    if let Err(why) = settings_file::load(&path, |it: Rules, _| Some(it)) {
        hold_refusal(&why, &path);
    }
}

pub(super) fn web_config(bytes: &[u8]) {
    let path = file("web.yml", bytes);
    if let Err(why) = web_config::load(&path) {
        hold_refusal(&why, &path);
    }
}

/// What a service answered, held against what was expected: the reason is short enough for a log.
pub(super) fn answer(bytes: &[u8]) {
    let body = text(bytes);
    let bounds = [
        Bound::Contains("primary".to_owned()),
        Bound::Text("ok".to_owned()),
        Bound::Number(200.0),
        Bound::Range(Some(1.0), None),
    ];
    for part in ["body", "error"] {
        for bound in &bounds {
            let reading = Reading(BTreeMap::from([(part, Datum::Text(body.clone()))]));
            let expect = Expect(BTreeMap::from([(part.to_owned(), bound.clone())]));
            if let Err(why) = expect.judge(&reading) {
                assert!(why.len() <= 2048, "{} bytes of reason", why.len());
            }
        }
    }
}

pub(super) fn authorization(bytes: &[u8]) {
    if let Some((user, _)) = guard::credentials(&text(bytes)) {
        assert!(!user.contains(':'), "a user has no colon");
    }
}

/// A message of the bus: what is read of it is written as one that is read the same, and what it
/// holds is taken out without an end that is not there.
pub(super) fn bus(bytes: &[u8]) {
    netlink::attributes(bytes, 16).for_each(|(_, data)| assert!(data.len() < bytes.len()));
    match Message::read(bytes) {
        Ok(Some((message, length))) => {
            assert!(length <= bytes.len());
            let plain = Message { sender: String::new(), is_big: false, ..message.clone() };
            let again = plain.bytes();
            assert_eq!(Message::read(&again), Ok(Some((plain, again.len()))));
            drop(message.reader().variant());
            drop(message.reader().list(4, Reader::text));
            drop(message.reader().list(8, |it| Ok((it.text()?, it.variant()?))));
        }
        Ok(None) => {}
        Err(why) => hold_complaint(&why.to_string()),
    }
}

/// An answer of a name server; names that point at one another do not make it grow.
pub(super) fn dns(bytes: &[u8]) {
    assert!(dns::whole(bytes).is_none_or(|it| it.len() < bytes.len()));
    match dns::answer(bytes) {
        Ok(it) => {
            let said: usize = it.records.iter().map(String::len).sum();
            assert!(said <= 100 * bytes.len(), "{said} bytes of {}", bytes.len());
        }
        Err(why) => hold_complaint(&why),
    }
}

/// Intensity, overhead and share are within their bounds, or refused.
pub(super) fn carbon(bytes: &[u8]) {
    let said = text(bytes);
    match said.parse::<Grid>() {
        Ok(it) => assert!(0.0 <= it.low && it.low <= it.grams && it.grams <= it.high, "{it:?}"),
        Err(why) => hold_complaint(&why.to_string()),
    }
    match said.parse::<Pue>() {
        Ok(it) => assert!((1.0..=5.0).contains(&it.get())),
        Err(why) => hold_complaint(&why.to_string()),
    }
    if let Err(why) = said.parse::<Share>() {
        hold_complaint(&why.to_string());
    }
}

/// Events: what is counted stays finite and declared, what is not says why.
pub(super) fn events(bytes: &[u8]) {
    let mut counters = Counters::new(sources::standard());
    let before = shown(&counters).series();
    match (events::KIND.read)(bytes) {
        Ok(all) => {
            assert!(all.len() <= events::EVENTS_MAX);
            for event in all {
                if let Err(why) = counters.take(event) {
                    hold_complaint(&why.to_string());
                }
            }
        }
        Err(why) => hold_complaint(&why.to_string()),
    }
    let mut after = shown(&counters);
    assert_eq!(after.series(), before, "no event makes a series that was not declared");
    let finite =
        |it: holdfast::collector::FamilyView<'_>| it.rows().all(|it| it.value().is_finite());
    assert!(after.families().all(finite));
    hold_page(&mut after);
}

fn shown(counters: &Counters) -> Samples {
    let mut samples = Samples::default();
    counters.show(&mut samples);
    samples
}

/// A journal as it is, and as it would be if its lines were linked: whoever can write the file
/// can link them. What it says is folded and shown, whatever that is.
pub(super) fn journal(bytes: &[u8]) {
    match chain::read(bytes) {
        Ok(lines) => assert_eq!(lines.whole + lines.torn, bytes.len()),
        Err(why) => {
            assert!(why.to_string().starts_with("line "), "{why}");
            hold_complaint(&why.to_string());
        }
    }
    let (mut linked, mut head, mut epoch) = (String::new(), chain::GENESIS.to_owned(), 0);
    let entries = bytes.split(|it| *it == b'\n').filter_map(|it| serde_json::from_slice(it).ok());
    for (n, entry) in (0..).zip(entries) {
        let entry: Entry = entry;
        epoch = entry.epoch.max(epoch);
        let (line, next) =
            chain::line(&Entry { v: 1, n, epoch, prev: std::mem::take(&mut head), ..entry });
        linked.push_str(&line);
        head = next;
    }
    let lines = chain::read(linked.as_bytes()).expect("it is linked");
    let evidence = fold::fold(&lines.entries);
    for kind in reports::ALL {
        let report = (kind.render)(&evidence);
        let room = (1 << 20) + 64 * bytes.len();
        assert!(report.len() <= room, "{} is {} bytes long", kind.file(), report.len());
    }
    let files = BTreeMap::from([(seal::JOURNAL.to_owned(), linked.into_bytes())]);
    let verified = verify(&files, None, reports::ALL);
    assert!(!verified.sealed && verified.signer.is_none());
}

/// A key that is read is written as one that is read the same.
pub(super) fn key(bytes: &[u8]) {
    let said = text(bytes);
    if let Ok(key) = Key::from_pem(&said) {
        assert_eq!(Key::from_pem(&key.to_pem()).map(|it| it.public()), Ok(key.public()));
    }
    if let Ok(key) = PublicKey::from_pem(&said) {
        assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key));
    }
}

/// A scenario or a drill: every complaint is at a place in the text.
pub(super) fn manifest(bytes: &[u8]) {
    let source = Source::new("x.yaml", bytes);
    let mut told = Vec::new();
    let read = script(&source, &BTreeMap::new(), &registry::kinds(), &mut told);
    assert_eq!(read.is_some(), told.is_empty(), "{told:?}");
    for it in &told {
        let (place, text) = (it.place, source.text());
        assert!(text.get(place.start..place.end).is_some(), "{it:?} is out of bounds");
    }
    let said = render(&source, &told, false);
    assert!(!said.chars().any(|it| it.is_control() && it != '\n'), "{said:?}");
    if let Some(script) = read {
        assert!(script.plan().len() <= source.text().len());
    }
}

/// What the kernel says of a process.
pub(super) fn process(bytes: &[u8]) {
    if let Some(it) = proc::stat(&text(bytes)) {
        assert!(it.name.len() <= 3 * bytes.len());
    }
    let words: usize = proc::args(bytes).iter().map(|it| it.len() + 1).sum();
    assert!(words <= 3 * bytes.len() + 1);
}

pub(super) fn sandbox_book(bytes: &[u8]) {
    let path = file(book::FILE, bytes);
    if let Err(why) = Book::read(path.parent().expect("a folder")) {
        hold_complaint(&why.to_string());
        assert!(why.to_string().contains(book::FILE), "{why}");
    }
}

/// No seal but one of the key that it names is believed; what is believed has one form.
pub(super) fn seal(bytes: &[u8]) {
    match seal::read(bytes) {
        Ok(it) => assert!(!it.signer.id().is_empty()),
        Err(why) => hold_complaint(&why.to_string()),
    }
    let files = BTreeMap::from([(seal::FILE.to_owned(), bytes.to_vec())]);
    let verified = verify(&files, Some(&Key::from_seed(&[9; 32]).public()), reports::ALL);
    assert!(!verified.findings.is_empty(), "a seal without its journal is no seal");
}

/// Two files of metrics, parted by a zero byte.
pub(super) fn textfile(bytes: &[u8]) {
    let folder = file("textfiles", b"").with_file_name("metrics");
    fs::create_dir_all(&folder).expect("room");
    let mut files = bytes.splitn(2, |it| *it == 0);
    for name in ["a.prom", "b.prom"] {
        fs::write(folder.join(name), files.next().unwrap_or_default()).expect("room");
    }
    collect_own(Textfile::new(Arc::new(Mutex::new(Some(folder)))));
}
