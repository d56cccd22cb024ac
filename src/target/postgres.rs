//! A PostgreSQL server, as users name it: `postgres://user@host:port/database`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::{
    probe::{Blind, needed},
    units::{HOLE, Span},
    world::{
        World,
        dial::{DialError, Leave, Privacy, Server, Session, Sheet},
    },
};

/// Where a database is, and as whom to ask it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    host: String,
    port: u16,
    user: String,
    database: String,
    tls: bool,
}

const FORM: &str = "write `postgres://user@host:5432/database`, \
                    `postgres://user@/database?host=/run/postgresql&port=5432` for a socket, and \
                    `?sslmode=require` for TLS";

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hole = "postgres://hole@hole/";
        let text = if text == HOLE { hole.to_owned() } else { text };
        let not = |why: &str| format!("`{text}` is no address of a database, {why}: {FORM}");
        let url = reqwest::Url::parse(&text.replacen("@/", "@socket/", 1))
            .map_err(|why| not(&why.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(not("whose scheme is `postgres`"));
        }
        if url.password().is_some() {
            let why = "a password in a file is a password in every journal: name the file that \
                       holds it with `password_file`";
            return Err(why.to_owned());
        }
        if url.username().is_empty() || url.username().contains('%') {
            return Err(not("it names no plain user"));
        }
        let mut it = Self {
            // A URL with a user has a host; that of a socket is among the rest.
            host: url.host_str().filter(|_| !text.contains("@/")).unwrap_or_default().to_owned(),
            port: url.port().unwrap_or(5432),
            user: url.username().to_owned(),
            database: url.path().trim_start_matches('/').to_owned(),
            tls: false,
        };
        for (key, value) in url.query_pairs() {
            match key.as_ref() {
                "host" => it.host = value.into_owned(),
                "port" => it.port = value.parse().map_err(|_| not("its port is no number"))?,
                "sslmode" => match value.as_ref() {
                    "disable" => it.tls = false,
                    "require" | "verify-full" => it.tls = true,
                    _ => return Err(not("its `sslmode` is `disable` or `require`")),
                },
                other => return Err(not(&format!("`{other}` is not understood"))),
            }
        }
        if it.host.is_empty() {
            return Err(not("it names no host"));
        }
        if it.database.is_empty() {
            it.database.clone_from(&it.user);
        }
        Ok(it)
    }
}

impl Address {
    /// The same database on another server, `host:port`; none if that is not what `text` says.
    pub fn elsewhere(&self, text: &str) -> Option<Self> {
        let (host, port) = text.trim().rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port, ..self.clone() })
    }
}

impl JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PostgresAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^postgres(ql)?://" })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}:{}", self.database, self.host, self.port)
    }
}

/// How to be let in.
pub struct Login<'a> {
    /// Where, and as whom.
    pub url: &'a Address,
    /// The file that holds the password, and nothing else.
    pub password_file: Option<&'a str>,
    /// The authorities to trust, in PEM; with them, TLS is asked for.
    pub ca: Option<&'a str>,
}

impl Login<'_> {
    /// Asks these statements. Why there is no answer says whose fault it is.
    pub async fn ask(
        &self,
        statements: Vec<String>,
        leave: Leave,
        (rows_max, timeout): (usize, Span),
        world: &World,
    ) -> Result<Vec<Sheet>, DialError> {
        let server = self.server(world).map_err(|why| DialError::NotACall(why.0))?;
        let timeout = timeout.duration();
        world.dial.session(Session { server, statements, leave, rows_max, timeout }).await
    }

    /// Asks one statement, and changes nothing.
    pub async fn look(
        &self,
        statement: &str,
        bounds: (usize, Span),
        world: &World,
    ) -> Result<Sheet, Blind> {
        let asked = self.ask(vec![statement.to_owned()], Leave::Look, bounds, world).await;
        let sheet = asked.map(|it| it.into_iter().next().unwrap_or_default());
        sheet.map_err(|why| Blind(format!("{}: {why}", self.url)))
    }

    /// All that it takes to connect.
    pub fn server(&self, world: &World) -> Result<Server, Blind> {
        let password = match self.password_file {
            None => None,
            Some(path) => {
                let text = needed(path, world)?;
                let text = String::from_utf8_lossy(&text);
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        let privacy = match (self.ca, self.url.tls) {
            (Some(path), _) => Privacy::Tls(Some(needed(path, world)?)),
            (None, true) => Privacy::Tls(None),
            (None, false) => Privacy::Plain,
        };
        let Address { host, port, user, database, .. } = self.url.clone();
        Ok(Server { host, port, user, password, database, privacy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_libpq_reads_it() {
        let read = |text: &str| Address::try_from(text.to_owned());
        let it = read("postgres://keeper@127.0.0.1:5433/ledger?sslmode=require").unwrap();
        let parts = (it.host.as_str(), it.port, it.user.as_str(), it.database.as_str(), it.tls);
        assert_eq!(parts, ("127.0.0.1", 5433, "keeper", "ledger", true));
        let it = read("postgresql://keeper@/?host=/run/postgresql&port=5434").unwrap();
        assert_eq!((it.host.as_str(), it.port), ("/run/postgresql", 5434));
        assert_eq!(it.database, "keeper", "the user's own");
        for text in ["", "http://a@b/c", "postgres://b/c", "postgres://a@b/c?x=y"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("postgres://a:secret@b/c").unwrap_err().contains("password_file"));
    }
}
