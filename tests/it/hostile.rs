//! Bytes of strangers, whoever reads them: nothing panics, nothing grows without bound, and what
//! comes of it keeps its promise. The fuzzer in `fuzz/` plays the same targets for longer.

mod targets;

use std::{collections::BTreeSet, panic, sync::Mutex};

use targets::{kept, names, target};

/// Chance that is the same everywhere and always (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a length");
        usize::try_from(self.throw() % end).expect("it is below a length")
    }
}

/// What parsers stumble over.
const ODD: [&[u8]; 24] = [
    b"",
    b"\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"-",
    b"-1",
    b"+",
    b"0",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775807",
    b"4294967296",
    b"1e999",
    b"nan",
    b"inf",
    b"0x",
    b"\"",
    b"\\",
    b"{",
    b"\xff",
    "\u{301}支".as_bytes(),
    b"cpu",
];

fn odd(dice: &mut Dice) -> Vec<u8> {
    ODD.get(dice.below(ODD.len())).copied().unwrap_or_default().to_vec()
}

/// An input that is like a good one, and is not.
fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds.get(dice.below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=dice.below(4) {
        let from = dice.below(input.len() + 1);
        let most = if dice.below(4) == 0 { input.len() } else { 24 };
        let to = (from + dice.below(most + 1)).min(input.len());
        match dice.below(6) {
            0 => input.truncate(from),
            1 => drop(input.splice(from..to, [])),
            2 => drop(input.splice(from..to, odd(dice))),
            3 => drop(input.splice(from..from, odd(dice))),
            4 => {
                let again = input.get(from..to).unwrap_or_default().to_vec();
                drop(input.splice(from..from, again));
            }
            _ => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    input.truncate(64 << 10);
    input
}

/// How many inputs each target meets, beside those that are kept; fewer where each writes files.
const INPUTS: u64 = 600;
const INPUTS_OF_FILES: u64 = 150;
/// So many times as many when there is time (`tests/run --soak`).
const SOAK: u64 = 20;

/// Plays one target; says which input broke it.
fn broken_by(name: &str) -> Option<String> {
    let mut target = target(name).expect("a target of this name");
    let times = if std::env::var_os("HOLDFAST_SOAK").is_some() { SOAK } else { 1 };
    let inputs = times * if target.writes { INPUTS_OF_FILES } else { INPUTS };
    let mut dice = Dice(inputs);
    let seeds = target.seeds.clone();
    let fresh = (0..inputs).map(|_| mutated(&seeds, &mut dice));
    let every = seeds.iter().cloned().chain([Vec::new()]).chain(fresh);
    for input in every {
        let play = panic::AssertUnwindSafe(|| (target.play)(&input));
        if panic::catch_unwind(play).is_err() {
            return Some(format!("{}: broken by `{}`", target.name, input.escape_ascii()));
        }
    }
    None
}

#[test]
fn no_parser_is_broken_by_what_it_reads() {
    let (left, broken) = (Mutex::new(names()), Mutex::new(Vec::new()));
    let next = || left.lock().expect("nobody panics with it").pop();
    let play = || {
        while let Some(name) = next() {
            let found = broken_by(&name);
            broken.lock().expect("nobody panics with it").extend(found);
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(play);
        }
    });
    let broken = broken.into_inner().expect("nobody panics with it");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_is_kept_belongs_to_a_target() {
    let folders = std::fs::read_dir(kept()).expect("a folder").flatten();
    let folders: BTreeSet<String> =
        folders.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    let unknown: Vec<&String> = folders.iter().filter(|it| !names().contains(it)).collect();
    assert_eq!(unknown, Vec::<&String>::new());
    let without: Vec<String> =
        names().into_iter().filter(|it| target(it).is_none_or(|it| it.seeds.is_empty())).collect();
    assert_eq!(without, Vec::<String>::new(), "without a seed");
}

/// One collector's panic is that collector's failure only as long as panics unwind.
#[test]
fn no_profile_lets_a_panic_take_the_process_down() {
    let manifest = std::fs::read_to_string(targets::tree("Cargo.toml")).expect("it is there");
    // `[lints.clippy]` has a word for panics, too.
    let ways = ["\"abort\"", "\"immediate-abort\""].map(|it| format!("panic = {it}"));
    assert!(ways.iter().all(|it| !manifest.contains(it)), "a profile aborts");
    assert!(manifest.contains("[profile.release]\npanic = \"unwind\""), "said of the release");
    const { assert!(cfg!(panic = "unwind")) };
}
