//! Two sets of rows, held against each other. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{decimal::Decimal, source::Rows};
use crate::{
    journal::{chain, showing::DETAILS_MAX},
    probe::Blind,
};

/// What to compare.
pub(super) struct What<'a> {
    /// Columns that name a row; with none, only counts, sums and checksums are compared.
    pub(super) key: &'a [String],
    /// Columns that must be equal; with none, all that both have.
    pub(super) columns: &'a [String],
    /// Columns that are added up.
    pub(super) sums: &'a [String],
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Rows of the left and of the right.
    pub(super) rows: (u64, u64),
    /// Keys that only the left has.
    pub(super) missing: u64,
    /// Keys that only the right has.
    pub(super) extra: u64,
    /// Keys whose rows differ.
    pub(super) differing: u64,
    /// Keys that stand more than once on one side.
    pub(super) duplicates: u64,
    /// For each column its sum on the left and on the right.
    pub(super) sums: Vec<(String, Decimal, Decimal)>,
    /// SHA-256 of all that was compared, left and right: equal if and only if the rows are.
    pub(super) checksums: (String, String),
    /// One line each, the first of each sort.
    pub(super) details: Vec<String>,
}

type Values = Vec<Option<String>>;
type Keyed = BTreeMap<Values, Values>;

/// Compares the left, which is as it should be, with the right.
pub(super) fn compare(left: &Rows, right: &Rows, what: &What<'_>) -> Result<Compared, Blind> {
    let columns = columns(left, right, what);
    let sides = [left, right].map(|it| Side::of(it, what.key, &columns));
    let [left_side, right_side] = sides;
    let (left_side, right_side) = (left_side?, right_side?);
    let mut compared = Compared {
        rows: (count(left.rows.len()), count(right.rows.len())),
        duplicates: count(left_side.twice.len() + right_side.twice.len()),
        checksums: (left_side.checksum(), right_side.checksum()),
        ..Compared::default()
    };
    for name in what.sums {
        let sums = (sum(left, name)?, sum(right, name)?);
        compared.sums.push((name.clone(), sums.0, sums.1));
    }
    if what.key.is_empty() {
        return Ok(compared);
    }
    let mut told = Told::default();
    for (key, values) in &left_side.keyed {
        match right_side.keyed.get(key) {
            None => {
                compared.missing += 1;
                told.missing(key);
            }
            Some(other) if other != values => {
                compared.differing += 1;
                told.differing(key, &columns, (values, other));
            }
            Some(_) => {}
        }
    }
    for key in right_side.keyed.keys().filter(|it| !left_side.keyed.contains_key(*it)) {
        compared.extra += 1;
        told.extra(key);
    }
    let twice = left_side.twice.iter().map(|it| ("left", it));
    for (side, key) in twice.chain(right_side.twice.iter().map(|it| ("right", it))) {
        told.twice(side, key);
    }
    compared.details = told.all();
    Ok(compared)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn columns(left: &Rows, right: &Rows, what: &What<'_>) -> Vec<String> {
    if !what.columns.is_empty() {
        return what.columns.to_vec();
    }
    let there: BTreeSet<&String> = right.columns.iter().collect();
    let both = left.columns.iter().filter(|it| there.contains(it));
    both.filter(|it| !what.key.contains(it)).cloned().collect()
}

/// The rows of one side, as far as they are compared.
struct Side {
    keyed: Keyed,
    twice: BTreeSet<Values>,
    all: Vec<Values>,
}

impl Side {
    fn of(rows: &Rows, key: &[String], columns: &[String]) -> Result<Self, Blind> {
        let at = |names: &[String]| -> Result<Vec<usize>, Blind> {
            names.iter().map(|it| place(rows, it)).collect()
        };
        let (key, columns) = (at(key)?, at(columns)?);
        let (mut keyed, mut twice) = (Keyed::new(), BTreeSet::new());
        let mut all = Vec::with_capacity(rows.rows.len());
        for row in &rows.rows {
            let pick = |at: &[usize]| -> Values {
                at.iter().map(|n| row.get(*n).and_then(|it| it.as_deref().map(plain))).collect()
            };
            let (name, values) = (pick(&key), pick(&columns));
            all.push(name.iter().chain(&values).cloned().collect());
            if !key.is_empty() && keyed.insert(name.clone(), values).is_some() {
                twice.insert(name);
            }
        }
        all.sort_unstable();
        Ok(Self { keyed, twice, all })
    }

    fn checksum(&self) -> String {
        let text = serde_json::to_vec(&self.all).expect("texts and nulls are JSON");
        chain::hash(&text)
    }
}

/// Equal numbers are the same text: `1.50` is `1.5`.
fn plain(text: &str) -> String {
    Decimal::read(text.trim()).map_or_else(|| text.to_owned(), |it| it.to_string())
}

fn place(rows: &Rows, name: &str) -> Result<usize, Blind> {
    let found = rows.columns.iter().position(|it| it == name);
    found.ok_or_else(|| {
        let has = rows.columns.join(", ");
        Blind(format!("there is no column `{name}` on one side, which has: {has}"))
    })
}

fn sum(rows: &Rows, name: &str) -> Result<Decimal, Blind> {
    // Nothing is added up of a table without rows, whose columns a service does not tell.
    if rows.rows.is_empty() {
        return Ok(Decimal::default());
    }
    let at = place(rows, name)?;
    let values = rows.rows.iter().filter_map(|row| row.get(at)?.as_deref());
    values.into_iter().try_fold(Decimal::default(), |sum, text| {
        let it = Decimal::read(text.trim());
        let it = it.ok_or_else(|| Blind(format!("`{text}` in `{name}` is no decimal number")))?;
        sum.plus(it).ok_or_else(|| Blind(format!("the sum of `{name}` has more than 38 digits")))
    })
}

/// Lines about differences; a bounded number of each sort, so that one does not hide the others.
#[derive(Default)]
struct Told {
    missing: Vec<String>,
    extra: Vec<String>,
    differing: Vec<String>,
    twice: Vec<String>,
}

const EACH_MAX: usize = DETAILS_MAX / 4;

impl Told {
    fn missing(&mut self, key: &Values) {
        add(&mut self.missing, || format!("missing on the right: {}", named(key)));
    }

    fn extra(&mut self, key: &Values) {
        add(&mut self.extra, || format!("only on the right: {}", named(key)));
    }

    fn twice(&mut self, side: &str, key: &Values) {
        add(&mut self.twice, || format!("more than once on the {side}: {}", named(key)));
    }

    fn differing(&mut self, key: &Values, columns: &[String], (left, right): (&Values, &Values)) {
        add(&mut self.differing, || {
            let pairs = columns.iter().zip(left.iter().zip(right));
            let differ = pairs.filter(|it| it.1.0 != it.1.1).map(|(column, (left, right))| {
                format!(
                    "{column} is {} on the left and {} on the right",
                    shown(left.as_ref()),
                    shown(right.as_ref())
                )
            });
            format!("{}: {}", named(key), differ.collect::<Vec<_>>().join(", "))
        });
    }

    fn all(self) -> Vec<String> {
        [self.missing, self.extra, self.differing, self.twice].concat()
    }
}

fn add(lines: &mut Vec<String>, line: impl FnOnce() -> String) {
    if lines.len() < EACH_MAX {
        lines.push(line());
    }
}

fn named(key: &Values) -> String {
    key.iter().map(|it| shown(it.as_ref())).collect::<Vec<_>>().join(", ")
}

fn shown(value: Option<&String>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(it) if it.chars().count() > 60 => {
            format!("`{}…`", it.chars().take(60).collect::<String>())
        }
        Some(it) => format!("`{it}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&str], rows: &[&[&str]]) -> Rows {
        let text = |it: &&str| Some((*it).to_owned()).filter(|it| it != "null");
        Rows {
            columns: columns.iter().map(|it| (*it).to_owned()).collect(),
            rows: rows.iter().map(|row| row.iter().map(text).collect()).collect(),
        }
    }

    fn id() -> Vec<String> {
        vec!["id".to_owned()]
    }

    #[test]
    fn every_difference_is_counted_and_named() {
        let left = rows(
            &["id", "amount", "by"],
            &[&["1", "10.50", "a"], &["2", "1", "b"], &["3", "2", "c"]],
        );
        let right = rows(
            &["amount", "id", "at"],
            &[&["10.5", "1", "x"], &["9", "3", "y"], &["5", "4", "z"], &["5", "4", "z"]],
        );
        let (key, sums) = (id(), vec!["amount".to_owned()]);
        let what = What { key: &key, columns: &[], sums: &sums };
        let it = compare(&left, &right, &what).unwrap();
        assert_eq!((it.missing, it.extra, it.differing, it.duplicates), (1, 1, 1, 1));
        assert_eq!(it.rows, (3, 4));
        let (_, left_sum, right_sum) = it.sums.first().unwrap();
        assert_eq!((left_sum.to_string(), right_sum.to_string()), ("13.5".into(), "29.5".into()));
        let wanted = [
            "missing on the right: `2`",
            "only on the right: `4`",
            "`3`: amount is `2` on the left and `9` on the right",
            "more than once on the right: `4`",
        ];
        assert_eq!(it.details, wanted);
        assert_ne!(it.checksums.0, it.checksums.1);
    }

    #[test]
    fn the_same_rows_in_another_order_are_the_same() {
        let left = rows(&["id", "n"], &[&["1", "1.0"], &["2", "null"]]);
        let right = rows(&["n", "id"], &[&["null", "2"], &["1", "1"]]);
        let key = id();
        let what = What { key: &key, columns: &[], sums: &[] };
        let it = compare(&left, &right, &what).unwrap();
        assert_eq!((it.missing, it.extra, it.differing, it.duplicates), (0, 0, 0, 0));
        assert_eq!(it.checksums.0, it.checksums.1);
        let other = rows(&["n", "id"], &[&["", "2"], &["1", "1"]]);
        let it = compare(&left, &other, &what).unwrap();
        assert_eq!(it.differing, 1, "nothing is not an empty text");
    }

    #[test]
    fn what_cannot_be_compared_is_blind() {
        let (left, right) = (rows(&["id"], &[&["1"]]), rows(&["name"], &[&["1"]]));
        let key = id();
        let none = What { key: &key, columns: &[], sums: &[] };
        assert!(compare(&left, &right, &none).is_err());
        let words = rows(&["id"], &[&["one"]]);
        let sums = What { key: &[], columns: &[], sums: &key };
        assert!(compare(&words, &words, &sums).is_err());
    }

    #[test]
    fn one_sort_of_difference_does_not_hide_another() {
        let many: Vec<String> = (0..1_000).map(|it| it.to_string()).collect();
        let all: Vec<Vec<&str>> = many.iter().map(|it| vec![it.as_str()]).collect();
        let all: Vec<&[&str]> = all.iter().map(Vec::as_slice).collect();
        let (left, right) = (rows(&["id"], &all), rows(&["id"], &[&["x"]]));
        let key = id();
        let it = compare(&left, &right, &What { key: &key, columns: &[], sums: &[] }).unwrap();
        assert_eq!((it.missing, it.extra), (1_000, 1));
        assert!(it.details.len() <= DETAILS_MAX && it.details.iter().any(|it| it.contains("`x`")));
    }
}
