//! What an answer must be. Judging is pure.

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{
    probe::{Datum, Reading},
    units::HOLE,
};

/// What each part of a reading must be.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("minProperties" = 1))]
pub struct Expect(pub BTreeMap<String, Bound>);

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
}

/// A bound as a mapping.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    contains: Option<String>,
}

impl Expect {
    /// Whether the reading is as expected; if not, why, in a sentence.
    pub fn judge(&self, reading: &Reading) -> Result<(), String> {
        for (name, bound) in &self.0 {
            match reading.0.get(name.as_str()) {
                Some(datum) if bound.holds(datum) => {}
                Some(datum) => {
                    let why = match reading.0.get("error") {
                        Some(Datum::Text(why)) => format!(" ({why})"),
                        Some(Datum::Number(_)) | None => String::new(),
                    };
                    return Err(format!("{name} is {datum}, not {bound}{why}"));
                }
                None => return Err(format!("there is no {name}, and it should be {bound}")),
            }
        }
        Ok(())
    }
}

impl Expect {
    /// What the reading says of each part that is named, in words.
    pub fn shown(&self, reading: &Reading) -> String {
        let part = |name: &String| {
            let datum = reading.0.get(name.as_str())?;
            Some(format!("{name} is {datum}"))
        };
        self.0.keys().filter_map(part).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, bound)) in self.0.iter().enumerate() {
            write!(f, "{}{name} is {bound}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Bound {
    fn holds(&self, datum: &Datum) -> bool {
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
            (Self::Range(..), Datum::Text(_)) => false,
        }
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
            Self::Range(Some(min), Some(max)) => write!(f, "from {min} to {max}"),
            Self::Range(Some(min), None) => write!(f, "at least {min}"),
            Self::Range(None, Some(max)) => write!(f, "at most {max}"),
            Self::Range(None, None) => f.write_str("a number"),
            Self::Contains(it) => write!(f, "a text with `{it}`"),
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
        json_schema!({
            "description": "a number, a text, a list of them, or `min`, `max` or `contains`",
            "anyOf": [
                number,
                text,
                { "type": "array", "items": own, "minItems": 1 },
                {
                    "type": "object",
                    "properties": { "min": number, "max": number },
                    "additionalProperties": false,
                    "minProperties": 1
                },
                {
                    "type": "object",
                    "properties": { "contains": text },
                    "additionalProperties": false,
                    "required": ["contains"]
                }
            ]
        })
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Bound;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a number, a text, a list of them, or a mapping with `min`, `max` or `contains`",
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
            all.push(it);
        }
        if all.is_empty() {
            return Err(A::Error::custom("an empty list allows nothing"));
        }
        Ok(Bound::OneOf(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, pairs: A) -> Result<Bound, A::Error> {
        match Written::deserialize(MapAccessDeserializer::new(pairs))? {
            Written { min: None, max: None, contains: Some(it) } => Ok(Bound::Contains(it)),
            Written { min: Some(min), max: Some(max), contains: None } if min > max => {
                Err(A::Error::custom(format!("nothing is both at least {min} and at most {max}")))
            }
            Written { min, max, contains: None } if min.is_some() || max.is_some() => {
                Ok(Bound::Range(min, max))
            }
            Written { contains: Some(it), .. } if it == HOLE => Ok(Bound::Contains(it)),
            Written { .. } => {
                Err(A::Error::custom("write `min`, `max` or both, or `contains` alone"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(expect: &str, reading: &[(&'static str, Datum)]) -> Result<(), String> {
        let expect: Expect = serde_json::from_str(expect).unwrap();
        expect.judge(&Reading(reading.iter().cloned().collect()))
    }

    #[test]
    fn each_bound_holds_for_what_it_says() {
        let status = |it: f64| [("status", Datum::Number(it))];
        assert_eq!(judge(r#"{"status": 200}"#, &status(200.0)), Ok(()));
        assert_eq!(
            judge(r#"{"status": 200}"#, &status(503.0)),
            Err("status is 503, not 200".to_owned())
        );
        assert_eq!(judge(r#"{"status": [200, 204]}"#, &status(204.0)), Ok(()));
        assert_eq!(judge(r#"{"status": {"min": 200, "max": 299}}"#, &status(299.0)), Ok(()));
        assert!(judge(r#"{"status": {"max": 299}}"#, &status(300.0)).is_err());
        let body = [("body", Datum::Text("I am primary".to_owned()))];
        assert_eq!(judge(r#"{"body": {"contains": "primary"}}"#, &body), Ok(()));
        assert!(judge(r#"{"body": "primary"}"#, &body).is_err());
        assert!(judge(r#"{"status": 200}"#, &body).is_err(), "what is not there does not hold");
    }

    #[test]
    fn bounds_that_mean_nothing_are_refused() {
        for text in [r"[]", r#"{"min": 2, "max": 1}"#, r#"{"min": 1, "contains": "x"}"#, "{}"] {
            assert!(serde_json::from_str::<Bound>(text).is_err(), "{text}");
        }
    }
}
