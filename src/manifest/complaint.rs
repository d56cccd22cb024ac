//! What a `Deserialize` type has against a value, before it becomes a `Diagnostic`.

use std::fmt::{self, Display};

use serde::de::{Error, Expected, Unexpected};

use crate::manifest::{diagnostic::Diagnostic, node::Doc, node::Id, node::Value, place::Place};

/// One complaint, and the value it is about once some reader on the way up has said so.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) what: What,
    pub(crate) at: Option<Id>,
}

#[derive(Debug)]
pub(crate) enum What {
    UnknownKey {
        word: String,
        known: &'static [&'static str],
    },
    NoneOf {
        word: String,
        known: &'static [&'static str],
    },
    Missing(&'static str),
    Wrong {
        wanted: String,
    },
    /// A word that wants a value stands alone.
    Bare,
    Other(String),
}

impl Complaint {
    fn new(what: What) -> Self {
        Self { what, at: None }
    }

    pub(crate) fn wanted(wanted: impl Into<String>) -> Self {
        Self::new(What::Wrong { wanted: wanted.into() })
    }

    pub(crate) fn bare() -> Self {
        Self::new(What::Bare)
    }

    /// Says which value it is about, unless that is known more exactly.
    pub(crate) fn at(mut self, id: Id) -> Self {
        self.at.get_or_insert(id);
        self
    }

    /// What the user is told. `top` is the value that was read, `place` where to point for it.
    pub(crate) fn tell(&self, doc: &Doc, (top, place): (Id, Place)) -> Diagnostic {
        let id = self.at.unwrap_or(top);
        let whole = matches!(doc.value(id), Some(Value::Map(_)));
        let head = if id == top { place } else { doc.head(id) };
        let wrong = matches!(self.what, What::Wrong { .. });
        let place = if whole && !wrong { head } else { doc.place(id) };
        match &self.what {
            What::UnknownKey { word, known } => Diagnostic::unknown_key(word, place, known),
            What::NoneOf { word, known } => Diagnostic::none_of(word, place, known),
            What::Missing(field) => Diagnostic::missing(field, head, &doc.whereabouts(id)),
            What::Wrong { wanted } => {
                let given = match doc.list(id) {
                    Some(items) if wanted.starts_with("a list of ") => {
                        format!("not of {}", items.len())
                    }
                    Some(_) | None => doc.given(id),
                };
                Diagnostic::wrong(wanted, &given, place, &way_out(wanted, doc, id))
            }
            What::Bare => Diagnostic::bare(doc.text(id).unwrap_or(""), place),
            What::Other(why) => Diagnostic::new(why.as_str(), place, ""),
        }
    }
}

impl Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::UnknownKey { word, .. } => write!(f, "there is no key `{word}` here"),
            What::NoneOf { word, .. } => write!(f, "`{word}` is not known here"),
            What::Missing(field) => write!(f, "`{field}` is missing"),
            What::Wrong { wanted } => write!(f, "{wanted} is wanted here"),
            What::Bare => f.write_str("a value belongs to this word"),
            What::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Complaint {}

impl Error for Complaint {
    fn custom<T: Display>(why: T) -> Self {
        Self::new(What::Other(why.to_string()))
    }
    fn invalid_type(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::wanted(plain_words(&wanted.to_string()))
    }
    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::wanted(plain_words(&wanted.to_string()))
    }
    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        Self::wanted(plain_words(&wanted.to_string()))
    }
    fn unknown_field(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey { word: word.to_owned(), known })
    }
    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::NoneOf { word: word.to_owned(), known })
    }
    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }
    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Other(format!("`{field}` is given twice, under two names: keep one")))
    }
}

/// What serde's own visitors say they expect, as a user would say it. Other visitors' words
/// are taken as they are.
fn plain_words(expected: &str) -> String {
    let (nonzero, number) = match expected.strip_prefix("a nonzero ") {
        Some(it) => (1, it),
        None => (0, expected),
    };
    let natural = |most: u64| format!("a whole number from {nonzero} to {most}");
    match number {
        "u8" => natural(u8::MAX.into()),
        "u16" => natural(u16::MAX.into()),
        "u32" => natural(u32::MAX.into()),
        "u64" | "usize" => format!("a whole number from {nonzero} up"),
        "i8" => format!("a whole number from {} to {}", i8::MIN, i8::MAX),
        "i16" => format!("a whole number from {} to {}", i16::MIN, i16::MAX),
        "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" | "a borrowed string" | "string" | "str" | "path string" => "text".to_owned(),
        "a character" => "a single character".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "unit" => "nothing".to_owned(),
        it => sized(it),
    }
}

fn sized(expected: &str) -> String {
    let size =
        ["a tuple of size ", "an array of length "].iter().find_map(|it| expected.strip_prefix(it));
    match size {
        Some(n) => format!("a list of {n}"),
        None if expected.starts_with("tuple struct ") => "a list".to_owned(),
        None if expected.starts_with("struct ") => "a mapping".to_owned(),
        None if expected.starts_with("unit struct ") => "nothing".to_owned(),
        None => expected.to_owned(),
    }
}

fn way_out(wanted: &str, doc: &Doc, id: Id) -> String {
    let (text, plain) = match doc.value(id) {
        Some(Value::Scalar { text, plain }) => (text.as_str(), *plain),
        Some(Value::List(_) | Value::Map(_)) | None => ("", true),
    };
    let help = match wanted {
        "text" if doc.is_null(id) => "write it here; `\"\"` is an empty text",
        "text" => "write one word, or a text in quotes",
        "a mapping" => "write `key: value` lines under it, indented",
        _ if wanted.starts_with("a list") => "write `- item` lines under it, or `[item, item]`",
        "nothing" => "take it away",
        "`true` or `false`" if matches!(text, "yes" | "on" | "Yes" | "On" | "YES" | "ON") => {
            "write `true`"
        }
        "`true` or `false`" if matches!(text, "no" | "off" | "No" | "Off" | "NO" | "OFF") => {
            "write `false`"
        }
        _ if wanted.contains("number") && !plain => "write a number, without quotes",
        _ => return format!("write {wanted}"),
    };
    help.to_owned()
}
