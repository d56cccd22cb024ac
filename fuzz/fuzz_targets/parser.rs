#![no_main]
//! Plays the target that `TARGET` names; without one, says which there are.

#[path = "../../tests/it/hostile/targets/mod.rs"]
mod targets;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use targets::{Target, names, target};

thread_local! {
    static PLAYED: RefCell<Target> = RefCell::new(chosen());
}

fn chosen() -> Target {
    let name = std::env::var("TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| {
        names().iter().for_each(|it| println!("{it}"));
        std::process::exit(2)
    })
}

fuzz_target!(
    init: PLAYED.with_borrow(|it| {
        // The good inputs, for whoever says where they shall begin.
        if let Ok(folder) = std::env::var("SEEDS") {
            for (n, seed) in it.seeds.iter().enumerate() {
                std::fs::write(format!("{folder}/seed-{n}"), seed).expect("a folder for seeds");
            }
        }
    }),
    |input: &[u8]| PLAYED.with_borrow_mut(|it| (it.play)(input))
);
