//! Holds values against a JSON Schema, as far as ours goes. A keyword that it does not know is a
//! failure, so that nothing is passed over.

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that say nothing of what is right.
const NOTES: &[&str] =
    &["$defs", "$schema", "default", "description", "format", "title", "then", "examples"];

/// What is wrong with `value`, one line each.
pub(super) fn complaints(schema: &Value, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    Checker { root: schema, out: &mut out }.check(schema, value, "");
    out
}

struct Checker<'a> {
    root: &'a Value,
    out: &'a mut Vec<String>,
}

fn is(value: &Value, wanted: &str) -> bool {
    match wanted {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("there is no type {wanted}"),
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_array().map(Vec::len).or(value.as_object().map(Map::len))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Checker<'_> {
    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut out = Vec::new();
        Checker { root: self.root, out: &mut out }.check(schema, value, "");
        out.is_empty()
    }

    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let keywords = match schema {
            Value::Object(it) => it,
            Value::Bool(true) => return,
            _ => return self.out.push(format!("{at}: nothing may stand here")),
        };
        for (keyword, wanted) in keywords {
            if !NOTES.contains(&keyword.as_str()) && !self.keyword(keywords, keyword, value, at) {
                self.out.push(format!("{at}: {value} is not {keyword} {wanted}"));
            }
        }
    }

    /// Whether one keyword is kept to. What is inside is told by itself.
    fn keyword(
        &mut self,
        schema: &Map<String, Value>,
        keyword: &str,
        value: &Value,
        at: &str,
    ) -> bool {
        let wanted = &schema[keyword];
        let count = || usize::try_from(wanted.as_u64().unwrap()).unwrap();
        match keyword {
            "$ref" => {
                let path = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let meant = self.root.pointer(path).unwrap_or_else(|| panic!("no {path}"));
                self.check(meant, value, at);
                true
            }
            "type" => match wanted {
                Value::String(it) => is(value, it),
                _ => items(wanted).iter().any(|it| is(value, it.as_str().unwrap())),
            },
            "const" => value == wanted,
            "enum" => items(wanted).contains(value),
            "pattern" => {
                let pattern = Regex::new(wanted.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|it| pattern.is_match(it))
            }
            "minimum" => value.as_f64().is_none_or(|it| it >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|it| it <= wanted.as_f64().unwrap()),
            "minItems" | "minProperties" => size(value).is_none_or(|it| it >= count()),
            "maxItems" | "maxProperties" => size(value).is_none_or(|it| it <= count()),
            "required" => value.as_object().is_none_or(|it| {
                items(wanted).iter().all(|key| it.contains_key(key.as_str().unwrap()))
            }),
            "not" => !self.fits(wanted, value),
            "anyOf" => items(wanted).iter().any(|it| self.fits(it, value)),
            "oneOf" => items(wanted).iter().filter(|it| self.fits(it, value)).count() == 1,
            _ => {
                self.inside(schema, keyword, value, at);
                true
            }
        }
    }

    /// Those that look at what is inside, or at the same value again.
    fn inside(&mut self, schema: &Map<String, Value>, keyword: &str, value: &Value, at: &str) {
        let wanted = &schema[keyword];
        let empty = Map::new();
        let object = value.as_object().unwrap_or(&empty);
        match keyword {
            "allOf" => items(wanted).iter().for_each(|it| self.check(it, value, at)),
            "if" => {
                if self.fits(wanted, value) {
                    self.check(&schema["then"], value, at);
                }
            }
            "items" => {
                for (n, it) in items(value).iter().enumerate() {
                    self.check(wanted, it, &format!("{at}/{n}"));
                }
            }
            "properties" => {
                for (key, it) in wanted.as_object().unwrap() {
                    if let Some(value) = object.get(key) {
                        self.check(it, value, &format!("{at}/{key}"));
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
                for (key, it) in object.iter().filter(|it| !known.contains_key(it.0)) {
                    self.check(wanted, it, &format!("{at}/{key}"));
                }
            }
            "propertyNames" => {
                for key in object.keys() {
                    self.check(wanted, &Value::from(key.as_str()), &format!("{at}/{key}"));
                }
            }
            _ => panic!("this checker does not know `{keyword}`"),
        }
    }
}
