//! Where rows come from: a database, a service, a file.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::csv;
use crate::{
    probe::{Blind, needed},
    target::postgres::{Address, Login},
    units::Span,
    world::{
        World,
        web::{Ask, BODY_MAX, Method},
    },
};

/// Rows with named columns; a value that is null or missing is none.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

/// One of two that are compared.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Source {
    /// What a statement brings from PostgreSQL.
    Sql(Sql),
    /// A list of objects in JSON, from a service.
    Http(Http),
    /// A file of comma-separated values whose first line names the columns.
    Csv(Csv),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sql {
    url: Address,
    #[serde(default)]
    password_file: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    statement: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Where the list stands in the answer (JSON Pointer, RFC 6901); the answer itself, if it is
    /// not said.
    #[serde(default)]
    rows: String,
    /// Other names for columns.
    #[serde(default)]
    rename: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Csv {
    file: String,
    #[serde(default = "comma")]
    separator: char,
    /// Other names for columns.
    #[serde(default)]
    rename: BTreeMap<String, String>,
}

fn comma() -> char {
    ','
}

impl Source {
    /// In a few words.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Sql(it) => it.url.to_string(),
            Self::Http(it) => it.url.clone(),
            Self::Csv(it) => it.file.clone(),
        }
    }

    /// Reads all of it, and at most so many rows.
    pub(super) async fn read(&self, bounds: (usize, Span), world: &World) -> Result<Rows, Blind> {
        let rows = match self {
            Self::Sql(it) => it.read(bounds, world).await,
            Self::Http(it) => it.read(bounds.1, world).await,
            Self::Csv(it) => it.read(world),
        }?;
        if rows.rows.len() > bounds.0 {
            let why = format!("{} has more than {} rows", self.shown(), bounds.0);
            return Err(Blind(why));
        }
        Ok(rows)
    }
}

impl Sql {
    async fn read(&self, bounds: (usize, Span), world: &World) -> Result<Rows, Blind> {
        let (password_file, ca) = (self.password_file.as_deref(), self.ca.as_deref());
        let login = Login { url: &self.url, password_file, ca };
        let sheet = login.look(&self.statement, bounds, world).await?;
        Ok(Rows { columns: sheet.columns, rows: sheet.rows })
    }
}

impl Http {
    async fn read(&self, timeout: Span, world: &World) -> Result<Rows, Blind> {
        let ask = Ask {
            method: Method::Get,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: None,
            timeout: timeout.duration(),
        };
        let blind = |why: String| Blind(format!("{}: {why}", self.url));
        let answer = world.web.ask(ask).await.map_err(|why| blind(why.to_string()))?;
        if answer.status != 200 {
            return Err(blind(format!("it was answered with {}", answer.status)));
        }
        if answer.body.len() >= BODY_MAX {
            return Err(blind("the answer is longer than 1 MiB: ask for it in parts".to_owned()));
        }
        let body = String::from_utf8_lossy(&answer.body);
        let mut rows = objects(&body, &self.rows).map_err(blind)?;
        rename(&mut rows, &self.rename);
        Ok(rows)
    }
}

impl Csv {
    fn read(&self, world: &World) -> Result<Rows, Blind> {
        let bytes = needed(&self.file, world)?;
        let blind = |why: String| Blind(format!("{}: {why}", self.file));
        let text = String::from_utf8(bytes).map_err(|_| blind("it is not UTF-8".to_owned()))?;
        let mut records = csv::records(&text, self.separator).map_err(blind)?.into_iter();
        let columns = records.next().ok_or_else(|| blind("it has no first line".to_owned()))?;
        let mut rows = Rows { columns, rows: Vec::new() };
        for (n, it) in records.enumerate() {
            if it.len() != rows.columns.len() {
                let (has, wanted) = (it.len(), rows.columns.len());
                return Err(blind(format!("record {} has {has} fields, not {wanted}", n + 1)));
            }
            rows.rows.push(it.into_iter().map(Some).collect());
        }
        rename(&mut rows, &self.rename);
        Ok(rows)
    }
}

fn rename(rows: &mut Rows, names: &BTreeMap<String, String>) {
    for it in &mut rows.columns {
        if let Some(name) = names.get(it) {
            it.clone_from(name);
        }
    }
}

type Raw = Box<RawValue>;

/// A list of objects at a place in JSON. Numbers are kept as they are written, digit by digit.
fn objects(body: &str, place: &str) -> Result<Rows, String> {
    let mut at: Raw = serde_json::from_str(body).map_err(|why| format!("no JSON: {why}"))?;
    for token in place.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let nothing = || format!("there is nothing at `{place}`");
        let object: Result<BTreeMap<String, Raw>, _> = serde_json::from_str(at.get());
        at = if let Ok(mut it) = object {
            it.remove(&token).ok_or_else(nothing)?
        } else {
            let list: Vec<Raw> = serde_json::from_str(at.get()).map_err(|_| nothing())?;
            let n: usize = token.parse().map_err(|_| nothing())?;
            list.into_iter().nth(n).ok_or_else(nothing)?
        };
    }
    let list: Vec<BTreeMap<String, Raw>> = serde_json::from_str(at.get())
        .map_err(|why| format!("what stands at `{place}` is no list of objects: {why}"))?;
    let columns: BTreeSet<&String> = list.iter().flat_map(BTreeMap::keys).collect();
    let text = |raw: &Raw| match raw.get() {
        "null" => None,
        it if it.starts_with('"') => serde_json::from_str(it).ok(),
        it => Some(it.to_owned()),
    };
    let row = |it: &BTreeMap<String, Raw>| {
        columns.iter().map(|column| it.get(*column).and_then(text)).collect()
    };
    let rows = list.iter().map(row).collect();
    Ok(Rows { columns: columns.into_iter().cloned().collect(), rows })
}

#[cfg(test)]
mod tests {
    use super::objects;

    #[test]
    fn numbers_keep_every_digit() {
        let body =
            r#"{"a/b": [[{"id": "x", "n": 12345678901234567.89}, {"id": null, "t": true}]]}"#;
        let rows = objects(body, "/a~1b/0").unwrap();
        assert_eq!(rows.columns, ["id", "n", "t"]);
        let some = |it: &str| Some(it.to_owned());
        let wanted =
            [vec![some("x"), some("12345678901234567.89"), None], vec![None, None, some("true")]];
        assert_eq!(rows.rows, wanted);
        assert!(objects("[]", "").unwrap().rows.is_empty());
        for (body, place) in [("{", ""), ("{}", ""), ("{}", "/a"), ("[]", "/0"), ("[1]", "")] {
            assert!(objects(body, place).is_err(), "{body} {place}");
        }
    }
}
