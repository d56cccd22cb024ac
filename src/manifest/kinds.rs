//! Entries of a list that name their kind by a key: `{process_pause: {…}, for: 10s}`.

use crate::manifest::{
    diagnostic::Diagnostic,
    node::{Doc, Home, Id, Node, Value},
    place::Place,
    words::nearest,
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

    /// Puts a value under the key that was meant, unless there is one already.
    fn adopt(&mut self, mapping: Id, meant: &str, (key, value): (Id, Id)) {
        if self.get(mapping, meant).is_some() {
            return;
        }
        let (place, id) = (self.place(key), Id::new(self.nodes.len()));
        let word = Value::Scalar { text: meant.to_owned(), plain: true };
        self.nodes.push(Node { place, value: word, home: Home::Top, spoilt: false });
        if let Some(Value::Map(pairs)) = self.node_mut(mapping).map(|it| &mut it.value) {
            pairs.push((id, value));
        }
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

/// A kind that an entry names.
#[derive(Debug, Clone, Copy)]
struct Named {
    number: usize,
    settings: Id,
    place: Place,
}

impl Menu<'_> {
    /// Finds the one kind that an entry names. What is not known, a second kind, and no kind at
    /// all are complaints; a slip of the hand is told and then read as what was meant. None if
    /// the entry is no mapping (told, too) or is `Id::NOWHERE`.
    pub fn pick(&self, doc: &mut Doc, id: Id, out: &mut Vec<Diagnostic>) -> Option<Pick> {
        let Some(Parted { common, rest }) = doc.part(id, self.common) else {
            if doc.node(id).is_some_and(|it| !it.spoilt) {
                out.push(self.no_mapping(doc, id));
            }
            return None;
        };
        let (mut kind, strange) = self.known(doc, rest, out);
        let mut told = false;
        for (key, value) in strange {
            let (word, place) = (doc.text(key).unwrap_or("").to_owned(), doc.place(key));
            let meant = nearest(&word, self.common);
            let named = self.number(nearest(&word, self.known).unwrap_or(""));
            if kind.is_none() && (named.is_some() || meant.is_none()) {
                out.push(Diagnostic::unknown_name(self.sort, &word, place, self.known));
                kind = named.map(|number| Named { number, settings: value, place });
                told = true;
            } else {
                out.push(Diagnostic::unknown_key(&word, place, self.common));
                if let Some(meant) = meant {
                    doc.adopt(common, meant, (key, value));
                }
            }
        }
        if kind.is_none() && !told {
            out.push(Diagnostic::no_kind(self.sort, doc.head(id), self.known));
        }
        let place = kind.map_or_else(|| doc.head(id), |it| it.place);
        Some(Pick { common, kind: kind.map(|it| (it.number, it.settings)), place })
    }

    fn number(&self, word: &str) -> Option<usize> {
        self.known.iter().position(|it| *it == word)
    }

    /// The first known kind, and all that is none; further known ones are told.
    fn known(
        &self,
        doc: &Doc,
        rest: Vec<(Id, Id)>,
        out: &mut Vec<Diagnostic>,
    ) -> (Option<Named>, Vec<(Id, Id)>) {
        let (mut kind, mut strange) = (None::<Named>, Vec::new());
        for (key, settings) in rest {
            let place = doc.place(key);
            match (self.number(doc.text(key).unwrap_or("")), kind) {
                (Some(number), None) => kind = Some(Named { number, settings, place }),
                (Some(_), Some(first)) => {
                    out.push(Diagnostic::two_kinds(self.sort, place, first.place));
                }
                (None, _) => strange.push((key, settings)),
            }
        }
        (kind, strange)
    }

    fn no_mapping(&self, doc: &Doc, id: Id) -> Diagnostic {
        let place = doc.place(id);
        let word = doc.text(id).unwrap_or("");
        let example = self.known.iter().find(|it| **it == word).or(self.known.first());
        let help = format!("write `{}:`, with settings under it", example.unwrap_or(&self.sort));
        let wanted = format!("a mapping that names its {}", self.sort);
        Diagnostic::wrong(&wanted, &doc.given(id), place, &help)
    }
}
