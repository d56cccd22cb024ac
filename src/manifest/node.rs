//! A document: its values in one list, each with its place. Nothing here panics on a foreign `Id`.

use crate::manifest::{place::Place, words::quote};

/// Names a value of the document it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u32);

impl Id {
    /// No value: what an `Unread` field holds after its mistake was told.
    pub const NOWHERE: Self = Self(u32::MAX);

    pub(crate) fn new(at: usize) -> Self {
        Self(u32::try_from(at).unwrap_or(u32::MAX))
    }

    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word, a number, a text.
    Scalar {
        /// As the user means it: without quotes, escapes and folds.
        text: String,
        /// Written without quotes, so that it may be a number, `true`, `false` or `null`.
        plain: bool,
    },
    /// A list.
    List(Vec<Id>),
    /// Keys and values in the order of the file, each key once.
    Map(Vec<(Id, Id)>),
}

/// To what a value belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// It is the document.
    Top,
    /// It stands under this key.
    Key(Id),
    /// It is an item of this list, counted from 1.
    Item(Id, usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
    pub(crate) home: Home,
    /// A mistake in it was told already: whoever reads it gets a stand-in.
    pub(crate) spoilt: bool,
}

/// One YAML document. Aliases share the value they stand for; the uses of all values are bounded.
#[derive(Debug, Clone)]
pub struct Doc {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Id,
    pub(crate) text: Box<str>,
}

impl Doc {
    /// The outermost value.
    pub fn root(&self) -> Id {
        self.root
    }

    pub(crate) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(usize::try_from(id.0).ok()?)
    }

    pub(crate) fn node_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(id.0).ok()?)
    }

    /// The value, or none for `Id::NOWHERE`.
    pub fn value(&self, id: Id) -> Option<&Value> {
        self.node(id).map(|it| &it.value)
    }

    /// All of the value's place. What is left empty stands where its key stands.
    pub fn place(&self, id: Id) -> Place {
        self.node(id).map_or_else(Place::default, |it| it.place)
    }

    /// Where to point when the value as a whole is meant: its key, or else its first line.
    pub fn head(&self, id: Id) -> Place {
        match self.node(id).map(|it| (it.home, it.place)) {
            Some((Home::Key(key), _)) => self.place(key),
            Some((Home::Top | Home::Item(..), place)) => place.first_line(&self.text),
            None => Place::default(),
        }
    }

    /// The text of a scalar.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.value(id)? {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The items of a list.
    pub fn list(&self, id: Id) -> Option<&[Id]> {
        match self.value(id)? {
            Value::List(items) => Some(items),
            Value::Scalar { .. } | Value::Map(_) => None,
        }
    }

    /// The keys and values of a mapping.
    pub fn pairs(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.value(id)? {
            Value::Map(pairs) => Some(pairs),
            Value::Scalar { .. } | Value::List(_) => None,
        }
    }

    /// What stands under `key` in a mapping.
    pub fn get(&self, id: Id, key: &str) -> Option<Id> {
        self.pairs(id)?.iter().find(|it| self.text(it.0) == Some(key)).map(|it| it.1)
    }

    /// Marks the value as one whose mistake has been told: reading it brings no second complaint.
    pub fn spoil(&mut self, id: Id) {
        if let Some(node) = self.node_mut(id) {
            node.spoilt = true;
        }
    }

    /// Whether a plain scalar says that there is no value.
    pub(crate) fn is_null(&self, id: Id) -> bool {
        matches!(
            self.value(id),
            Some(Value::Scalar { text, plain: true })
                if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
        )
    }

    /// The end of a sentence that begins with what was wanted.
    pub(crate) fn given(&self, id: Id) -> String {
        match self.value(id) {
            None => "and nothing is given".to_owned(),
            Some(Value::Scalar { text, plain: true }) if text.is_empty() => {
                "and nothing is given".to_owned()
            }
            Some(Value::Scalar { text, plain }) => match Plain::of(text) {
                Plain::Text => format!("not the text {}", quote(text)),
                _ if *plain => format!("not {}", quote(text)),
                Plain::Nothing
                | Plain::Bool(_)
                | Plain::Natural(_)
                | Plain::Integer(_)
                | Plain::Real(_) => format!("not the text {}", quote(text)),
            },
            Some(Value::List(_)) => "not a list".to_owned(),
            Some(Value::Map(_)) => "not a mapping".to_owned(),
        }
    }

    /// Says to what something that is missing in a mapping has to be added.
    pub(crate) fn whereabouts(&self, id: Id) -> String {
        match self.node(id).map(|it| it.home) {
            Some(Home::Key(key)) => format!("under {}", quote(self.text(key).unwrap_or("?"))),
            Some(Home::Item(list, n)) => match self.node(list).map(|it| it.home) {
                Some(Home::Key(key)) => {
                    format!("to entry {n} of {}", quote(self.text(key).unwrap_or("?")))
                }
                Some(Home::Top | Home::Item(..)) | None => format!("to entry {n}"),
            },
            Some(Home::Top) | None => "at the top level".to_owned(),
        }
    }
}

/// What a scalar without quotes stands for (YAML 1.2 core schema, without octal, hexadecimal,
/// infinities and NaN: no setting wants them, and a bound that is infinite is none).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    Nothing,
    Bool(bool),
    Natural(u64),
    Integer(i64),
    Real(f64),
    Text,
}

impl Plain {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Nothing,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
            return Self::Text;
        }
        let natural = text.parse().map(Self::Natural);
        let integer = || text.parse().map(Self::Integer);
        let real = || text.parse().ok().filter(|it: &f64| it.is_finite()).map(Self::Real);
        natural.or_else(|_| integer()).ok().or_else(real).unwrap_or(Self::Text)
    }
}
