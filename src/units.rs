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

/// A number of bytes as users write it: `64MiB`, `2GB`, `4096B`. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// So many bytes. Constants only; text goes through `from_str`.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        if unit.is_empty() && !number.is_empty() {
            return Err(format!("`{text}` has no unit: write `{text}MiB` or `{text}B`"));
        }
        let each = SIZES.iter().find(|it| it.0 == unit).map(|it| it.1);
        let bytes = number.parse::<u64>().ok().zip(each).and_then(|it| it.0.checked_mul(it.1));
        match bytes {
            Some(0) => Err("a size of zero does nothing: write at least `1B`".to_owned()),
            Some(it) => Ok(Self(it)),
            None => Err(format!(
                "`{text}` is not a size: write a whole number and B, KiB, MiB, GiB or TiB, as in `64MiB`"
            )),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |it: &&(&str, u64)| self.0 >= it.1 && self.0.is_multiple_of(it.1);
        // The largest that leaves a whole number: `2GB` is as many KiB, and nobody says so.
        match SIZES.iter().filter(fits).max_by_key(|it| it.1) {
            Some((unit, each)) => write!(f, "{}{unit}", self.0 / each),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == HOLE {
            return Ok(Self(1));
        }
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a number of bytes, such as `4096B`, `64MiB` or `2GB`",
            "type": "string",
            "pattern": r"^0*[1-9][0-9]*([KMGT]i?)?B$",
        })
    }
}

/// How much of something there is to be: so many bytes, or a share of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many bytes.
    Bytes(Size),
    /// `1%` to `100%`.
    Share(Percent),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(it) => it.fmt(f),
            Self::Share(it) => write!(f, "{}%", it.get()),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let Some(share) = text.strip_suffix('%') else {
            if text == HOLE {
                return Ok(Self::Bytes(Size(1)));
            }
            return text.parse().map(Self::Bytes).map_err(|why: String| {
                D::Error::custom(format!("{why}, or a share, as in `90%`"))
            });
        };
        let whole = share.parse::<u64>().map_err(|_| {
            D::Error::custom(format!("`{text}` is not a share of a whole: write `1%` to `100%`"))
        });
        Percent::try_from(whole?).map(Self::Share).map_err(D::Error::custom)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a number of bytes, such as `64MiB`, or a share, such as `90%`",
            "type": "string",
            "pattern": r"^0*[1-9][0-9]*(([KMGT]i?)?B|%)$",
        })
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
    fn sizes_and_shares_are_read_as_they_are_shown() {
        for text in ["1B", "1KB", "64MiB", "2GB", "3TiB"] {
            assert_eq!(text.parse::<Size>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["0B", "1", "1 MiB", "-1B", "1mb", "99999999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        let amount = |text: &str| serde_json::from_value::<Amount>(text.into());
        assert_eq!(amount("90%").map(|it| it.to_string()).ok().as_deref(), Some("90%"));
        assert_eq!(amount("4KiB").map(|it| it.to_string()).ok().as_deref(), Some("4KiB"));
        assert!(amount("101%").is_err() && amount("x%").is_err() && amount("7").is_err());
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
