//! Units of measure as users write them.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Stands in where a manifest had a mistake, so that reading can go on to the next one.
pub const HOLE: &str = "\u{0}";

/// A length of time as users write it: `250ms`, `10s`, `5m`, `2h`. Never zero, at most a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// A number alone.
    #[error("`{0}` has no unit: write `{0}s` or `{0}ms`")]
    NoUnit(String),
    /// Anything else.
    #[error("`{0}` is not a length of time: write a whole number and ms, s, m or h, as in `250ms`")]
    NotOne(String),
    /// It would do nothing.
    #[error("a length of zero does nothing: write at least `1ms`")]
    Zero,
    /// It would not end.
    #[error("`{0}` is longer than a year: write less, every length has an end")]
    Endless(String),
}

const YEAR_MS: u64 = 366 * 24 * 3_600_000;

impl Span {
    /// So many milliseconds. Constants only; text goes through `from_str`.
    pub const fn millis(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// In microseconds.
    pub fn micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let not_one = || SpanError::NotOne(text.to_owned());
        let each_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "" if !number.is_empty() => return Err(SpanError::NoUnit(text.to_owned())),
            _ => return Err(not_one()),
        };
        let number: u64 = number.parse().map_err(|_| not_one())?;
        match number.checked_mul(each_ms) {
            Some(0) => Err(SpanError::Zero),
            Some(ms) if ms <= YEAR_MS => Ok(Self::millis(ms)),
            _ => Err(SpanError::Endless(text.to_owned())),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            _ if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ if ms.is_multiple_of(1_000) => write!(f, "{}s", ms / 1_000),
            _ => write!(f, "{ms}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == HOLE {
            return Ok(Self::millis(1));
        }
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a length of time, such as `250ms`, `10s`, `5m` or `2h`",
            "type": "string",
            "pattern": r"^0*[1-9][0-9]*(ms|s|m|h)$",
        })
    }
}

/// A share of a whole: `1` to `100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "u64")]
pub struct Percent(u8);

impl Percent {
    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u64> for Percent {
    type Error = String;

    fn try_from(n: u64) -> Result<Self, String> {
        match u8::try_from(n) {
            Ok(n @ 1..=100) => Ok(Self(n)),
            _ => Err(format!("{n} percent is not a share of a whole: write 1 to 100")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for text in ["1ms", "250ms", "10s", "5m", "2h"] {
            assert_eq!(text.parse::<Span>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("1000ms".parse::<Span>().map(|it| it.to_string()), Ok("1s".to_owned()));
    }

    #[test]
    fn what_is_no_length_says_why() {
        let why = |text: &str| text.parse::<Span>().map_err(|it| it.to_string()).unwrap_err();
        assert_eq!(why("10"), "`10` has no unit: write `10s` or `10ms`");
        assert_eq!(why("0s"), "a length of zero does nothing: write at least `1ms`");
        assert!(why("99999h").contains("longer than a year"));
        for text in ["", "s", "-1s", "1 s", "1.5s", "ten", "1d", "99999999999999999999s"] {
            assert!(why(text).contains("is not a length of time"), "{text}");
        }
    }
}
