//! Alters rows behind a database's back: what should notice does not fire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    target::postgres::{Address, Login},
    units::Span,
    world::{World, dial::Leave},
};

/// Runs statements in PostgreSQL with triggers and foreign keys out of force
/// (`session_replication_role`), as a superuser may; all of them or none. To put the rows right
/// again is what a drill is for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowsAltered {
    url: Address,
    #[serde(default)]
    password_file: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    #[schemars(length(min = 1))]
    statements: Vec<String>,
    #[serde(default = "ten_seconds")]
    timeout: Span,
}

fn ten_seconds() -> Span {
    Span::millis(10_000)
}

/// Nobody knows what the rows were.
#[derive(Serialize, Deserialize)]
pub(crate) struct Altered {}

impl Action for RowsAltered {
    const ABOUT: &'static About = &About {
        name: "rows_altered",
        summary: "alters rows in PostgreSQL silently: no trigger fires and no foreign key complains",
        needs: &[],
        example: "url: postgres://keeper@/ledger?host=/run/postgresql\nstatements:\n  \
                  - update entries set amount = amount + 1 where id = 7\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Altered;

    async fn plan(&self, _: &World) -> Result<Plan<Altered>, Refusal> {
        if self.statements.is_empty() {
            return Err(Refusal::NotReady("`statements` names no statement".to_owned()));
        }
        let will = format!("alter {} by `{}`", self.url, self.statements.join("; "));
        let by_hand = format!("put what was altered in {} right from a backup", self.url);
        Ok(Plan { undo: Altered {}, will, by_hand: vec![by_hand] })
    }

    async fn apply(&self, _: &Altered, world: &World) -> Result<(), Failure> {
        let (password_file, ca) = (self.password_file.as_deref(), self.ca.as_deref());
        let login = Login { url: &self.url, password_file, ca };
        let silent = "set local session_replication_role = replica".to_owned();
        let statements = std::iter::once(silent).chain(self.statements.clone()).collect();
        let done = login.ask(statements, Leave::Together, (1_000, self.timeout), world).await;
        let sheets = done.map_err(|why| Failure::Wrong(format!("{}: {why}", self.url)))?;
        let rows: u64 = sheets.iter().map(|it| it.count).sum();
        tracing::debug!(rows, "altered");
        Ok(())
    }

    async fn effect(_: &Altered, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("the server said that the rows were altered".to_owned()))
    }

    async fn undo(_: &Altered, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}
