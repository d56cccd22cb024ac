//! A table in PostgreSQL.

use std::collections::BTreeMap;

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::{self, BoxStream},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::{
    about::About,
    journal::entry::{Found, Outcome, ReadBack},
    ledger::{Ledger, OpenLedger, Pool, Record, Side, Terms},
    manifest::{diagnostic::Diagnostic, unread::Placed},
    probe::{Blind, needed},
    target::postgres::{Address, Login},
    world::{
        World,
        dial::DialError,
        wire::{Standing, Table, Unsaid},
    },
};

/// So many records are read at once.
const PAGE: u64 = 5_000;
/// How long a page, or the table's making, may take.
const PAGE_MAX: Duration = Duration::from_secs(10);
/// How often a page is asked for before its records count as unreadable.
const TRIES: u32 = 3;
/// So many records that nobody wrote are told one by one.
const STRANGERS_MAX: u32 = 1_000;

/// A table of a PostgreSQL server, one row a record: `run`, `seq`, `payload` and `at`. A write is
/// one transaction, and is acknowledged when its COMMIT has returned. Connections are kept, and a
/// write that hangs keeps its own alone: so many are needed at once as writes fit the deadline.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostgreSql {
    /// Where records are written, as `postgres://user@host:port/database`.
    url: Address,
    /// A file that says where now, as `host:port`; the rest is as in `url`. It is looked at before
    /// each write, so that whoever switches over writes it anew.
    #[serde(default)]
    address_file: Option<String>,
    /// A file that holds the password and nothing else.
    #[serde(default)]
    password_file: Option<String>,
    /// Whom to trust, in PEM; with it, TLS is asked for.
    #[serde(default)]
    ca: Option<String>,
    /// Letters, digits and `_`, with a schema before a dot if need be.
    #[serde(default = "table")]
    #[schemars(with = "String")]
    table: Placed<String>,
    /// Whether the table is made if it is not there. Nobody removes it.
    #[serde(default)]
    create: bool,
    /// The server where the records are looked for afterwards, if it is another than the one that
    /// is written to then.
    #[serde(default)]
    read: Option<Address>,
    /// Servers that were not to acknowledge any more, by the names that reports give them. They are
    /// read, too, if they can be: what only they have was acknowledged by the wrong side.
    #[serde(default)]
    sides: BTreeMap<String, Address>,
    /// A standby, asked all the while how far it is.
    #[serde(default)]
    standby: Option<Address>,
}

fn table() -> Placed<String> {
    let place = crate::manifest::place::Place::default();
    Placed { place, value: "holdfast_witness".to_owned() }
}

impl Ledger for PostgreSql {
    const ABOUT: &'static About = &About {
        name: "postgresql",
        summary: "a table in PostgreSQL; a write is acknowledged when its COMMIT has returned",
        needs: &[],
        example: "url: postgres://witness@ledger.bank.example:5432/ledger\n\
                  password_file: /etc/holdfast/witness.password\ncreate: true\n\
                  standby: postgres://witness@db-b:5432/ledger\n\
                  sides: { former primary: postgres://witness@db-a:5432/ledger }\n",
    };

    fn complaints(&self) -> Vec<Diagnostic> {
        let it = &self.table.value;
        let plain = |it: &str| {
            let ordinary = |c: char| c.is_ascii_alphanumeric() || c == '_';
            !it.is_empty()
                && it.chars().all(ordinary)
                && !it.starts_with(|c: char| c.is_ascii_digit())
        };
        let parts = it.split('.').count();
        if it.as_str() != crate::units::HOLE && (parts > 2 || !it.split('.').all(plain)) {
            let help = "write letters, digits and `_`, such as `drills.witness`";
            return vec![Diagnostic::new(
                format!("`{it}` is no name of a table"),
                self.table.place,
                help,
            )];
        }
        Vec::new()
    }

    fn target(&self) -> String {
        let at = match &self.address_file {
            Some(path) => format!("the server that {path} names"),
            None => self.url.to_string(),
        };
        format!("the table {} of PostgreSQL, {at}", self.table.value)
    }

    fn sides(&self) -> Vec<String> {
        self.sides.keys().cloned().collect()
    }

    fn has_standby(&self) -> bool {
        self.standby.is_some()
    }

    fn open(&self, terms: Terms, world: &World) -> Box<dyn OpenLedger> {
        let (lines, peeks) = (Pool::default(), Pool::default());
        Box::new(Open { it: self.clone(), terms, world: world.clone(), lines, peeks })
    }
}

/// A session, and with whom it is.
struct Line {
    to: Address,
    session: Box<dyn Standing>,
}

struct Open {
    it: PostgreSql,
    terms: Terms,
    world: World,
    /// For writing.
    lines: Pool<Line>,
    /// To the standby.
    peeks: Pool<Line>,
}

impl OpenLedger for Open {
    fn prepare(&self) -> BoxFuture<'_, Result<(), Blind>> {
        async move {
            let table = &self.it.table.value;
            let statement = if self.it.create {
                let index = table.replace('.', "_");
                format!(
                    "CREATE TABLE IF NOT EXISTS {table} (run text NOT NULL, seq bigint NOT NULL, \
                     payload text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp()); \
                     CREATE INDEX IF NOT EXISTS {index}_run_seq ON {table} (run, seq)"
                )
            } else {
                format!("SELECT run, seq, payload FROM {table} LIMIT 0")
            };
            let work = async {
                let mut line = self.connect(&self.address()?).await.map_err(blind)?;
                line.session.say(statement).await.map_err(blind)?;
                self.lines.put(line);
                Ok(())
            };
            timeout(PAGE_MAX, work).await.unwrap_or_else(|_| Err(late()))
        }
        .boxed()
    }

    fn write(&self, record: Record) -> BoxFuture<'_, Outcome> {
        self.commit(record).boxed()
    }

    fn read<'a>(&'a self, side: Side<'a>, records: u64) -> BoxStream<'a, ReadBack> {
        let to = match side {
            Side::Recovered => self.it.read.clone().map_or_else(|| self.address(), Ok),
            Side::Other(name) => self.it.sides.get(name).cloned().ok_or_else(late),
        };
        let Ok(to) = to else {
            return stream::iter((0..records).map(|seq| ReadBack(seq, Found::Blind, 1))).boxed();
        };
        let last = records.div_ceil(PAGE);
        let pages = stream::unfold((0, None), move |(n, mut line)| {
            let to = to.clone();
            async move {
                let rows = match n {
                    n if n < last => {
                        let page = (n * PAGE, ((n + 1) * PAGE).min(records));
                        self.page(&to, &mut line, page).await
                    }
                    n if n == last => self.strangers(&to, &mut line, records).await,
                    _ => return None,
                };
                Some((stream::iter(rows), (n + 1, line)))
            }
        });
        pages.flatten().boxed()
    }

    fn newest(&self) -> BoxFuture<'_, Result<Option<u64>, Blind>> {
        async move {
            let no = || Blind("it has no standby".to_owned());
            let to = self.it.standby.clone().ok_or_else(no)?;
            let (table, run) = (&self.it.table.value, &self.terms.run);
            let newest = format!("SELECT max(seq) FROM {table} WHERE run = '{run}'");
            let work = async {
                let mut line = match self.peeks.take(|it| it.session.stands()) {
                    Some(it) => it,
                    None => self.connect(&to).await.map_err(blind)?,
                };
                let rows = line.session.say(newest).await.map_err(blind)?;
                self.peeks.put(line);
                let value = rows.into_iter().next().and_then(|it| it.into_iter().next().flatten());
                Ok(value.and_then(|it| it.parse().ok()))
            };
            timeout(self.terms.deadline, work).await.unwrap_or_else(|_| Err(late()))
        }
        .boxed()
    }
}

impl Open {
    /// Where to write now.
    fn address(&self) -> Result<Address, Blind> {
        let Some(path) = &self.it.address_file else {
            return Ok(self.it.url.clone());
        };
        let bytes = needed(path, &self.world)?;
        let now = self.it.url.elsewhere(&String::from_utf8_lossy(&bytes));
        now.ok_or_else(|| Blind(format!("{path} does not hold `host:port`")))
    }

    async fn connect(&self, to: &Address) -> Result<Line, DialError> {
        let (password_file, ca) = (self.it.password_file.as_deref(), self.it.ca.as_deref());
        let login = Login { url: to, password_file, ca };
        let server = login.server(&self.world).map_err(|why| DialError::NotACall(why.0))?;
        let session = self.world.wire.standing(server).await?;
        Ok(Line { to: to.clone(), session })
    }

    async fn commit(&self, record: Record) -> Outcome {
        let until = Instant::now() + self.terms.deadline;
        let Ok(to) = self.address() else { return Outcome::Blind };
        let mut line = match self.lines.take(|it| it.to == to && it.session.stands()) {
            Some(it) => it,
            // Nothing was sent as long as nobody took the call.
            None => match timeout_at(until, self.connect(&to)).await {
                Ok(Ok(it)) => it,
                Ok(Err(DialError::NotACall(_))) => return Outcome::Blind,
                Ok(Err(DialError::NotConnected(_) | DialError::NoAnswer(_))) | Err(_) => {
                    return Outcome::Refused;
                }
            },
        };
        let (table, Record { seq, payload, .. }) = (&self.it.table.value, record);
        // The server gives up as well, but long after this end: a commit that is told to stop
        // waiting for its standby says that it is done.
        let statement = format!(
            "BEGIN; SET LOCAL statement_timeout = {}; INSERT INTO {table} (run, seq, payload) \
             VALUES ('{}', {seq}, '{payload}'); COMMIT",
            self.terms.deadline.as_millis() * 4,
            self.terms.run,
        );
        match timeout_at(until, line.session.say(statement)).await {
            Ok(Ok(_)) => {
                self.lines.put(line);
                Outcome::Acked
            }
            Ok(Err(Unsaid::Refused(_))) => Outcome::Refused,
            Ok(Err(Unsaid::Unknown(_))) | Err(_) => Outcome::Unknown,
        }
    }

    /// What there is of the records of a page.
    async fn page(
        &self,
        to: &Address,
        line: &mut Option<Line>,
        (from, end): (u64, u64),
    ) -> Vec<ReadBack> {
        let (table, run) = (&self.it.table.value, &self.terms.run);
        let page = format!(
            "SELECT seq, payload FROM {table} WHERE run = '{run}' AND seq >= {from} AND seq < {end}"
        );
        match self.ask(to, line, &page).await {
            Ok(rows) => self.found((from, end), &rows),
            Err(_) => (from..end).map(|seq| ReadBack(seq, Found::Blind, 1)).collect(),
        }
    }

    /// Records of this run that nobody wrote.
    async fn strangers(
        &self,
        to: &Address,
        line: &mut Option<Line>,
        records: u64,
    ) -> Vec<ReadBack> {
        let (table, run) = (&self.it.table.value, &self.terms.run);
        let others = format!(
            "SELECT DISTINCT seq FROM {table} WHERE run = '{run}' AND seq >= {records} \
             LIMIT {STRANGERS_MAX}"
        );
        let rows = self.ask(to, line, &others).await.unwrap_or_default();
        let seq = |it: Vec<Option<String>>| it.into_iter().next().flatten()?.parse().ok();
        rows.into_iter().filter_map(seq).map(|seq| ReadBack(seq, Found::Altered, 1)).collect()
    }

    /// What was found of the records of a page.
    fn found(&self, (from, end): (u64, u64), rows: &Table) -> Vec<ReadBack> {
        let mut found: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        for row in rows {
            if let [Some(seq), payload] = row.as_slice()
                && let Ok(seq) = seq.parse()
            {
                found.entry(seq).or_default().push(payload.as_deref().unwrap_or_default());
            }
        }
        let one = |seq| self.terms.record(seq).found(found.remove(&seq).unwrap_or_default());
        (from..end).map(one).collect()
    }

    /// One answer, over a line that is made anew if it broke. A table that is not there has no
    /// rows: it never came over.
    async fn ask(
        &self,
        to: &Address,
        line: &mut Option<Line>,
        statement: &str,
    ) -> Result<Table, Blind> {
        let mut last = late();
        for _ in 0..TRIES {
            let work = async {
                let mut open = match line.take() {
                    Some(it) => it,
                    None => self.connect(to).await.map_err(blind)?,
                };
                match open.session.say(statement.to_owned()).await {
                    Ok(rows) => {
                        *line = Some(open);
                        Ok(rows)
                    }
                    Err(Unsaid::Refused(why)) if why.ends_with("(42P01)") => Ok(Vec::new()),
                    Err(why) => Err(blind(why)),
                }
            };
            match timeout(PAGE_MAX, work).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(why)) => last = why,
                Err(_) => last = late(),
            }
            tokio::time::sleep(self.terms.every).await;
        }
        tracing::warn!("the witness could not read {to}: {}", last.0);
        Err(last)
    }
}

fn blind(why: impl std::fmt::Display) -> Blind {
    Blind(why.to_string())
}

fn late() -> Blind {
    Blind("there was no answer in time".to_owned())
}
