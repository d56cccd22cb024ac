//! What does a database answer?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    probe::{Blind, Datum, Probe, Reading, needed},
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
        if let Some(path) = &self.password_file {
            let bytes = needed(path, world)?;
            let text = String::from_utf8_lossy(&bytes);
            return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let Some(path) = &self.pass_file else { return Ok(None) };
        let bytes = needed(path, world)?;
        let port = self.port.to_string();
        let wanted = [&self.host, &port, self.database(), &self.user];
        let found = String::from_utf8_lossy(&bytes).lines().find_map(|it| fits(it, wanted));
        found.map(Some).ok_or_else(|| Blind(format!("{path} has no line that fits this server")))
    }
}

/// The password of a line `host:port:database:user:password`, if the line fits. `*` fits all, and
/// `\` takes its meaning from `:` and `\`.
fn fits(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(it) = chars.next() {
        let field = fields.last_mut()?;
        match it {
            '\\' => field.extend(chars.next()),
            ':' => fields.push(String::new()),
            other => field.push(other),
        }
    }
    let [host, port, database, user, password] = fields.try_into().ok()?;
    let known = [host, port, database, user];
    let all = known.iter().zip(wanted).all(|(it, wanted)| it == "*" || it == wanted);
    all.then_some(password)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_of_a_pass_file_fits_or_not() {
        let fits = |line| super::fits(line, ["db", "5432", "ledger", "me"]);
        assert_eq!(fits("db:5432:ledger:me:s3cret"), Some("s3cret".to_owned()));
        assert_eq!(fits("*:*:*:me:a\\:b\\\\c"), Some("a:b\\c".to_owned()));
        for line in ["", "# *:*:*:*:x", "db:5433:*:*:x", "*:*:*:you:x", "*:*:*:*"] {
            assert_eq!(fits(line), None, "{line}");
        }
    }
}
