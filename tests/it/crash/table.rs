//! The table of who heals what, and how fast: printed by every run, kept by a blessed one.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use super::cases::Case;

const BEGIN: &str = "<!-- measured: begin -->\n";
const HEAD: &str = "| fault | who heals | healed after SIGKILL |\n|---|---|---|\n";
const END: &str = "<!-- measured: end -->\n";

/// How a fault was healed.
pub(super) enum Healing {
    /// So long after the runner's death.
    Took(Duration),
    /// The machine does not allow it.
    NotHere,
}

/// As lines of a table.
pub(super) fn lines(cases: &[Case], told: &BTreeMap<&str, Healing>) -> Vec<String> {
    let line = |it: &Case| {
        let took = match told.get(it.kind) {
            Some(Healing::Took(it)) => format!("{} ms", it.as_millis()),
            Some(Healing::NotHere) => "refused by name where it was measured".to_owned(),
            None => "not measured".to_owned(),
        };
        format!("| `{}` | {} | {took} |", it.kind, it.who)
    };
    cases.iter().map(line).collect()
}

/// Writes them into the page, if that was asked for, in the place of lines of the same faults.
pub(super) fn bless(text: &str) {
    if std::env::var_os("HOLDFAST_BLESS").is_none() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/safety.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let (head, tail) = page.split_once(BEGIN).expect("it has a place for the table");
    let (known, tail) = tail.split_once(END).expect("the place has an end");
    let rows = known.lines().filter(|it| it.starts_with("| `")).chain(text.lines());
    let rows: BTreeMap<&str, &str> =
        rows.map(|it| (it.split('`').nth(1).expect("a kind"), it)).collect();
    let rows = rows.into_values().fold(HEAD.to_owned(), |text, it| text + it + "\n");
    fs::write(path, format!("{head}{BEGIN}\n{rows}\n{END}{tail}")).expect("it can be written");
}
