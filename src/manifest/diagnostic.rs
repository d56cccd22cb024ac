//! A complaint about what the user wrote: its place, and a way out. One constructor each.

use crate::manifest::{
    place::Place,
    words::{did_you_mean, list, quote},
};

/// A complaint at a place of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{what}")]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// What is wrong, in a sentence without a full stop.
    pub what: String,
    /// Another place that has to do with it, and why.
    pub also: Option<(Place, &'static str)>,
    /// What to do about it. Empty where `what` says so itself.
    pub help: String,
}

impl Diagnostic {
    /// A complaint of the caller's own: for mistakes that only the caller can see.
    pub fn new(what: impl Into<String>, place: Place, help: impl Into<String>) -> Self {
        Self { place, what: what.into(), also: None, help: help.into() }
    }

    /// Shows a second place beside the first.
    #[must_use]
    pub fn and(mut self, place: Place, why: &'static str) -> Self {
        self.also = Some((place, why));
        self
    }

    /// The file is not text.
    pub(crate) fn not_text(place: Place) -> Self {
        Self::new("this is not UTF-8 text", place, "save the file as UTF-8")
    }

    /// The file is larger than a manifest may be.
    pub(crate) fn too_long(bytes_max: usize) -> Self {
        let what = format!("the file is longer than {} KiB", bytes_max / 1024);
        Self::new(what, Place::default(), "split it into several files")
    }

    /// There is nothing in the file.
    pub(crate) fn empty() -> Self {
        Self::new("the file is empty", Place::default(), "write one mapping of keys and values")
    }

    /// The text is not YAML.
    pub(crate) fn syntax(why: &str, place: Place, help: &str) -> Self {
        Self::new(format!("this is not YAML: {why}"), place, help)
    }

    /// More values than a manifest may hold, aliases counted at each use.
    pub(crate) fn too_many(nodes_max: usize, place: Place) -> Self {
        let what = format!("more than {nodes_max} values in one file");
        Self::new(what, place, "split it into several files; each use of an alias counts in full")
    }

    /// Nested too deeply.
    pub(crate) fn too_deep(depth_max: usize, place: Place) -> Self {
        let what = format!("nested more than {depth_max} deep");
        Self::new(what, place, "take levels away; aliases count with what they stand for")
    }

    /// A second document.
    pub(crate) fn second_document(place: Place) -> Self {
        Self::new("a second document in one file", place, "put it into a file of its own")
    }

    /// A tag (`!x`).
    pub(crate) fn tag(place: Place) -> Self {
        Self::new("tags have no meaning here", place, "write the value without its tag")
    }

    /// An alias inside of what it stands for.
    pub(crate) fn endless_alias(place: Place) -> Self {
        Self::new("this alias stands for what contains it", place, "write the value itself")
    }

    /// A list or a mapping as a key.
    pub(crate) fn key_is_no_text(place: Place) -> Self {
        Self::new("a key is a word, not a list or a mapping", place, "write `word: value`")
    }

    /// The same key twice in one mapping.
    pub(crate) fn twice(key: &str, place: Place, first: Place) -> Self {
        Self::new(format!("{} is given twice", quote(key)), place, "keep one of them")
            .and(first, "first here")
    }

    /// A key that nobody reads.
    pub(crate) fn unknown_key(key: &str, place: Place, known: &[&str]) -> Self {
        let help = match key {
            "<<" => "merge keys are not read: write the keys themselves".to_owned(),
            _ if known.is_empty() => "take it away: no key belongs here".to_owned(),
            _ => did_you_mean(key, known),
        };
        Self::new(format!("there is no key {} here", quote(key)), place, help)
    }

    /// A name that stands for nothing: a fault that there is not, a probe that nobody declared.
    pub fn unknown_name(sort: &str, name: &str, place: Place, known: &[&str]) -> Self {
        Self::new(format!("there is no {sort} {}", quote(name)), place, did_you_mean(name, known))
    }

    /// A value that is not one of a fixed few.
    pub(crate) fn none_of(word: &str, place: Place, known: &[&str]) -> Self {
        let help = match did_you_mean(word, known) {
            it if it.starts_with("did") => it.split(" (").next().unwrap_or("").to_owned(),
            _ => "write one of them".to_owned(),
        };
        Self::new(format!("{} is none of {}", quote(word), list(known)), place, help)
    }

    /// A key that must be there. `home` says to what it belongs.
    pub(crate) fn missing(field: &str, place: Place, home: &str) -> Self {
        Self::new(format!("`{field}` is missing"), place, format!("add `{field}: …` {home}"))
    }

    /// A value of the wrong sort.
    pub(crate) fn wrong(wanted: &str, given: &str, place: Place, help: &str) -> Self {
        Self::new(format!("{wanted} is wanted here, {given}"), place, help)
    }

    /// One of several words, one that wants a value.
    pub(crate) fn bare(word: &str, place: Place) -> Self {
        let help = format!("write {}", quote(&format!("{word}: …")));
        Self::new(format!("{} wants a value", quote(word)), place, help)
    }

    /// `${name}` of an unknown name.
    pub(crate) fn unknown_variable(name: &str, place: Place, known: &[&str]) -> Self {
        let help = if known.is_empty() {
            "no variable is set; write `$${` where the text itself has `${`".to_owned()
        } else {
            did_you_mean(name, known)
        };
        Self::new(format!("there is no variable {}", quote(name)), place, help)
    }

    /// `${` that is no variable.
    pub(crate) fn not_a_variable(place: Place) -> Self {
        Self::new(
            "this is not a variable",
            place,
            "write `${name}`, or `$${` where the text itself has `${`",
        )
    }

    /// Variables that make the file too long.
    pub(crate) fn filled_too_long(bytes_max: usize, place: Place) -> Self {
        let what = format!("variables make the file longer than {} KiB", bytes_max / 1024);
        Self::new(what, place, "give the variables shorter values")
    }

    /// An entry that names no kind.
    pub(crate) fn no_kind(sort: &str, place: Place, known: &[&str]) -> Self {
        let help = format!(
            "name one, as in `{}: …`; known: {}",
            known.first().unwrap_or(&sort),
            list(known)
        );
        Self::new(format!("this entry names no {sort}"), place, help)
    }

    /// An entry that names two kinds.
    pub(crate) fn two_kinds(sort: &str, place: Place, first: Place) -> Self {
        Self::new(format!("a second {sort} in one entry"), place, "give it an entry of its own")
            .and(first, "first here")
    }
}
