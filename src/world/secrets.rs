//! Secrets: above the wall they are names alone. `${secret.name}` is put in where something leaves
//! for the world, and taken out of all that comes back, so that nobody above can write one down.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a secret's name begins with, as it is written.
const OPEN: &str = "${secret.";
/// A shorter one stands in every text, and cannot be taken out of it.
const BYTES_MIN: usize = 4;
/// A longer one is no secret, but a file that was meant for somebody else.
const BYTES_MAX: usize = 64 << 10;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// In this variable of the environment.
    Env(String),
    /// In this file, which holds nothing else; a line's end after it is not a part of it.
    File(String),
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment's {name}"),
            Self::File(path) => write!(f, "the file {path}"),
        }
    }
}

/// The secrets of a run. Nothing shows their values.
#[derive(Default)]
pub struct Secrets(BTreeMap<String, Secret>);

struct Secret {
    /// Or why it is not to be had, after "it".
    value: Result<String, String>,
    /// As it may come back.
    forms: Vec<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Keeps a secret, or why it is not to be had; that is also said to the caller.
    pub fn keep(&mut self, name: &str, value: Result<String, String>) -> Result<(), String> {
        let value = value.and_then(good);
        let forms = value.as_deref().map_or_else(|_| Vec::new(), forms);
        let told = value.as_ref().map(drop).map_err(Clone::clone);
        self.0.insert(name.to_owned(), Secret { value, forms });
        told
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How a secret is written.
    pub fn written(name: &str) -> String {
        format!("{OPEN}{name}}}")
    }

    /// Puts values in where names stand. An error is a sentence that names the secret.
    pub fn put_in(&self, text: &str) -> Result<String, String> {
        let (mut all, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once(OPEN) {
            all.push_str(before);
            let known = after.split_once('}').and_then(|it| Some((self.0.get(it.0)?, it)));
            let Some((secret, (name, after))) = known else {
                all.push_str(OPEN);
                rest = after;
                continue;
            };
            let value = secret.value.as_ref();
            let value = value.map_err(|why| format!("the secret `{name}` is not to be had: {why}"));
            all.push_str(value?);
            rest = after;
        }
        Ok(all + rest)
    }

    /// Takes values out, and leaves their names.
    pub fn take_out(&self, text: &str) -> String {
        String::from_utf8(self.take_out_bytes(text.as_bytes().to_vec()))
            .unwrap_or_else(|_| "(a text that held a secret)".to_owned())
    }

    /// The same, of what need not be text.
    pub fn take_out_bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let all = self.0.iter();
        let mut forms: Vec<(&str, &str)> = all
            .flat_map(|(name, it)| it.forms.iter().map(|form| (form.as_str(), name.as_str())))
            .collect();
        // One secret may be a part of another.
        forms.sort_by_key(|it| std::cmp::Reverse(it.0.len()));
        for (form, name) in forms {
            if find(&bytes, form.as_bytes()).is_some() {
                bytes = replaced(&bytes, form.as_bytes(), Self::written(name).as_bytes());
            }
        }
        bytes
    }
}

/// A word as a shell takes it before a program: a name, and what it is set to.
pub fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let good = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let named = name.starts_with(|it: char| !it.is_ascii_digit()) && name.chars().all(good);
    named.then_some((name, value))
}

/// What can be kept secret.
fn good(value: String) -> Result<String, String> {
    match value.len() {
        0..BYTES_MIN => Err(format!(
            "it has fewer than {BYTES_MIN} characters, and could not be told from other text"
        )),
        BYTES_MIN..=BYTES_MAX => Ok(value),
        _ => Err(format!("it is longer than {} KiB", BYTES_MAX >> 10)),
    }
}

/// As it is, as JSON writes it, and as a URL does.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or(&json).to_owned();
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    let url = value.bytes().map(|it| match it {
        it if plain(it) => char::from(it).to_string(),
        it => format!("%{it:02X}"),
    });
    let mut all = vec![value.to_owned(), json, url.collect()];
    all.sort();
    all.dedup();
    all.retain(|it| it.len() >= BYTES_MIN);
    all
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|it| it == wanted)
}

fn replaced(bytes: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    let (mut all, mut rest) = (Vec::new(), bytes);
    while let Some(at) = find(rest, wanted) {
        all.extend_from_slice(rest.get(..at).unwrap_or(&[]));
        all.extend_from_slice(by);
        rest = rest.get(at + wanted.len()..).unwrap_or(&[]);
    }
    all.extend_from_slice(rest);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Secrets {
        let mut it = Secrets::default();
        it.keep("token", Ok("s3cr\"t&".to_owned())).unwrap();
        it.keep("long", Ok("s3cr\"t& and more".to_owned())).unwrap();
        assert!(it.keep("short", Ok("abc".to_owned())).is_err());
        assert!(it.keep("none", Err("X is not set".to_owned())).is_err());
        it
    }

    #[test]
    fn a_name_becomes_its_value_and_back() {
        let it = kept();
        let put = it.put_in("a ${secret.token} b ${secret.strange} ${secret.").unwrap();
        assert_eq!(put, "a s3cr\"t& b ${secret.strange} ${secret.");
        assert_eq!(it.take_out(&put), "a ${secret.token} b ${secret.strange} ${secret.");
        assert_eq!(it.take_out(r#"{"x": "s3cr\"t&"} s3cr%22t%26"#), {
            r#"{"x": "${secret.token}"} ${secret.token}"#
        });
        assert_eq!(it.take_out("s3cr\"t& and more"), "${secret.long}");
        assert_eq!(format!("{it:?}"), r#"{"long", "none", "short", "token"}"#);
    }

    #[test]
    fn what_is_not_to_be_had_is_told_by_its_name() {
        let why = kept().put_in("x ${secret.none}").unwrap_err();
        assert_eq!(why, "the secret `none` is not to be had: X is not set");
    }
}
