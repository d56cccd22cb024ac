//! `holdfast explain`: what every kind says about itself.

use clap::Args;

use crate::{
    about::About,
    action::ActionKind,
    cli::{exit::Exit, kinds_page, show},
    journal::entry::{Family, UndoClass},
    registry,
};

/// What `holdfast explain` is told.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A kind, such as `process_pause`; all of them if none is named.
    #[arg(value_name = "KIND")]
    kind: Option<String>,
    /// Print all that every kind says, as a page of Markdown.
    #[arg(long, conflicts_with = "kind")]
    page: bool,
}

/// Explains.
pub(super) fn run(it: &ExplainArgs) -> Exit {
    match &it.kind {
        None if it.page => {
            show::line(kinds_page::page().trim_end());
            Exit::Pass
        }
        None => {
            for line in table() {
                show::line(line);
            }
            Exit::Pass
        }
        Some(name) => one(name),
    }
}

/// Every kind, one line each: Markdown rows, as the README has them.
pub fn table() -> Vec<String> {
    let mut rows = vec!["| kind | what | if we vanish |".to_owned(), "|---|---|---|".to_owned()];
    for it in registry::actions() {
        let About { name, summary, .. } = it.about;
        rows.push(format!("| {} `{name}` | {summary} | {} |", family(it.family), back(it)));
    }
    for it in registry::probes() {
        let (About { name, summary, .. }, tells) = (it.about, it.readings.join(", "));
        rows.push(format!("| probe `{name}` | {summary}; tells {tells} | |"));
    }
    for it in registry::ledgers() {
        let About { name, summary, .. } = it.about;
        rows.push(format!("| ledger `{name}` | {summary} | its records stay |"));
    }
    rows
}

pub(super) fn family(family: Family) -> &'static str {
    match family {
        Family::Fault => "fault",
        Family::Step => "step",
    }
}

/// Who goes back. A step was done on purpose: it stands, unless the file says otherwise.
pub(super) fn back(kind: &ActionKind) -> &'static str {
    match (kind.family, kind.class) {
        (Family::Fault, UndoClass::Kernel) => "the kernel goes back",
        (Family::Fault, UndoClass::Guardian) => "the guardian goes back",
        (Family::Fault, UndoClass::OneShot) => "it cannot be undone",
        (Family::Step, UndoClass::Kernel | UndoClass::Guardian) => {
            "it stands; with `on_vanish: heal` the guardian goes back"
        }
        (Family::Step, UndoClass::OneShot) => "it stands; it cannot be undone",
    }
}

fn one(name: &str) -> Exit {
    let mut found = false;
    for it in registry::actions().into_iter().filter(|it| it.about.name == name) {
        found = true;
        card(it.about, &format!("if we vanish: {}", back(it)));
    }
    for it in registry::probes().into_iter().filter(|it| it.about.name == name) {
        found = true;
        card(it.about, &format!("`expect` may name: {}", it.readings.join(", ")));
    }
    for it in registry::ledgers().into_iter().filter(|it| it.about.name == name) {
        found = true;
        card(it.about, "a drill's `witness` writes to it");
    }
    if found {
        return Exit::Pass;
    }
    show::error(format!("there is no kind `{name}`"), "`holdfast explain` lists all of them");
    Exit::Usage
}

fn card(about: &About, more: &str) {
    show::line(format!("{}: {}", about.name, about.summary));
    show::line(more);
    for it in about.needs {
        show::line(format!("needs: {}", it.remedy()));
    }
    show::line("example:");
    show::line(format!("  {}:", about.name));
    for line in about.example.lines() {
        show::line(format!("    {line}"));
    }
}
