//! Are two sources the same? Counts, sums, checksums and rows by their keys.

mod compare;
mod csv;
mod decimal;
mod source;

use schemars::JsonSchema;
use serde::Deserialize;

use self::{
    compare::{Compared, What, compare},
    source::Source,
};
use crate::{
    about::About,
    inspection::Inspection,
    journal::showing::Showing,
    probe::{Blind, Datum, Reading},
    script::{bound::Bound, expect::Expect},
    units::Span,
    verdict::Verdict,
    world::World,
};

/// Compares `left`, which is as it should be, with `right`. Rows are told apart by the columns in
/// `key`, and must be equal in `compare`: in all columns that both have, if it is not said. Sums of
/// decimal numbers are exact. Without a `key`, counts, sums and a checksum are compared alone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reconcile {
    left: Source,
    right: Source,
    #[serde(default)]
    key: Vec<String>,
    #[serde(default)]
    compare: Vec<String>,
    #[serde(default)]
    sums: Vec<String>,
    /// How many differences there should be; none, if it is not said.
    #[serde(default)]
    expect: Differences,
    /// So many rows are taken of each at most.
    #[serde(default = "million")]
    rows_max: usize,
    #[serde(default = "minute")]
    timeout: Span,
    /// Whether the drill must not go on if they are not as expected.
    #[serde(default)]
    or_stop: bool,
}

fn million() -> usize {
    1_000_000
}

fn minute() -> Span {
    Span::millis(60_000)
}

/// How many differences of each sort there should be: none, if it is not said.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Differences {
    /// Keys that only the left has.
    #[serde(default)]
    missing: Option<Bound>,
    /// Keys that only the right has.
    #[serde(default)]
    extra: Option<Bound>,
    /// Keys whose rows differ.
    #[serde(default)]
    differing: Option<Bound>,
    /// Keys that stand more than once on one side.
    #[serde(default)]
    duplicates: Option<Bound>,
}

impl Inspection for Reconcile {
    const ABOUT: &'static About = &About {
        name: "reconcile",
        summary: "compares two sources: counts, exact sums, checksums, and rows by their keys",
        needs: &[],
        example: "left:\n  csv: { file: /var/lib/ledger/end-of-day.csv }\nright:\n  sql:\n    \
                  url: postgres://auditor@127.0.0.1:5432/ledger\n    \
                  password_file: /etc/holdfast/auditor.password\n    \
                  statement: select id, amount from entries\nkey: [id]\nsums: [amount]\n",
    };

    fn will(&self) -> String {
        format!("compare {} with {}", self.left.shown(), self.right.shown())
    }

    fn or_stop(&self) -> bool {
        self.or_stop
    }

    async fn inspect(&self, world: &World) -> Result<Showing, Blind> {
        let bounds = (self.rows_max, self.timeout);
        let (left, right) =
            futures_util::join!(self.left.read(bounds, world), self.right.read(bounds, world));
        let what = What { key: &self.key, columns: &self.compare, sums: &self.sums };
        let compared = compare(&left?, &right?, &what)?;
        Ok(self.judge(&compared))
    }
}

impl Reconcile {
    fn judge(&self, it: &Compared) -> Showing {
        let judged = if self.key.is_empty() { as_a_whole(it) } else { self.by_key(it) };
        let mut showing = match judged {
            Ok(why) => Showing::good(why),
            Err(why) => Showing::of(Verdict::Fail, why),
        };
        let (left, right) = it.rows;
        showing = showing.figure("rows on the left", left).figure("rows on the right", right);
        if !self.key.is_empty() {
            showing = showing
                .figure("missing on the right", it.missing)
                .figure("only on the right", it.extra)
                .figure("differing", it.differing)
                .figure("more than once", it.duplicates);
        }
        for (name, left, right) in &it.sums {
            showing = showing.figure(format!("sum of {name} on the left"), left);
            showing = showing.figure(format!("sum of {name} on the right"), right);
        }
        showing = showing
            .figure("SHA-256 of the left", &it.checksums.0)
            .figure("SHA-256 of the right", &it.checksums.1)
            .details(it.details.iter().cloned());
        let all = it.missing + it.extra + it.differing + it.duplicates;
        let told = u64::try_from(showing.details.len()).unwrap_or(u64::MAX);
        showing.details_left_out = all.saturating_sub(told);
        showing
    }

    fn by_key(&self, it: &Compared) -> Result<String, String> {
        let Differences { missing, extra, differing, duplicates } = &self.expect;
        let all = [
            ("missing", missing, it.missing),
            ("extra", extra, it.extra),
            ("differing", differing, it.differing),
            ("duplicates", duplicates, it.duplicates),
        ];
        let mut wanted = std::collections::BTreeMap::new();
        let mut reading = std::collections::BTreeMap::new();
        for (name, bound, n) in all {
            wanted.insert(name.to_owned(), bound.clone().unwrap_or(Bound::Number(0.0)));
            reading.insert(name, Datum::count(n));
        }
        let counts = all.map(|(name, _, n)| format!("{n} {name}")).join(", ");
        Expect(wanted).judge(&Reading(reading)).map_err(|why| format!("{why} ({counts})"))?;
        let (left, right) = it.rows;
        Ok(format!("{left} rows on the left, {right} on the right: {counts}"))
    }
}

/// Without keys: the same number of rows, the same sums, the same checksum.
fn as_a_whole(it: &Compared) -> Result<String, String> {
    let (left, right) = it.rows;
    if left != right {
        return Err(format!("{left} rows on the left, and {right} on the right"));
    }
    if let Some((name, left, right)) = it.sums.iter().find(|it| it.1 != it.2) {
        return Err(format!("the sum of {name} is {left} on the left, and {right} on the right"));
    }
    if it.checksums.0 != it.checksums.1 {
        return Err("the checksums differ: name a `key` to be told which rows do".to_owned());
    }
    Ok(format!("{left} rows on each side, with the same sums and checksum"))
}
