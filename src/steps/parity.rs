//! Is the standby set up as the primary is?

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    about::About,
    inspection::Inspection,
    journal::showing::Showing,
    probe::{Blind, needed},
    steps::sql::ten_seconds,
    target::postgres::{Address, Login},
    units::Span,
    verdict::Verdict,
    world::{
        World,
        web::{Ask, BODY_MAX, Method},
    },
};

/// Compares settings and versions of two sides, by name. Names in `ignore` may end with `*`. Of
/// PostgreSQL, what must differ between two servers is left out by itself: addresses, paths, names
/// of the cluster, and whether it is in recovery.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parity {
    primary: Side,
    standby: Side,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default = "ten_seconds")]
    timeout: Span,
    /// Whether the drill must not go on if they differ.
    #[serde(default)]
    or_stop: bool,
}

/// Where settings are read.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Side {
    /// All settings, the server's version, and the versions of extensions.
    Postgres(Postgres),
    /// An address that answers with JSON; places in it are named as JSON Pointers.
    Http(String),
    /// A command that prints JSON, or lines such as `name = value`. It must change nothing.
    Command(Vec<String>),
    /// A file with the same.
    File(String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Postgres {
    url: Address,
    #[serde(default)]
    password_file: Option<String>,
    #[serde(default)]
    ca: Option<String>,
}

/// What two servers of one pair never share.
const OWN: &[&str] = &[
    "application_name",
    "archive_command",
    "archive_library",
    "cluster_name",
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "in_hot_standby",
    "listen_addresses",
    "log_directory",
    "log_filename",
    "port",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_*",
    "restore_command",
    "statement_timeout",
    "synchronous_standby_names",
    "transaction_read_only",
    "unix_socket_directories",
];

const SETTINGS: &str = "select name, concat(setting, unit) from pg_settings \
                        union all select 'extension ' || extname, extversion from pg_extension";

/// A command's output that is so long was cut.
const OUTPUT_MAX: usize = 8 * 1024 - 4;

type Settings = BTreeMap<String, String>;

impl Inspection for Parity {
    const ABOUT: &'static About = &About {
        name: "parity",
        summary: "compares settings and versions of primary and standby, and names what differs",
        needs: &[],
        example: "primary:\n  postgres:\n    url: postgres://auditor@10.0.0.1:5432/postgres\n    \
                  password_file: /etc/holdfast/auditor.password\nstandby:\n  postgres:\n    \
                  url: postgres://auditor@10.0.0.2:5432/postgres\n    \
                  password_file: /etc/holdfast/auditor.password\nignore: [shared_buffers]\n",
    };

    fn will(&self) -> String {
        format!("compare the settings of {} and of {}", self.primary.shown(), self.standby.shown())
    }

    fn or_stop(&self) -> bool {
        self.or_stop
    }

    async fn inspect(&self, world: &World) -> Result<Showing, Blind> {
        let (primary, standby) = futures_util::join!(
            self.primary.read(self.timeout, world),
            self.standby.read(self.timeout, world)
        );
        Ok(self.judge(&primary?, &standby?))
    }
}

impl Parity {
    fn judge(&self, primary: &Settings, standby: &Settings) -> Showing {
        let names: std::collections::BTreeSet<&String> =
            primary.keys().chain(standby.keys()).filter(|it| !self.ignores(it)).collect();
        let value = |of: Option<&String>| of.map_or("not there".to_owned(), |it| format!("`{it}`"));
        let differ = names.iter().filter(|it| primary.get(**it) != standby.get(**it));
        let differ: Vec<String> = differ
            .map(|name| {
                let (here, there) = (value(primary.get(*name)), value(standby.get(*name)));
                format!("{name} is {here} on the primary and {there} on the standby")
            })
            .collect();
        let (all, left_out) = (names.len(), primary.keys().filter(|it| self.ignores(it)).count());
        let showing = if differ.is_empty() {
            Showing::good(format!("all {all} settings are the same on both sides"))
        } else {
            let first = differ.first().map_or("", String::as_str);
            let why = format!("{} of {all} settings differ; the first: {first}", differ.len());
            Showing::of(Verdict::Fail, why)
        };
        let showing = showing.figure("settings compared", all);
        let showing = showing.figure("left out", left_out).figure("differing", differ.len());
        showing.details(differ)
    }

    fn ignores(&self, name: &str) -> bool {
        let of_postgres = matches!(self.primary, Side::Postgres(_)).then_some(OWN);
        let own = of_postgres.unwrap_or_default().iter().copied();
        own.chain(self.ignore.iter().map(String::as_str)).any(|it| match it.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == it,
        })
    }
}

impl Side {
    fn shown(&self) -> String {
        match self {
            Self::Postgres(it) => it.url.to_string(),
            Self::Http(it) | Self::File(it) => it.clone(),
            Self::Command(it) => format!("`{}`", it.join(" ")),
        }
    }

    async fn read(&self, timeout: Span, world: &World) -> Result<Settings, Blind> {
        let blind = |why: String| Blind(format!("{}: {why}", self.shown()));
        let text = match self {
            Self::Postgres(it) => return it.read(timeout, world).await,
            Self::Http(url) => {
                let (url, timeout) = (url.clone(), timeout.duration());
                let method = Method::Get;
                let ask = Ask { method, url, headers: BTreeMap::new(), body: None, timeout };
                let answer = world.web.ask(ask).await.map_err(|why| blind(why.to_string()))?;
                if answer.status != 200 || answer.body.len() >= BODY_MAX {
                    let (status, length) = (answer.status, answer.body.len());
                    let why = format!("it was answered with {status} and {length} bytes");
                    return Err(blind(why));
                }
                String::from_utf8_lossy(&answer.body).into_owned()
            }
            Self::Command(argv) => {
                let done = world.host.asked(argv.clone(), timeout.duration()).await;
                let done = done.map_err(|why| blind(why.to_string()))?;
                if done.code != Some(0) {
                    return Err(blind(format!("it did not end well: {}", done.said.trim())));
                }
                if done.output.len() >= OUTPUT_MAX {
                    let why = "it prints more than 8 KiB: have it write a file, and name that";
                    return Err(blind(why.to_owned()));
                }
                done.output
            }
            Self::File(path) => String::from_utf8_lossy(&needed(path, world)?).into_owned(),
        };
        let read = settings(&text);
        if read.is_empty() { Err(blind("it tells no settings".to_owned())) } else { Ok(read) }
    }
}

impl Postgres {
    async fn read(&self, timeout: Span, world: &World) -> Result<Settings, Blind> {
        let (password_file, ca) = (self.password_file.as_deref(), self.ca.as_deref());
        let login = Login { url: &self.url, password_file, ca };
        let sheet = login.look(SETTINGS, (10_000, timeout), world).await?;
        let pairs = sheet.rows.into_iter().filter_map(|row| {
            let mut row = row.into_iter();
            Some((row.next()??, row.next()?.unwrap_or_default()))
        });
        Ok(pairs.collect())
    }
}

/// Reads JSON, or lines that part a name from its value by `=`, `:` or space.
fn settings(text: &str) -> Settings {
    let mut all = Settings::new();
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        flat("", &json, &mut all);
        return all;
    }
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let at = line.find(['=', ':']).or_else(|| line.find(char::is_whitespace));
        let (name, value) = at.map_or((line, ""), |at| line.split_at(at));
        let value = value.trim_start_matches(['=', ':']).trim();
        all.insert(name.trim().to_owned(), value.to_owned());
    }
    all
}

fn flat(place: &str, value: &Value, all: &mut Settings) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, it)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            flat(&format!("{place}/{name}"), it, all);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, it)| flat(&format!("{place}/{n}"), it, all));
        }
        Value::String(it) => drop(all.insert(place.to_owned(), it.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            all.insert(place.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parity(ignore: &[&str]) -> Parity {
        Parity {
            primary: Side::File("a".to_owned()),
            standby: Side::File("b".to_owned()),
            ignore: ignore.iter().map(|it| (*it).to_owned()).collect(),
            timeout: Span::millis(1),
            or_stop: false,
        }
    }

    #[test]
    fn settings_are_read_from_lines_and_from_json() {
        let lines = settings("# of the house\nversion = 1.2\n\nmode: fast\nquiet\nname of it");
        let told: Vec<_> = lines.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
        assert_eq!(told, [("mode", "fast"), ("name", "of it"), ("quiet", ""), ("version", "1.2")]);
        let json = settings(r#"{"a": {"b/c": [1, "x"]}, "n": null}"#);
        let told: Vec<_> = json.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect();
        assert_eq!(told, [("/a/b~1c/0", "1"), ("/a/b~1c/1", "x"), ("/n", "null")]);
    }

    #[test]
    fn every_difference_is_named_and_what_is_ignored_is_not() {
        let (here, there) = (settings("a=1\nb=2\nc_x=3"), settings("a=1\nb=4\nd=5"));
        let showing = parity(&["c_*"]).judge(&here, &there);
        assert_eq!(showing.verdict, Verdict::Fail);
        let wanted = [
            "b is `2` on the primary and `4` on the standby",
            "d is not there on the primary and `5` on the standby",
        ];
        assert_eq!(showing.details, wanted);
        let showing = parity(&["b", "c_x", "d"]).judge(&here, &there);
        assert_eq!(showing.verdict, Verdict::Pass);
    }
}
