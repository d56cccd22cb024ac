//! Text → document, in one pass over the parser's events, within bounds.

use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};

use crate::manifest::{
    diagnostic::Diagnostic,
    node::{Doc, Home, Id, Node, Value},
    place::Place,
    source::Source,
};

/// The most values in one file, aliases counted with all they stand for: whoever walks the
/// document visits no more.
const NODES_MAX: usize = 100_000;
/// The deepest nesting, aliases counted with what they stand for.
const DEPTH_MAX: usize = 64;

impl Doc {
    /// Reads one document and notes every mistake. No document comes back where the text is not
    /// YAML, empty, or beyond a bound: a parser cannot go on after that.
    pub fn parse(source: &Source, out: &mut Vec<Diagnostic>) -> Option<Self> {
        if let Some(flaw) = source.flaw() {
            out.push(flaw.clone());
            return None;
        }
        let mut builder = Builder::new(source.text(), out);
        let told = builder.read();
        match (told, builder.root) {
            (Err(Enough), _) => None,
            (Ok(()), Some(root)) if !builder.is_blank(root) => {
                Some(Self { nodes: builder.nodes, root, text: source.text().into() })
            }
            (Ok(()), _) => {
                builder.out.push(Diagnostic::empty());
                None
            }
        }
    }
}

/// The mistake was told, and nothing more can be learnt.
struct Enough;

/// A list or a mapping whose end has not come yet.
struct Open {
    id: Id,
    /// The key that waits for its value, and whether it counts: a twin does not.
    key: Option<(Id, bool)>,
    /// The keys so far, to find twins.
    keys: BTreeMap<String, Id>,
    /// How many values there were before it.
    before: usize,
    /// The height of what is in it.
    height: usize,
    anchor: usize,
}

/// What an alias to an anchor costs.
struct Anchor {
    id: Id,
    weight: usize,
    height: usize,
}

struct Builder<'a> {
    text: &'a str,
    out: &'a mut Vec<Diagnostic>,
    nodes: Vec<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchor>,
    root: Option<Id>,
    total: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, out: &'a mut Vec<Diagnostic>) -> Self {
        let (nodes, open, anchors) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { text, out, nodes, open, anchors, root: None, total: 0 }
    }

    fn read(&mut self) -> Result<(), Enough> {
        let options = granit_parser::options! {
            block_nesting_limit: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            emit_comments: false,
        };
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = match event {
                Ok(it) => it,
                Err(why) => return self.stop(syntax(&why, self.text)),
            };
            if matches!(event, Event::DocumentStart(..)) && self.root.is_some() {
                let place = self.place_of(&span);
                self.out.push(Diagnostic::second_document(place));
                return Ok(());
            }
            self.meet(event, &span)?;
        }
        Ok(())
    }

    fn stop(&mut self, why: Diagnostic) -> Result<(), Enough> {
        self.out.push(why);
        Err(Enough)
    }

    fn place_of(&self, span: &Span) -> Place {
        let start = span.start.byte_offset().unwrap_or(0);
        Place::new(start, span.end.byte_offset().unwrap_or(start)).within(self.text)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's events may become more")]
    fn meet(&mut self, event: Event<'_>, span: &Span) -> Result<(), Enough> {
        let place = self.place_of(span);
        let (value, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                // The parser says `~` where nothing is written.
                let text =
                    if plain && place.is_empty() { String::new() } else { text.into_owned() };
                (Value::Scalar { text, plain }, anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (Value::List(Vec::new()), anchor, tag),
            Event::MappingStart(_, anchor, tag) => (Value::Map(Vec::new()), anchor, tag),
            Event::SequenceEnd | Event::MappingEnd => {
                self.close(place);
                return Ok(());
            }
            Event::Alias(anchor) => return self.alias(anchor, place),
            _ => return Ok(()),
        };
        if tag.is_some() {
            self.out.push(Diagnostic::tag(span.tag_span().map_or(place, |it| self.place_of(&it))));
        }
        let written = place.of(self.text).trim_end().len();
        let place = Place::new(place.start, place.start.saturating_add(written));
        self.begin(value, anchor, place)
    }

    fn begin(&mut self, value: Value, anchor: usize, place: Place) -> Result<(), Enough> {
        let nests = !matches!(value, Value::Scalar { .. });
        // The parser bounds blocks and brackets each for themselves.
        if nests && self.open.len() >= DEPTH_MAX {
            return self.stop(Diagnostic::too_deep(DEPTH_MAX, place));
        }
        let id = Id::new(self.nodes.len());
        self.nodes.push(Node { place, value, home: Home::Top, spoilt: false });
        let before = self.total;
        self.put(id, 1, place)?;
        if nests {
            let (key, keys) = (None, BTreeMap::new());
            self.open.push(Open { id, key, keys, before, height: 0, anchor });
        } else if anchor != 0 {
            self.anchors.insert(anchor, Anchor { id, weight: 1, height: 0 });
        }
        Ok(())
    }

    fn close(&mut self, place: Place) {
        let Some(closed) = self.open.pop() else { return };
        let height = closed.height.saturating_add(1);
        if closed.anchor != 0 {
            let weight = self.total.saturating_sub(closed.before);
            self.anchors.insert(closed.anchor, Anchor { id: closed.id, weight, height });
        }
        if let Some(around) = self.open.last_mut() {
            around.height = around.height.max(height);
        }
        // A block ends with its last value; the parser says that it ends where the next begins.
        let last = self.last_of(closed.id);
        if let Some(node) = self.node(closed.id) {
            let end = if place.is_empty() { last } else { place.end };
            node.place.end = end.max(node.place.end);
        }
    }

    fn last_of(&self, id: Id) -> usize {
        let at = |id: &Id| self.peek(*id).map_or(0, |it| it.place.end);
        match self.peek(id).map(|it| &it.value) {
            Some(Value::List(items)) => items.last().map_or(0, at),
            Some(Value::Map(pairs)) => pairs.last().map_or(0, |(k, v)| at(k).max(at(v))),
            Some(Value::Scalar { .. }) | None => 0,
        }
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Enough> {
        let Some(&Anchor { id, weight, height }) = self.anchors.get(&anchor) else {
            self.out.push(Diagnostic::endless_alias(place));
            let value = Value::Scalar { text: String::new(), plain: true };
            self.begin(value, 0, place)?;
            if let Some(node) = self.nodes.last_mut() {
                node.spoilt = true;
            }
            return Ok(());
        };
        if self.open.len().saturating_add(height) > DEPTH_MAX {
            return self.stop(Diagnostic::too_deep(DEPTH_MAX, place));
        }
        if let Some(around) = self.open.last_mut() {
            around.height = around.height.max(height);
        }
        self.put(id, weight, place)
    }

    /// Puts a value where it belongs: under the waiting key, at the end of the list, or on top.
    fn put(&mut self, id: Id, weight: usize, place: Place) -> Result<(), Enough> {
        self.total = self.total.saturating_add(weight);
        if self.total > NODES_MAX {
            return self.stop(Diagnostic::too_many(NODES_MAX, place));
        }
        let Some(around) = self.open.last_mut() else {
            self.root = self.root.or(Some(id));
            return Ok(());
        };
        let (to, key) = (around.id, around.key.take());
        match (self.node(to).map(|it| &mut it.value), key) {
            (Some(Value::List(items)), _) => {
                items.push(id);
                let n = items.len();
                self.settle(id, Home::Item(to, n), place);
            }
            (Some(Value::Map(_)), None) => self.key(id, place),
            (Some(Value::Map(pairs)), Some((key, counts))) => {
                if counts {
                    pairs.push((key, id));
                }
                self.settle(id, Home::Key(key), place);
            }
            (Some(Value::Scalar { .. }) | None, _) => {}
        }
        Ok(())
    }

    fn key(&mut self, id: Id, place: Place) {
        let word = match self.peek(id).map(|it| &it.value) {
            Some(Value::Scalar { text, .. }) => Some(text.clone()),
            Some(Value::List(_) | Value::Map(_)) | None => None,
        };
        let Some(around) = self.open.last_mut() else { return };
        let first = word.as_ref().and_then(|it| around.keys.get(it)).copied();
        around.key = Some((id, word.is_some() && first.is_none()));
        match (word, first) {
            (Some(word), Some(first)) => {
                let first = self.peek(first).map_or(place, |it| it.place);
                self.out.push(Diagnostic::twice(&word, place, first));
            }
            (Some(word), None) => {
                around.keys.insert(word, id);
            }
            (None, _) => self.out.push(Diagnostic::key_is_no_text(place)),
        }
    }

    /// Says where a value lives; what is empty is shown at its key. An alias does not move it.
    fn settle(&mut self, id: Id, home: Home, place: Place) {
        let key = match home {
            Home::Key(key) => self.peek(key).map(|it| it.place),
            Home::Top | Home::Item(..) => None,
        };
        if let Some(node) = self.node(id).filter(|it| it.home == Home::Top) {
            node.home = home;
            let empty = place.is_empty() && matches!(node.value, Value::Scalar { .. });
            if let Some(key) = key.filter(|_| empty) {
                node.place = key;
            }
        }
    }

    fn peek(&self, id: Id) -> Option<&Node> {
        self.nodes.get(usize::try_from(id.number()).ok()?)
    }

    fn node(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(id.number()).ok()?)
    }

    fn is_blank(&self, root: Id) -> bool {
        self.peek(root).is_some_and(
            |it| matches!(&it.value, Value::Scalar { text, plain: true } if text.is_empty()),
        )
    }
}

/// What the parser says of bad text, in plain words where they are often needed.
fn syntax(why: &ScanError, text: &str) -> Diagnostic {
    let at = why.marker().byte_offset().unwrap_or(text.len());
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let next = after.chars().next().map_or(0, char::len_utf8);
    let place = Place::new(at, at.saturating_add(next)).within(text);
    if matches!(why.kind(), ErrorKind::RecursionLimitExceeded) {
        return Diagnostic::too_deep(DEPTH_MAX, place);
    }
    if before.ends_with('$') && after.starts_with('{') {
        let help = "write `\"${name}\"`";
        return Diagnostic::syntax("a variable inside of brackets needs quotes", place, help);
    }
    let (what, help) = remedy(why.kind());
    let said = why.info();
    Diagnostic::syntax(what.unwrap_or(&said), place, help)
}

/// What to say, unless the parser's own words will do, and what to do.
#[expect(clippy::wildcard_enum_match_arm, reason = "of the rest the parser speaks well enough")]
fn remedy(kind: &ErrorKind) -> (Option<&'static str>, &'static str) {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => (Some("a tab stands here"), "indent with spaces"),
        ErrorKind::MappingValueNotAllowed => {
            (Some("a `:` cannot stand here"), "put a text that has `: ` in it into quotes")
        }
        ErrorKind::InvalidColonPlacement => {
            (Some("a `:` cannot stand here"), "close the bracket that opens above")
        }
        ErrorKind::ExpectedFlowMappingSeparator => {
            (Some("`,` or `}` is wanted here"), "put one there, or the text into quotes")
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            (Some("`,` or `]` is wanted here"), "put one there, or the text into quotes")
        }
        ErrorKind::UnclosedQuotedScalar => {
            (Some("the quote that opens here is never closed"), "close it with the same quote")
        }
        ErrorKind::UnclosedFlowCollection { .. } => {
            (Some("the bracket that opens here is never closed"), "close it")
        }
        ErrorKind::UnknownAnchor => (
            Some("no value bears this name"),
            "write `&name` before the value that `*name` stands for, or the text in quotes",
        ),
        ErrorKind::UnexpectedCharacter { .. } => {
            (Some("no value can begin with this character"), "put the text into quotes")
        }
        ErrorKind::SimpleKeyExpected => {
            (Some("no `:` follows this key"), "write `key: value`, with a space after the `:`")
        }
        ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::InvalidIndentation => (
            Some("this does not fit to what is above it"),
            "indent what belongs together by the same number of spaces",
        ),
        _ => (None, "look at the indentation, quotes and brackets here and just above"),
    }
}
