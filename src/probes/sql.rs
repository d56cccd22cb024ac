//! What does a database answer?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading, needed},
    secret,
    units::{HOLE, Span},
    world::{
        World,
        dial::{DialError, Privacy, Query},
    },
};

/// Asks a PostgreSQL server one statement, in a transaction that is read-only and rolled back
/// unless `write` says otherwise. The password is a secret of the file (`${secret.name}`) or in a
/// file: `password_file` holds nothing else, `pass_file` is as `~/.pgpass` is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sql {
    /// A name or an address, or the folder of a socket.
    #[serde(default = "here")]
    host: String,
    #[serde(default = "usual")]
    port: u16,
    user: String,
    /// The user's own, unless it is said.
    #[serde(default)]
    database: Option<String>,
    #[serde(default)]
    password: Option<Hidden>,
    #[serde(default)]
    password_file: Option<String>,
    #[serde(default)]
    pass_file: Option<String>,
    #[serde(default)]
    tls: bool,
    #[serde(default)]
    ca: Option<String>,
    statement: String,
    #[serde(default)]
    write: bool,
    #[serde(default = "two_seconds")]
    timeout: Span,
}

/// A password that is not written here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
struct Hidden(String);

impl TryFrom<String> for Hidden {
    type Error = &'static str;

    fn try_from(it: String) -> Result<Self, Self::Error> {
        if it.starts_with("${secret.") || it == HOLE {
            return Ok(Self(it));
        }
        Err(
            "a password that is written here is in every report: write `${secret.name}`, and where \
             it is under `secrets`",
        )
    }
}

fn here() -> String {
    "127.0.0.1".to_owned()
}

fn usual() -> u16 {
    5432
}

fn two_seconds() -> Span {
    Span::millis(2_000)
}

impl Probe for Sql {
    const ABOUT: &'static About = &About {
        name: "sql",
        summary: "asks PostgreSQL one statement, read-only: its first value and count of rows",
        needs: &[],
        example: "host: 127.0.0.1\nport: 5432\nuser: monitor\ndatabase: ledger\n\
                  password_file: /etc/holdfast/monitor.password\n\
                  statement: select count(*) from entries\ntimeout: 2s\n",
    };
    const READINGS: &'static [&'static str] =
        &["up", "value", "number", "rows", "latency_ms", "error"];

    async fn look(&self, world: &World) -> Result<Reading, Blind> {
        let query = Query {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            password: self.password(world)?,
            database: self.database().to_owned(),
            privacy: match (&self.ca, self.tls) {
                (Some(path), _) => Privacy::Tls(Some(needed(path, world)?)),
                (None, true) => Privacy::Tls(None),
                (None, false) => Privacy::Plain,
            },
            statement: self.statement.clone(),
            write: self.write,
            timeout: self.timeout.duration(),
        };
        let from = world.clock.now_us();
        let answer = world.dial.query(query).await;
        let mut reading = BTreeMap::from([("latency_ms", Datum::since(from, world))]);
        match answer {
            Ok(rows) => {
                reading.insert("up", Datum::Number(1.0));
                reading.insert("rows", Datum::count(rows.count));
                let value = rows.value.as_deref();
                let parsed = value.and_then(|it| it.parse().ok());
                if let Some(it) = parsed.filter(|it: &f64| it.is_finite()) {
                    reading.insert("number", Datum::Number(it));
                }
                reading.extend(rows.value.map(|it| ("value", Datum::Text(it))));
            }
            Err(why @ (DialError::NotConnected(_) | DialError::NoAnswer(_))) => {
                reading.insert("up", Datum::Number(0.0));
                reading.insert("error", Datum::Text(why.to_string()));
            }
            Err(DialError::NotACall(why)) => return Err(Blind(why)),
        }
        Ok(Reading(reading))
    }
}

impl Sql {
    fn database(&self) -> &str {
        self.database.as_deref().unwrap_or(&self.user)
    }

    fn password(&self, world: &World) -> Result<Option<String>, Blind> {
        if let Some(it) = &self.password {
            return Ok(Some(it.0.clone()));
        }
        let (host, user) = (self.host.as_str(), self.user.as_str());
        let files = (self.password_file.as_deref(), self.pass_file.as_deref());
        secret::password(files, [host, &self.port.to_string(), self.database(), user], world)
    }
}
