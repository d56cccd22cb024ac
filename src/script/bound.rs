//! What one part of an answer must be, and how it is written.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    probe::Datum,
    script::tolerance::{Matches, Percentile, Pointer, Share},
    units::HOLE,
};

/// What one part must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// This number.
    Number(f64),
    /// This text.
    Text(String),
    /// One of these.
    OneOf(Vec<Self>),
    /// A number within these, both included.
    Range(Option<f64>, Option<f64>),
    /// A text that holds this.
    Contains(String),
    /// A text in which this is found.
    Regex(Matches),
    /// JSON, in which this place is so.
    Json(Pointer, Box<Self>),
    /// A number; over a stretch of looks, its percentile is so.
    Percentile(Percentile),
}

/// A bound as a mapping.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    p: Option<Share>,
    #[serde(default, deserialize_with = "given")]
    contains: Option<String>,
    #[serde(default, deserialize_with = "given")]
    regex: Option<Matches>,
    #[serde(default, deserialize_with = "given")]
    json: Option<Pointer>,
    #[serde(default, deserialize_with = "given")]
    is: Option<Bound>,
}

/// What is written is there, also when it is mistaken: its own mistake is enough to tell.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl Bound {
    /// Whether what one look saw is so. A percentile is not for one look to tell: that it is a
    /// number is enough.
    pub(super) fn holds(&self, datum: &Datum) -> bool {
        match (self, datum) {
            // Numbers that users write and probes count are exact in a double.
            (Self::Number(wanted), Datum::Number(it)) => (wanted - it).abs() < 1e-9,
            (Self::Text(wanted), Datum::Text(it)) => wanted == it,
            (Self::Text(wanted), Datum::Number(it)) => wanted == &it.to_string(),
            (Self::Number(wanted), Datum::Text(it)) => &wanted.to_string() == it,
            (Self::OneOf(all), it) => all.iter().any(|bound| bound.holds(it)),
            (Self::Range(min, max), Datum::Number(it)) => {
                min.is_none_or(|min| *it >= min) && max.is_none_or(|max| *it <= max)
            }
            (Self::Contains(piece), Datum::Text(it)) => it.contains(piece),
            (Self::Contains(piece), Datum::Number(it)) => it.to_string().contains(piece),
            (Self::Regex(it), Datum::Text(text)) => it.found_in(text),
            (Self::Regex(it), Datum::Number(n)) => it.found_in(&n.to_string()),
            (Self::Json(place, bound), datum) => place.look(datum).is_ok_and(|it| bound.holds(&it)),
            (Self::Percentile(_), Datum::Number(_)) => true,
            (Self::Range(..) | Self::Percentile(_), Datum::Text(_)) => false,
        }
    }

    /// Why what one look saw is not so, after the part's name.
    pub(super) fn why_not(&self, datum: &Datum) -> String {
        match self {
            Self::Json(place, bound) => match place.look(datum) {
                Ok(it) => format!("is {it} at `{place}`, not {bound}"),
                Err(why) => why,
            },
            Self::Number(_)
            | Self::Text(_)
            | Self::OneOf(_)
            | Self::Range(..)
            | Self::Contains(_)
            | Self::Regex(_)
            | Self::Percentile(_) => format!("is {datum}, not {self}"),
        }
    }

    /// Whether it, or what it is made of, needs many looks.
    pub(super) fn needs_many(&self) -> bool {
        match self {
            Self::Percentile(_) => true,
            Self::OneOf(all) => all.iter().any(Self::needs_many),
            Self::Json(_, bound) => bound.needs_many(),
            Self::Number(_)
            | Self::Text(_)
            | Self::Range(..)
            | Self::Contains(_)
            | Self::Regex(_) => false,
        }
    }
}

/// A range in words.
pub(super) fn range(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("from {min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "a number".to_owned(),
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(it) => write!(f, "{it}"),
            Self::Text(it) => write!(f, "`{it}`"),
            Self::OneOf(all) => {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                write!(f, "one of {}", all.join(", "))
            }
            Self::Range(min, max) => f.write_str(&range(*min, *max)),
            Self::Contains(it) => write!(f, "a text with `{it}`"),
            Self::Regex(it) => write!(f, "a text that matches `{it}`"),
            Self::Json(place, it) => write!(f, "JSON with {it} at `{place}`"),
            Self::Percentile(it) => write!(f, "{it}"),
        }
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

impl JsonSchema for Bound {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let own = generator.subschema_for::<Self>();
        let number = generator.subschema_for::<f64>();
        let text = generator.subschema_for::<String>();
        let one = |properties: serde_json::Value, required: &[&str]| {
            json_schema!({
                "type": "object",
                "properties": properties,
                "additionalProperties": false,
                "required": required,
                "minProperties": 1
            })
        };
        json_schema!({
            "description": "a number, a text, a list of them, or a mapping that tells more",
            "anyOf": [
                number,
                text,
                { "type": "array", "items": own, "minItems": 1 },
                one(serde_json::json!({ "min": number, "max": number }), &[]),
                one(serde_json::json!({ "contains": text }), &["contains"]),
                one(serde_json::json!({ "regex": text }), &["regex"]),
                one(serde_json::json!({ "json": text, "is": own }), &["json", "is"]),
                one(serde_json::json!({ "p": number, "min": number, "max": number }), &["p"])
            ]
        })
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Bound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a number, a text, a list of them, or a mapping with `min`, `max`, `p`, `contains`, \
             `regex` or `json`",
        )
    }

    fn visit_u64<E: Error>(self, it: u64) -> Result<Bound, E> {
        u32::try_from(it)
            .map(|it| Bound::Number(f64::from(it)))
            .map_err(|_| E::custom(format!("{it} is too large a number to expect")))
    }

    fn visit_i64<E: Error>(self, it: i64) -> Result<Bound, E> {
        i32::try_from(it)
            .map(|it| Bound::Number(f64::from(it)))
            .map_err(|_| E::custom(format!("{it} is too large a number to expect")))
    }

    fn visit_f64<E: Error>(self, it: f64) -> Result<Bound, E> {
        Ok(Bound::Number(it))
    }

    fn visit_bool<E: Error>(self, it: bool) -> Result<Bound, E> {
        Ok(Bound::Text(it.to_string()))
    }

    fn visit_str<E: Error>(self, it: &str) -> Result<Bound, E> {
        Ok(Bound::Text(it.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bound, A::Error> {
        let mut all = Vec::new();
        while let Some(it) = items.next_element()? {
            single(&it).map_err(A::Error::custom)?;
            all.push(it);
        }
        if all.is_empty() {
            return Err(A::Error::custom("an empty list allows nothing"));
        }
        Ok(Bound::OneOf(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, pairs: A) -> Result<Bound, A::Error> {
        Written::deserialize(MapAccessDeserializer::new(pairs))?.bound().map_err(A::Error::custom)
    }
}

impl Written {
    fn bound(self) -> Result<Bound, String> {
        let Self { min, max, p, contains, regex, json, is } = self;
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(format!("nothing is both at least {min} and at most {max}"));
        }
        let ranged = min.is_some() || max.is_some();
        match (ranged, p, contains, regex, json, is) {
            (true, None, None, None, None, None) => Ok(Bound::Range(min, max)),
            (true, Some(p), None, None, None, None) => {
                Ok(Bound::Percentile(Percentile { p, min, max }))
            }
            (false, Some(_), None, None, None, None) => {
                Err("write `min`, `max` or both beside `p`".to_owned())
            }
            (false, None, Some(it), None, None, None) => Ok(Bound::Contains(it)),
            (_, _, Some(it), ..) if it == HOLE => Ok(Bound::Contains(it)),
            (false, None, None, Some(it), None, None) => Ok(Bound::Regex(it)),
            (false, None, None, None, Some(place), Some(it)) => {
                single(&it)?;
                Ok(Bound::Json(place, Box::new(it)))
            }
            (false, None, None, None, Some(_), None) => {
                Err("write `is` beside `json`: what stands at that place".to_owned())
            }
            _ => Err("write `min`, `max` or both, or these with `p`, or `json` with `is`, \
                      or `contains` or `regex` alone"
                .to_owned()),
        }
    }
}

/// A percentile is of a whole part, and of nothing in it.
fn single(bound: &Bound) -> Result<(), String> {
    if bound.needs_many() {
        return Err("a percentile stands by itself, right under the name of a reading".to_owned());
    }
    Ok(())
}
