//! Everything that reads strangers' bytes, and what each promises of any bytes whatever.
//!
//! One list for the tests and for the fuzzer (`fuzz/`): a new parser is one line here, a new
//! collector one in `machine.rs`. A target panics when a promise is broken.

mod machine;
mod parsers;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Something that reads strangers' bytes.
pub(crate) struct Target {
    pub(crate) name: String,
    /// What it reads on a good day.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// It writes files at each input, which takes its time.
    pub(crate) writes: bool,
    /// Reads these bytes, and holds what comes of it against what was promised.
    pub(crate) play: Play,
}

/// Reads an input.
pub(crate) type Play = Box<dyn FnMut(&[u8])>;

/// A parser that is a function of its argument, and files in the tree that it reads.
type Parser = (&'static str, fn(&[u8]), &'static [&'static str]);

const PARSERS: &[Parser] = &[
    ("accept", parsers::accept, &[]),
    ("agent_file", parsers::agent_file, &[]),
    ("answer", parsers::answer, &[]),
    ("authorization", parsers::authorization, &[]),
    ("carbon", parsers::carbon, &[]),
    ("events", parsers::events, &[]),
    ("host_file", parsers::host_file, &[]),
    ("journal", parsers::journal, &[]),
    ("key", parsers::key, &[]),
    ("manifest", parsers::manifest, &["chaos-scenarios", "tests/golden/manifest/mistakes.yaml"]),
    ("process", parsers::process, &["tests/fixtures/machine/proc/23/stat"]),
    ("sandbox_book", parsers::sandbox_book, &[]),
    ("seal", parsers::seal, &[]),
    ("textfile", parsers::textfile, &[]),
    ("web_config", parsers::web_config, &["docs/web-config.yml"]),
];

/// The names of all targets.
pub(crate) fn names() -> Vec<String> {
    let parsers = PARSERS.iter().map(|it| it.0.to_owned());
    parsers.chain(machine::names()).collect()
}

/// The target of this name, ready to be played.
pub(crate) fn target(name: &str) -> Option<Target> {
    let mut target = match PARSERS.iter().find(|it| it.0 == name) {
        Some((name, play, files)) => Target {
            name: (*name).to_owned(),
            seeds: files.iter().flat_map(|it| beneath(&tree(it))).map(|it| read(&it)).collect(),
            writes: false,
            play: Box::new(*play),
        },
        None => machine::target(name)?,
    };
    target.seeds.extend(beneath(&kept().join(name)).iter().map(|it| read(it)));
    Some(target)
}

/// Where inputs are kept: a folder for each target, of seeds and of what once broke it.
pub(crate) fn kept() -> PathBuf {
    tree("fuzz/seeds")
}

/// A place in the tree; the fuzzer is a crate inside it.
pub(crate) fn tree(inside: &str) -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut homes = crates.filter(|it| it.join("chaos-scenarios").is_dir());
    homes.next().expect("the tree is around us").join(inside)
}

/// The files of a folder and of those in it, sorted; of a file, itself.
fn beneath(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut inside: Vec<PathBuf> = entries.flatten().map(|it| it.path()).collect();
    inside.sort();
    inside.iter().flat_map(|it| beneath(it)).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file of ours can be read")
}

/// A folder for files that are written again and again: in memory where there is such a place.
fn scratch() -> tempfile::TempDir {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    made.expect("a folder can be made")
}

/// What a complaint owes its reader: it says something, it is no longer than a page, and it
/// does what a terminal cannot mistake for an order.
fn hold_complaint(said: &str) {
    assert!(!said.trim().is_empty(), "a complaint says nothing");
    assert!(said.len() <= 4096, "{} bytes of complaint", said.len());
    assert!(!said.chars().any(|it| it.is_control() && it != '\n'), "{said:?}");
}
