//! The rules of the house, held against the tree itself.
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Modules that may touch the machine by themselves, and why.
const ROOMS: &[(&str, &str)] = &[
    ("world/", "this is the wall"),
    ("sandbox/", "the miniature bank is servers: it is a world of its own"),
    ("agent/", "a server listens, reads its settings and is asked over real sockets"),
    ("evidence/folder.rs", "a run's folder is read and sealed here"),
    ("cli/", "the command line: arguments, terminal, exit codes"),
    ("engine/guardian.rs", "it tells the guardian its own process number"),
    ("main.rs", "the exit code"),
];

/// What takes a room. Exit codes are no effect.
const EFFECTS: &[&str] = &[
    "rustix::",
    "nix::",
    "tokio::net",
    "tokio::process",
    "tokio::fs",
    "std::fs",
    "std::process",
    "std::net",
];

/// What no file may hold; written so that this file does not.
fn never() -> Vec<String> {
    let join = |it: &[&str]| it.concat();
    vec![
        join(&["TO", "DO"]),
        join(&["FIX", "ME"]),
        join(&["#[ign", "ore"]),
        join(&["#[all", "ow("]),
        join(&["#![all", "ow("]),
        join(&["/wo", "rk/"]),
        join(&["shared/", "reference"]),
        join(&["crates", ".io"]),
        join(&["pypi", ".org"]),
        join(&["npmjs", ".org"]),
    ]
}

/// No room may hold more than its share of the code: a third while the house is small.
const SHARE_MAX: usize = 3;
const LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 100;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends so, with its text.
fn files(folder: &str, ends: &[&str]) -> Vec<(String, String)> {
    let (mut all, mut queue) = (Vec::new(), vec![root().join(folder)]);
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            let inside = fs::read_dir(&path).expect("a folder").flatten().map(|it| it.path());
            queue.extend(inside.filter(|it| !is_built(it)));
        } else if ends.iter().any(|it| path.to_string_lossy().ends_with(it)) {
            let name = path.strip_prefix(root()).expect("below").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{name}: {why}"));
            all.push((name, text));
        }
    }
    all.sort();
    all
}

fn is_built(path: &Path) -> bool {
    let built: [PathBuf; 2] = [root().join("target"), root().join(".git")];
    built.iter().any(|it| it == path)
}

/// Code alone: comments and the text in quotes are no imports.
fn code(text: &str) -> String {
    text.lines().map(|it| it.split("//").next().unwrap_or_default().trim()).collect()
}

/// The floors of `lib.rs`: the module's name, and how high it lies.
fn floors() -> BTreeMap<String, usize> {
    let plan = fs::read_to_string(root().join("src/lib.rs")).expect("a plan");
    let (mut floor, mut floors) = (0, BTreeMap::new());
    for line in plan.lines() {
        if line.starts_with("// floor: ") {
            floor += 1;
        } else if let Some(name) = line.strip_prefix("pub mod ") {
            floors.insert(name.trim_end_matches(';').to_owned(), floor);
        }
    }
    floors
}

/// The modules that a text names from the top: in `use crate::{a, b::{c}}` and in `crate::a::b`.
fn named(code: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for piece in code.split("crate::").skip(1) {
        let Some(inner) = piece.strip_prefix('{') else {
            all.insert(word(piece));
            continue;
        };
        let mut depth = 0;
        let mut fresh = true;
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                _ if fresh && c.is_ascii_lowercase() => {
                    all.insert(word(&inner[at..]));
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    all
}

fn word(text: &str) -> String {
    text.chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '_').collect()
}

#[test]
fn no_path_climbs_to_a_higher_floor() {
    let floors = floors();
    assert!(floors.len() > 15, "{floors:?}");
    let mut climbs = Vec::new();
    for (name, text) in files("src", &[".rs"]) {
        let own = word(name.strip_prefix("src/").expect("below src"));
        let Some(floor) = floors.get(&own) else { continue };
        let high = |it: &String| floors.get(it).is_some_and(|other| other > floor);
        climbs
            .extend(named(&code(&text)).into_iter().filter(high).map(|it| format!("{name}: {it}")));
    }
    assert_eq!(climbs, Vec::<String>::new(), "paths to a higher floor");
    let told: BTreeSet<String> = floors.into_keys().collect();
    let there = fs::read_dir(root().join("src")).expect("src").flatten();
    let there = there.map(|it| word(&it.file_name().to_string_lossy()));
    let there: BTreeSet<String> = there.filter(|it| it != "lib" && it != "main").collect();
    assert_eq!(told, there, "the plan and what is there");
}

#[test]
fn the_reader_of_floors_reads_both_ways_of_naming() {
    let text = "use crate::{\n    a::{b, c::{d}},\n    e,\n    f::g,\n};\nlet x = crate::h::i(); // crate::j";
    let all: Vec<String> = named(&code(text)).into_iter().collect();
    assert_eq!(all, ["a", "e", "f", "h"]);
}

#[test]
fn a_file_can_be_seen_at_a_glance() {
    let mut wrong = Vec::new();
    for (name, text) in files("src", &[".rs"]).into_iter().chain(files("tests", &[".rs"])) {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{name}: {lines} lines"));
        }
        for (n, line) in (1..).zip(text.lines()) {
            // A text that would be unreadable in pieces may be long; nothing else may.
            if line.chars().count() > COLUMNS_MAX && !line.contains('"') {
                wrong.push(format!("{name}:{n}: {} columns", line.chars().count()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn nothing_is_left_for_later_and_nothing_points_outside() {
    let never = never();
    let mut wrong = Vec::new();
    let ends = [".rs", ".md", ".toml", ".yaml", ".yml", ".json", ".sh", "/run"];
    for (name, text) in files("", &ends) {
        for (n, line) in (1..).zip(text.lines()) {
            let bad = never.iter().filter(|it| line.contains(it.as_str()));
            wrong.extend(bad.map(|it| format!("{name}:{n}: {it}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_machine_is_touched_only_in_rooms_for_it() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (name, text) in files("src", &[".rs"]) {
        let inside = name.strip_prefix("src/").expect("below src");
        let code = code(&text);
        let Some(effect) = EFFECTS.iter().find(|it| names(&code, it)) else { continue };
        match ROOMS.iter().find(|it| inside.starts_with(it.0)) {
            Some(room) => {
                used.insert(room.0);
            }
            None => wrong.push(format!("{name}: {effect}")),
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "outside the rooms");
    let all: BTreeSet<&str> = ROOMS.iter().map(|it| it.0).collect();
    assert_eq!(used, all, "a room that needs no key");
}

/// Whether `code` names `path`, also as a part of `use std::{fs, …}`.
fn names(code: &str, path: &str) -> bool {
    let Some((head, tail)) = path.split_once("::").filter(|it| !it.1.is_empty()) else {
        let starts = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        return code.match_indices(path).any(|it| starts(it.0));
    };
    let group = format!("use {head}::{{");
    let grouped = code.split(group.as_str()).skip(1).any(|it| {
        named(&format!("crate::{{{}", it.split(';').next().unwrap_or_default())).contains(tail)
    });
    grouped || code.contains(&format!("{path}::")) || code.contains(&format!("{path};"))
}

#[test]
fn every_file_stands_in_the_list_of_its_folder() {
    for (name, text) in files("src", &["/mod.rs"]) {
        let folder = root().join(&name).parent().expect("a folder").to_owned();
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let rust = path.is_dir() || path.extension().is_some_and(|it| it == "rs");
            let listed = |it: &str| it.ends_with(&format!("mod {stem};"));
            if rust && stem != "mod" {
                assert!(text.lines().any(listed), "{name} does not list {stem}");
            }
        }
    }
}

#[test]
fn no_room_is_the_whole_house() {
    let mut rooms: BTreeMap<String, usize> = BTreeMap::new();
    for (name, text) in files("src", &[".rs"]) {
        let room = word(name.strip_prefix("src/").expect("below src"));
        *rooms.entry(room).or_default() += text.lines().count();
    }
    let all: usize = rooms.values().sum();
    for (room, lines) in &rooms {
        println!("{lines:6} {:4} % {room}", lines * 100 / all);
        assert!(lines * SHARE_MAX < all, "{room} has {lines} of {all} lines");
    }
}

#[test]
fn every_kind_is_a_file_of_its_family() {
    for (family, lists) in [
        ("faults", &holdfast::faults::KINDS.iter().map(|it| it.about.name).collect::<Vec<_>>()),
        ("steps", &holdfast::steps::KINDS.iter().map(|it| it.about.name).collect()),
        ("probes", &holdfast::probes::KINDS.iter().map(|it| it.about.name).collect()),
        ("ledgers", &holdfast::ledgers::KINDS.iter().map(|it| it.about.name).collect()),
    ] {
        let folder = files(&format!("src/{family}"), &[".rs"]);
        // A kind that is too much for one file is a folder.
        let of = |path: &str| -> String {
            let own = path.strip_prefix(&format!("src/{family}/")).expect("below");
            own.split('/').next().expect("a name").trim_end_matches(".rs").to_owned()
        };
        let mut kinds: Vec<String> = folder.iter().map(|it| of(&it.0)).collect();
        kinds.retain(|it| it != "mod");
        kinds.dedup();
        assert_eq!(&kinds, lists, "{family}: one file a kind, in order");
    }
}
