//! What a file takes from outside of itself: variables of the environment, and secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use crate::{
    manifest::{
        diagnostic::Diagnostic,
        node::{Doc, Id},
        place::Place,
        read::read,
        unread::Placed,
        vars,
    },
    world::secrets::{SecretSource, Secrets, assignment},
};

/// Where it is taken from.
pub trait Outside {
    /// A variable of the environment; an empty one is as good as none.
    fn variable(&self, name: &str) -> Option<String>;
    /// A secret, or why it is not to be had; nothing where files are only checked.
    fn secret(&self, source: &SecretSource) -> Option<Result<String, String>>;
}

/// Nothing is taken from outside, and no secret is needed.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Outside for Nowhere {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn secret(&self, _: &SecretSource) -> Option<Result<String, String>> {
        None
    }
}

/// A variable as it is written under `vars`: a text, or where its value comes from. All are read
/// before everything else is; afterwards only their shape matters.
pub(super) enum Var {
    Text,
    Taken,
}

impl<'de> Deserialize<'de> for Var {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = Var;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a mapping with `env`")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Var, E> {
        Ok(Var::Text)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Var, E> {
        Ok(Var::Text)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Var, E> {
        Ok(Var::Text)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Var, E> {
        Ok(Var::Text)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Var, E> {
        Ok(Var::Text)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Var, A::Error> {
        while pairs.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Var::Taken)
    }
}

impl JsonSchema for Var {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Var".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (text, taken) = (generator.subschema_for::<String>(), Taken::json_schema(generator));
        json_schema!({
            "description": "a text, or the variable of the environment that it is taken from",
            "anyOf": [text, taken],
        })
    }
}

/// A variable that is taken from the environment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Taken {
    /// The name of the environment's variable.
    #[schemars(with = "String")]
    env: Placed<String>,
    /// The value where the environment has none.
    #[serde(default)]
    default: Option<String>,
}

/// The file's own variables, and over them those from outside.
pub(super) fn variables(
    doc: &mut Doc,
    given: &BTreeMap<String, String>,
    outside: &dyn Outside,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, value) in named(doc, "vars") {
        if let Some(text) = doc.text(value) {
            all.insert(name, text.to_owned());
        } else if doc.pairs(value).is_some() {
            // What was complained of is not to be missed by those who name it.
            let value = taken(doc, &name, value, (given, outside), out).unwrap_or_default();
            all.insert(name, value);
        }
    }
    all.extend(given.clone());
    all
}

fn taken(
    doc: &mut Doc,
    name: &str,
    value: Id,
    (given, outside): (&BTreeMap<String, String>, &dyn Outside),
    out: &mut Vec<Diagnostic>,
) -> Option<String> {
    let Taken { env, default } = read(doc, value, doc.head(value), out)?;
    let found = given.get(name).cloned();
    let found = found.or_else(|| outside.variable(&env.value)).or(default);
    if found.is_none() {
        let help = format!(
            "set {} in the environment, write a `default` beside it, or say `--set {name}=…`",
            env.value
        );
        out.push(Diagnostic::new("the environment has no such variable", env.place, help));
    }
    found
}

/// The keys of a mapping at the top, and their values.
fn named(doc: &Doc, key: &str) -> Vec<(String, Id)> {
    let pairs = doc.get(doc.root(), key).and_then(|it| doc.pairs(it)).unwrap_or(&[]);
    pairs.iter().filter_map(|it| Some((doc.text(it.0)?.to_owned(), it.1))).collect()
}

/// The secrets that a file names: from where, and what they are. In the file they stay names.
#[derive(Debug, Default)]
pub struct Named {
    /// Where each is.
    pub sources: BTreeMap<String, SecretSource>,
    /// What they are; empty where files are only checked.
    pub secrets: Arc<Secrets>,
}

/// Reads `secrets`, and complains of those that are not to be had, and of names in places where
/// nothing is put in.
pub(super) fn secrets(doc: &mut Doc, outside: &dyn Outside, out: &mut Vec<Diagnostic>) -> Named {
    let (mut sources, mut secrets) = (BTreeMap::new(), Secrets::default());
    let used: BTreeSet<String> = vars::names(doc);
    for (name, value) in named(doc, "secrets") {
        let place = doc.place(value).first_line(&doc.text);
        let source: Option<SecretSource> = read(doc, value, place, out);
        let Some(source) = source else { continue };
        let of_use = used.contains(&format!("secret.{name}"));
        if let Some(value) = outside.secret(&source).filter(|_| of_use)
            && let Err(why) = secrets.keep(&name, value)
        {
            out.push(not_to_be_had(&name, &source, &why, place));
        }
        sources.insert(name, source);
    }
    Named { sources, secrets: Arc::new(secrets) }
}

fn not_to_be_had(name: &str, source: &SecretSource, why: &str, place: Place) -> Diagnostic {
    let help = match source {
        SecretSource::Env(it) => format!("put it into {it} in the environment of this command"),
        SecretSource::File(it) => format!("put it, and nothing else, into {it}"),
    };
    Diagnostic::new(format!("the secret `{name}` is not to be had: {why}"), place, help)
}

/// Keys under which something leaves for the world in one piece, and lets a secret in.
const LEAVING: &[&str] =
    &["body", "headers", "password", "send", "set", "statement", "url", "user"];
/// Keys of lists of which the same is so.
const LEAVING_LISTS: &[&str] = &["statements"];
/// Keys under which stands what is held against what came back, where secrets are names again.
const COMING: &[&str] = &["expect", "is"];
/// Keys under which a command stands.
const COMMANDS: &[&str] = &["run", "start", "undo", "verify"];

/// Complains of secrets in places where they would not be put in, or where everybody sees them.
pub(super) fn places(doc: &Doc, out: &mut Vec<Diagnostic>) {
    let mut walk = vec![(doc.root(), Vec::new())];
    while let Some((id, path)) = walk.pop() {
        if let Some(items) = doc.list(id) {
            let words: Vec<&str> = items.iter().filter_map(|it| doc.text(*it)).collect();
            for (n, it) in items.iter().enumerate() {
                let leading = words.iter().take(n + 1).all(|it| assignment(it).is_some());
                let mut path = path.clone();
                path.push(if leading { "=" } else { "-" });
                walk.push((*it, path));
            }
        } else if let Some(pairs) = doc.pairs(id) {
            for (key, value) in pairs {
                let mut path = path.clone();
                path.push(doc.text(*key).unwrap_or(""));
                walk.push((*value, path));
            }
        } else if doc.text(id).is_some_and(|it| it.contains("${secret.")) {
            out.extend(
                misplaced(&path).map(|(what, help)| Diagnostic::new(what, doc.place(id), help)),
            );
        }
    }
}

/// Why a secret must not stand at the end of this path, if it must not.
fn misplaced(path: &[&str]) -> Option<(&'static str, &'static str)> {
    let (last, before) = path.split_last()?;
    let above = before.last().copied().unwrap_or("");
    let command = COMMANDS.contains(&above);
    match *last {
        "=" if command => None,
        "-" if command => Some((
            "everybody on the machine sees a command's arguments",
            "write `NAME=${secret.…}` before the program: it goes into its environment",
        )),
        it if LEAVING.contains(&it) || above == "headers" => None,
        _ if LEAVING_LISTS.contains(&above) => None,
        _ if path.iter().any(|it| COMING.contains(it)) => None,
        _ => Some((
            "no secret is put in here",
            "it may stand in a URL, header, body, statement or password, or before a command's \
             program, as in `run: [NAME=${secret.…}, program]`",
        )),
    }
}
