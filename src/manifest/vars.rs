//! Variables in a text: `${name}` becomes the variable's value, `$${` stays as `${`.
//!
//! A value goes in as text: it is not looked through for variables again, and it never becomes a
//! list, a mapping or a key. A scalar that is one variable and nothing else is read as if its
//! value had been written there, so that it can be a number; every other is text. Quotes do not
//! change that, as `{cores: "${n}"}` needs them; they only keep an empty value a text.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{
    diagnostic::Diagnostic,
    node::{Doc, Id, Plain, Value},
    place::Place,
    source::BYTES_MAX,
};

/// So many mistakes are told.
const MISTAKES_MAX: usize = 100;

/// Replaces the variables in all values (not in keys), and notes those that are not known and
/// what only looks like a variable. Reading a value with such a mistake tells nothing more.
pub fn fill(doc: &mut Doc, vars: &BTreeMap<String, String>, out: &mut Vec<Diagnostic>) {
    let known: Vec<&str> = vars.keys().map(String::as_str).collect();
    let (mut room, mut left) = (BYTES_MAX, MISTAKES_MAX);
    for id in values(doc) {
        let Some((text, plain)) = scalar(doc, id) else { continue };
        let Some((filled, bad)) = filled(text, vars, room) else {
            out.push(Diagnostic::filled_too_long(BYTES_MAX, doc.place(id)));
            return;
        };
        room = room.saturating_sub(filled.len());
        let places = if bad.is_empty() { Vec::new() } else { places(doc, id, text) };
        for (n, mark) in bad.iter().take(left) {
            let place = places.get(*n).copied().unwrap_or_else(|| doc.place(id));
            out.push(match mark {
                Mark::Variable(name) => Diagnostic::unknown_variable(name, place, &known),
                Mark::Broken => Diagnostic::not_a_variable(place),
            });
        }
        left = left.saturating_sub(bad.len());
        let mut parts = Parts::of(text);
        let alone = matches!((parts.next(), parts.next()), (Some(Part::Mark(..)), None));
        let plain = alone && (plain || Plain::of(&filled) != Plain::Nothing);
        let spoilt = !bad.is_empty();
        if let Some(node) = doc.node_mut(id) {
            node.spoilt |= spoilt;
            node.value = Value::Scalar { text: filled, plain };
        }
    }
}

/// The names of all variables in values.
pub fn names(doc: &Doc) -> BTreeSet<String> {
    let texts = values(doc).into_iter().filter_map(|id| scalar(doc, id));
    texts
        .flat_map(|(text, _)| marks(text))
        .filter_map(|(mark, _)| match mark {
            Mark::Variable(name) => Some(name.to_owned()),
            Mark::Broken => None,
        })
        .collect()
}

/// All that is a value, each once, in the order of the file.
fn values(doc: &Doc) -> BTreeSet<Id> {
    let mut all = BTreeSet::from([doc.root()]);
    for node in &doc.nodes {
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => all.extend(items),
            Value::Map(pairs) => all.extend(pairs.iter().map(|it| it.1)),
        }
    }
    all
}

/// A scalar in which something may have to be replaced, and whether it has no quotes.
fn scalar(doc: &Doc, id: Id) -> Option<(&str, bool)> {
    match doc.value(id)? {
        Value::Scalar { text, plain } if text.contains("${") => Some((text, *plain)),
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
    }
}

/// The text with its variables replaced, and the marks that could not be, each with its number.
/// Nothing where it would be longer than `room` bytes.
fn filled<'a>(
    text: &'a str,
    vars: &BTreeMap<String, String>,
    room: usize,
) -> Option<(String, Vec<(usize, Mark<'a>)>)> {
    let (mut filled, mut bad, mut n) = (String::new(), Vec::new(), 0_usize);
    for part in Parts::of(text) {
        match part {
            Part::Text(it) => filled.push_str(it),
            Part::Mark(mark, _) => {
                match mark {
                    Mark::Variable(name) if vars.contains_key(name) => {
                        filled.push_str(vars.get(name).map_or("", String::as_str));
                    }
                    Mark::Variable(_) | Mark::Broken => bad.push((n, mark)),
                }
                n += 1;
            }
        }
        if filled.len() > room {
            return None;
        }
    }
    Some((filled, bad))
}

/// The places of a scalar's marks in the file; none where what is written there has other marks,
/// as it may behind escapes.
fn places(doc: &Doc, id: Id, text: &str) -> Vec<Place> {
    let place = doc.place(id);
    let written: Vec<(Mark<'_>, Place)> = marks(place.of(&doc.text)).collect();
    if !written.iter().map(|it| it.0).eq(marks(text).map(|it| it.0)) {
        return Vec::new();
    }
    let moved = |it: Place| Place::new(place.start + it.start, place.start + it.end);
    written.into_iter().map(|it| moved(it.1)).collect()
}

fn marks(text: &str) -> impl Iterator<Item = (Mark<'_>, Place)> {
    Parts::of(text).filter_map(|it| match it {
        Part::Mark(mark, place) => Some((mark, place)),
        Part::Text(_) => None,
    })
}

/// Where something is to be put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark<'a> {
    /// `${name}`
    Variable(&'a str),
    /// `${` and no name and `}` after it.
    Broken,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    /// A mark and its place in the text.
    Mark(Mark<'a>, Place),
}

/// A text cut into its parts, from left to right.
struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn mark(&mut self, inner: &'a str) -> Part<'a> {
        let start = self.at;
        let name = inner.split(|c: char| !is_in_name(c)).next().unwrap_or("");
        let closed = inner.get(name.len()..).is_some_and(|it| it.starts_with('}'));
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        self.at = start + "${".len() + name.len() + usize::from(closed);
        let mark = if closed && named { Mark::Variable(name) } else { Mark::Broken };
        Part::Mark(mark, Place::new(start, self.at))
    }
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        if let Some(inner) = rest.strip_prefix("${") {
            return Some(self.mark(inner));
        }
        if rest.starts_with("$${") {
            self.at += "$${".len();
            return Some(Part::Text("${"));
        }
        // Up to the next mark, or to the next text that only looks like one.
        let end = rest.find("${").map_or(rest.len(), |it| {
            if rest.get(..it).is_some_and(|it| it.ends_with('$')) { it - 1 } else { it }
        });
        self.at += end;
        rest.get(..end).map(Part::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |it| match it {
            Part::Text(it) => format!("text {it}"),
            Part::Mark(Mark::Variable(it), at) => format!("{it} at {}..{}", at.start, at.end),
            Part::Mark(Mark::Broken, at) => format!("broken at {}..{}", at.start, at.end),
        };
        Parts::of(text).map(show).collect()
    }

    #[test]
    fn a_text_is_cut_at_its_variables() {
        assert!(shown("").is_empty());
        assert_eq!(shown("支${a.b-c_1}x"), ["text 支", "a.b-c_1 at 3..13", "text x"]);
        assert_eq!(shown("${a}${b}"), ["a at 0..4", "b at 4..8"]);
        assert_eq!(shown("$a $ {} $"), ["text $a $ {} $"]);
    }

    #[test]
    fn two_dollars_before_a_brace_are_no_variable() {
        assert_eq!(shown("x$${a}"), ["text x", "text ${", "text a}"]);
        assert_eq!(shown("$$${a}"), ["text $", "text ${", "text a}"]);
        assert_eq!(shown("$$"), ["text $$"]);
    }

    #[test]
    fn what_only_looks_like_a_variable_is_broken() {
        assert_eq!(shown("${"), ["broken at 0..2"]);
        assert_eq!(shown("${}"), ["broken at 0..3"]);
        assert_eq!(shown("${1a}"), ["broken at 0..5"]);
        assert_eq!(shown("${a b}"), ["broken at 0..3", "text  b}"]);
        assert_eq!(shown("${a${b}"), ["broken at 0..3", "b at 3..7"]);
    }
}
