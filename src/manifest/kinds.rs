//! Entries of a list that name their kind by a key: `{process_pause: {…}, for: 10s}`.

use crate::manifest::{
    diagnostic::Diagnostic,
    node::{Doc, Id, Node, Value},
    place::Place,
};

/// A mapping in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parted {
    /// The common keys, as a mapping of their own.
    pub common: Id,
    /// The other keys and their values, in the order of the file.
    pub rest: Vec<(Id, Id)>,
}

impl Doc {
    /// Parts a mapping into the keys in `common` and what is left. None if it is no mapping.
    pub fn part(&mut self, id: Id, common: &[&str]) -> Option<Parted> {
        let (pairs, home) = (self.pairs(id)?.to_vec(), self.node(id)?.home);
        let is_common = |key: Id| self.text(key).is_some_and(|it| common.contains(&it));
        let (mine, rest) = pairs.into_iter().partition(|it| is_common(it.0));
        let (place, value) = (self.place(id), Value::Map(mine));
        let common = Id::new(self.nodes.len());
        self.nodes.push(Node { place, value, home, spoilt: false });
        Some(Parted { common, rest })
    }
}

/// The kinds that an entry can name, and the keys that may stand beside the kind.
#[derive(Debug, Clone, Copy)]
pub struct Menu<'a> {
    /// What a kind is called: `fault`.
    pub sort: &'a str,
    /// The kinds' names.
    pub known: &'a [&'a str],
    /// The keys that every entry may have.
    pub common: &'a [&'a str],
}

/// What an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// The common keys, as a mapping of their own, to be read whatever became of the kind.
    pub common: Id,
    /// The kind's number in `known`, and its settings. None if that was a mistake, told by now.
    pub kind: Option<(usize, Id)>,
    /// Where to point for what is missing: the kind's key, or else the entry's first line.
    pub place: Place,
}

impl Menu<'_> {
    /// Finds the one kind that an entry names. What is not known, a second kind, and no kind at
    /// all are complaints. None if the entry is no mapping (told, too) or is `Id::NOWHERE`.
    pub fn pick(&self, doc: &mut Doc, id: Id, out: &mut Vec<Diagnostic>) -> Option<Pick> {
        let Some(Parted { common, rest }) = doc.part(id, self.common) else {
            if doc.node(id).is_some_and(|it| !it.spoilt) {
                out.push(self.no_mapping(doc, id));
            }
            return None;
        };
        let word = |key: Id| doc.text(key).unwrap_or("");
        let number = |key: Id| self.known.iter().position(|it| *it == word(key));
        let mut kind: Option<(usize, Id, Place)> = None;
        let mut strange = Vec::new();
        for (key, value) in rest {
            match (number(key), kind) {
                (Some(it), None) => kind = Some((it, value, doc.place(key))),
                (Some(_), Some((.., first))) => {
                    out.push(Diagnostic::two_kinds(self.sort, doc.place(key), first));
                }
                (None, _) => strange.push(key),
            }
        }
        if kind.is_none() && strange.is_empty() {
            out.push(Diagnostic::no_kind(self.sort, doc.head(id), self.known));
        }
        for key in &strange {
            let (word, place) = (word(*key), doc.place(*key));
            out.push(match kind {
                Some(_) => Diagnostic::unknown_key(word, place, self.common),
                None => Diagnostic::unknown_kind(self.sort, word, place, (self.known, self.common)),
            });
        }
        let place = kind.map_or_else(|| doc.head(id), |it| it.2);
        Some(Pick { common, kind: kind.map(|(it, value, _)| (it, value)), place })
    }

    fn no_mapping(&self, doc: &Doc, id: Id) -> Diagnostic {
        let place = doc.place(id).first_line(&doc.text);
        let word = doc.text(id).unwrap_or("");
        let example = self.known.iter().find(|it| **it == word).or(self.known.first());
        let help = format!("write `{}:`, with settings under it", example.unwrap_or(&self.sort));
        let wanted = format!("a mapping that names its {}", self.sort);
        Diagnostic::wrong(&wanted, &doc.given(id), place, &help)
    }
}
