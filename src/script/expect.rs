//! What an answer must be. Judging is pure.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    journal::entry::Look,
    probe::{Datum, Reading},
    script::{bound::Bound, tolerance::Percentile},
    verdict::Verdict,
};

/// What each part of a reading must be.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("minProperties" = 1))]
pub struct Expect(pub BTreeMap<String, Bound>);

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
                    return Err(format!("{name} {}{why}", bound.why_not(datum)));
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

impl Expect {
    /// Whether some of it can only be told from many looks.
    pub fn needs_many(&self) -> bool {
        self.0.values().any(Bound::needs_many)
    }

    /// The parts whose percentiles are bounded, in the order of [`Self::measured`].
    fn percentiles(&self) -> impl Iterator<Item = (&String, &Percentile)> {
        self.0.iter().filter_map(|(name, bound)| match bound {
            Bound::Percentile(it) => Some((name, it)),
            _ => None,
        })
    }

    /// What the reading says of the parts whose percentiles are bounded; none of what is no finite
    /// number.
    pub fn measured(&self, reading: &Reading) -> Vec<Option<f64>> {
        let number = |name: &String| match reading.0.get(name.as_str()) {
            Some(Datum::Number(it)) => Some(*it).filter(|it| it.is_finite()),
            Some(Datum::Text(_)) | None => None,
        };
        self.percentiles().map(|it| number(it.0)).collect()
    }

    /// Judges what only many looks can tell; each percentile has its sentence.
    pub fn judge_many(&self, looks: &[Look]) -> (Verdict, Vec<String>) {
        let (mut worst, mut told) = (Verdict::Pass, Vec::new());
        for (n, (name, it)) in self.percentiles().enumerate() {
            let seen: Vec<_> = looks.iter().map(|look| look.4.get(n).copied().flatten()).collect();
            let (verdict, why) = it.judge(name, &seen);
            worst = worst.max(verdict);
            told.push(why);
        }
        (worst, told)
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
