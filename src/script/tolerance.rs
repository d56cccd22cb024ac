//! Tolerances that are more than a value: a pattern, a place in JSON, a percentile of many looks.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::{pattern::Pattern, probe::Datum, script::bound::range, units::HOLE, verdict::Verdict};

/// A regular expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Matches {
    text: String,
    pattern: Pattern,
}

impl TryFrom<String> for Matches {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let pattern = text.parse::<Pattern>().map_err(|why| why.to_string())?;
        Ok(Self { text, pattern })
    }
}

impl Matches {
    /// Whether it is found anywhere in the text.
    pub fn found_in(&self, text: &str) -> bool {
        self.pattern.matches(text)
    }
}

impl PartialEq for Matches {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Matches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A place in JSON (JSON Pointer, RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let escaped = |it: &str| it.starts_with(['0', '1']);
        let well = text.is_empty() || text.starts_with('/');
        if text != HOLE && !(well && text.split('~').skip(1).all(escaped)) {
            return Err(format!(
                "`{text}` is no JSON Pointer (RFC 6901): write `/accounts/0/state`, with `~1` for \
                 a slash in a name and `~0` for a tilde"
            ));
        }
        Ok(Self(text))
    }
}

impl Pointer {
    /// What stands at that place; or why there is nothing, after the part's name. What is neither
    /// a number nor a text is told as it is written in JSON.
    pub fn look(&self, datum: &Datum) -> Result<Datum, String> {
        let text = match datum {
            Datum::Text(it) => it.clone(),
            Datum::Number(it) => it.to_string(),
        };
        let json: Value = serde_json::from_str(&text)
            .map_err(|why| format!("is {datum}, which is not JSON: {why}"))?;
        match json.pointer(&self.0) {
            None => Err(format!("has nothing at `{self}`: it is {datum}")),
            Some(Value::String(it)) => Ok(Datum::Text(it.clone())),
            Some(it) => {
                let number = it.as_f64().map(Datum::Number);
                Ok(number.unwrap_or_else(|| Datum::Text(it.to_string())))
            }
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A share of all looks in percent, over 0 and up to 100.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(f64);

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(p: f64) -> Result<Self, String> {
        if p > 0.0 && p <= 100.0 {
            Ok(Self(p))
        } else {
            Err(format!("p{p} is no percentile: write a number over 0, at most 100"))
        }
    }
}

/// Where the percentile of a number over a stretch of looks must lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// So many percent of all looks are at most as large.
    pub p: Share,
    /// At least this.
    pub min: Option<f64>,
    /// At most this.
    pub max: Option<f64>,
}

impl Percentile {
    /// Judges the numbers of a stretch. A look that saw none may have been anything: the verdict
    /// is certain only if it is the same whether all of these are least or largest.
    pub fn judge(&self, name: &str, seen: &[Option<f64>]) -> (Verdict, String) {
        let of = |blind: f64| {
            let mut all: Vec<f64> = seen.iter().map(|it| it.unwrap_or(blind)).collect();
            all.sort_by(f64::total_cmp);
            all.get(rank(self.p, all.len())).copied()
        };
        let (Some(least), Some(largest)) = (of(f64::NEG_INFINITY), of(f64::INFINITY)) else {
            return (Verdict::Inconclusive, format!("nobody looked at {name}"));
        };
        let fits =
            |it: f64| self.min.is_none_or(|min| it >= min) && self.max.is_none_or(|max| it <= max);
        let below = self.min.is_some_and(|min| largest < min);
        let above = self.max.is_some_and(|max| least > max);
        let (n, p) = (seen.len(), self.p.0);
        let blind = seen.iter().filter(|it| it.is_none()).count();
        if fits(least) && fits(largest) {
            (Verdict::Pass, format!("p{p} of {name} was {}", shown(least, largest)))
        } else if below || above {
            let (was, wanted) = (shown(least, largest), range(self.min, self.max));
            (Verdict::Fail, format!("p{p} of {name} was {was} over {n} looks, not {wanted}"))
        } else {
            let why = format!("p{p} of {name} cannot be told: {blind} of {n} looks saw none");
            (Verdict::Inconclusive, why)
        }
    }
}

/// The nearest rank among `n` sorted numbers, from 0.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank is between 0 and a count of looks"
)]
fn rank(Share(p): Share, n: usize) -> usize {
    // Multiplied first: 99 percent of 100 is 99, and not a little more.
    let rank = (p * n as f64 / 100.0).ceil() as usize;
    rank.clamp(1, n.max(1)) - 1
}

/// What is known of a percentile.
fn shown(least: f64, largest: f64) -> String {
    match (least.is_finite(), largest.is_finite()) {
        (true, true) if least < largest => format!("from {least} to {largest}"),
        (true, false) => format!("at least {least}"),
        (false, true) => format!("at most {largest}"),
        (true, true) | (false, false) => least.to_string(),
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at p{}", range(self.min, self.max), self.p.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(p: f64, max: f64) -> Percentile {
        Percentile { p: Share(p), min: None, max: Some(max) }
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let seen: Vec<_> = (1..=100).map(|it| Some(f64::from(it))).collect();
        assert_eq!(at(99.0, 99.0).judge("x", &seen).0, Verdict::Pass);
        assert_eq!(at(99.0, 98.0).judge("x", &seen).0, Verdict::Fail);
        assert_eq!(at(100.0, 99.0).judge("x", &seen).0, Verdict::Fail);
        assert_eq!(at(0.1, 1.0).judge("x", &seen).0, Verdict::Pass);
        assert_eq!(at(50.0, 50.0).judge("x", &[]).0, Verdict::Inconclusive);
        let (_, why) = at(50.0, 49.0).judge("x", &seen);
        assert_eq!(why, "p50 of x was 50 over 100 looks, not at most 49");
    }

    #[test]
    fn looks_that_saw_nothing_decide_nothing_unless_it_is_decided_without_them() {
        let seen = |good: usize, slow: usize, blind: usize| -> Vec<Option<f64>> {
            let all = vec![Some(1.0); good].into_iter().chain(vec![Some(9.0); slow]);
            all.chain(vec![None; blind]).collect()
        };
        assert_eq!(at(90.0, 5.0).judge("x", &seen(95, 0, 5)).0, Verdict::Pass);
        assert_eq!(at(90.0, 5.0).judge("x", &seen(85, 0, 15)).0, Verdict::Inconclusive);
        assert_eq!(at(90.0, 5.0).judge("x", &seen(80, 15, 5)).0, Verdict::Fail);
        assert_eq!(at(90.0, 5.0).judge("x", &seen(0, 0, 3)).0, Verdict::Inconclusive);
    }

    #[test]
    fn a_pointer_finds_what_stands_in_json() {
        let body = Datum::Text(r#"{"a/b": [{"state": "open", "n": 3, "ok": true}]}"#.to_owned());
        let look = |place: &str| Pointer::try_from(place.to_owned()).unwrap().look(&body);
        assert_eq!(look("/a~1b/0/state"), Ok(Datum::Text("open".to_owned())));
        assert_eq!(look("/a~1b/0/n"), Ok(Datum::Number(3.0)));
        assert_eq!(look("/a~1b/0/ok"), Ok(Datum::Text("true".to_owned())));
        assert!(look("/a/b").is_err());
        for text in ["a", "/a~", "/a~2"] {
            assert!(Pointer::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
