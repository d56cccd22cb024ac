//! Has a PostgreSQL server do something.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::{entry::UndoClass, showing::Showing},
    probe::{Datum, Reading},
    script::{bound::Bound, expect::Expect},
    target::postgres::{Address, Login},
    units::Span,
    world::{
        World,
        dial::{Leave, Sheet},
    },
};

/// Runs statements in one transaction, or each by itself with `transaction: false`. What the last
/// one brings must be as expected.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sql {
    url: Address,
    #[serde(default)]
    password_file: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    statements: Vec<String>,
    #[serde(default = "yes")]
    transaction: bool,
    #[serde(default)]
    expect: Brings,
    #[serde(default = "ten_seconds")]
    timeout: Span,
}

fn yes() -> bool {
    true
}

pub(super) fn ten_seconds() -> Span {
    Span::millis(10_000)
}

/// What a statement should bring.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Brings {
    /// How many rows it returns, or changes.
    #[serde(default)]
    rows: Option<Bound>,
    /// The first row's first value.
    #[serde(default)]
    value: Option<Bound>,
}

impl Brings {
    /// Whether an answer is as it should be; if not, why, in a sentence.
    pub(super) fn judge(&self, sheet: &Sheet) -> Result<(), String> {
        let mut reading = BTreeMap::from([("rows", Datum::count(sheet.count))]);
        if let Some(value) = value(sheet) {
            let number = value.parse().ok().filter(|it: &f64| it.is_finite());
            let wants_text = matches!(self.value, Some(Bound::Text(_)));
            let datum = number.filter(|_| !wants_text).map(Datum::Number);
            reading.insert("value", datum.unwrap_or_else(|| Datum::Text(value.to_owned())));
        }
        let bounds = [("rows", &self.rows), ("value", &self.value)];
        let bounds = bounds.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v.clone()?)));
        Expect(bounds.collect()).judge(&Reading(reading))
    }

    fn is_empty(&self) -> bool {
        self.rows.is_none() && self.value.is_none()
    }
}

/// The first row's first value.
pub(super) fn value(sheet: &Sheet) -> Option<&str> {
    sheet.rows.first()?.first()?.as_deref()
}

/// There is no way back that we know.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {}

impl Action for Sql {
    const ABOUT: &'static About = &About {
        name: "sql",
        summary: "has PostgreSQL run statements; what the last one brings must be as expected",
        needs: &[],
        example: "url: postgres://keeper@/ledger?host=/run/postgresql\n\
                  statements:\n  - select pg_promote()\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Told;

    async fn plan(&self, _: &World) -> Result<Plan<Told>, Refusal> {
        if self.statements.is_empty() {
            return Err(Refusal::NotReady("`statements` names no statement".to_owned()));
        }
        let will = format!("have {} run `{}`", self.url, self.statements.join("; "));
        Ok(Plan { undo: Told {}, will, by_hand: vec![] })
    }

    async fn apply(&self, undo: &Told, world: &World) -> Result<(), Failure> {
        self.perform(undo, world).await.map(drop)
    }

    async fn perform(&self, _: &Told, world: &World) -> Result<Option<Showing>, Failure> {
        let (password_file, ca) = (self.password_file.as_deref(), self.ca.as_deref());
        let login = Login { url: &self.url, password_file, ca };
        let leave = if self.transaction { Leave::Together } else { Leave::Each };
        let bounds = (1_000, self.timeout);
        let sheets = login.ask(self.statements.clone(), leave, bounds, world).await;
        let sheets = sheets.map_err(|why| Failure::Wrong(format!("{}: {why}", self.url)))?;
        let last = sheets.into_iter().next_back().unwrap_or_default();
        if self.expect.is_empty() {
            return Ok(None);
        }
        self.expect.judge(&last).map_err(Failure::Wrong)?;
        let mut showing = Showing::good("it brought what was expected").figure("rows", last.count);
        if let Some(it) = value(&last) {
            showing = showing.figure("value", it);
        }
        Ok(Some(showing))
    }

    async fn effect(_: &Told, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("the server said that it was done".to_owned()))
    }

    async fn undo(_: &Told, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}
