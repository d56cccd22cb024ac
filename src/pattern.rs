//! Regular expressions that a user gives, for what is shown and what is left out.

use std::{collections::BTreeMap, sync::Arc};

use regex::bytes::{Regex, RegexBuilder};

/// No pattern needs as many bytes when it is compiled.
const SIZE_MAX: usize = 1 << 20;

/// A regular expression in RE2's syntax. It is found anywhere in a text, unless it says `^` and
/// `$`.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a regular expression: {1}")]
pub struct PatternError(String, String);

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        // RE2's `\d` and `\w` are those of ASCII.
        let regex = RegexBuilder::new(text).unicode(false).size_limit(SIZE_MAX).build();
        regex.map(Self).map_err(|why| {
            // The last line says what; those before it draw where.
            let why = why.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            PatternError(text.to_owned(), why.to_owned())
        })
    }
}

impl Pattern {
    /// An empty pattern leaves nothing out, though it is found everywhere.
    pub fn says_something(&self) -> bool {
        !self.0.as_str().is_empty()
    }

    /// Whether it is found in the text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

/// The patterns that were given, by their settings' names, such as `diskstats.device-exclude`.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Arc<BTreeMap<String, Pattern>>);

impl FromIterator<(String, Pattern)> for Patterns {
    fn from_iter<I: IntoIterator<Item = (String, Pattern)>>(all: I) -> Self {
        Self(Arc::new(all.into_iter().collect()))
    }
}

impl Patterns {
    /// The one of a setting.
    pub fn get(&self, setting: &str) -> Option<&Pattern> {
        self.0.get(setting)
    }

    /// What `SUBJECT-exclude` and `SUBJECT-include` say; `default` leaves out what is left out
    /// when they say nothing.
    pub fn sieve(&self, subject: &str, default: Option<fn(&str) -> bool>) -> Sieve {
        let of = |end: &str| self.get(&format!("{subject}-{end}")).cloned();
        let (exclude, include) = (of("exclude"), of("include"));
        let default = default.filter(|_| exclude.is_none() && include.is_none());
        Sieve {
            exclude: exclude.filter(Pattern::says_something),
            include: include.filter(Pattern::says_something),
            default,
        }
    }
}

/// What is left out.
#[derive(Debug, Clone)]
pub struct Sieve {
    exclude: Option<Pattern>,
    include: Option<Pattern>,
    default: Option<fn(&str) -> bool>,
}

impl Sieve {
    /// The same, but who is only chosen among is still left out by default.
    #[must_use]
    pub fn or_default(self, default: fn(&str) -> bool) -> Self {
        let default = self.exclude.is_none().then_some(default);
        Self { default, ..self }
    }

    /// Whether everything is shown.
    pub fn is_open(&self) -> bool {
        self.default.is_none() && self.exclude.is_none() && self.include.is_none()
    }

    /// Whether what bears this name is shown.
    pub fn lets_through(&self, name: &str) -> bool {
        !self.default.is_some_and(|leaves_out| leaves_out(name))
            && !self.exclude.as_ref().is_some_and(|it| it.matches(name))
            && self.include.as_ref().is_none_or(|it| it.matches(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve(said: &[(&str, &str)]) -> Sieve {
        let all = said.iter().map(|(name, text)| ((*name).to_owned(), text.parse().unwrap()));
        all.collect::<Patterns>().sieve("disk", Some(|name| name == "loop0"))
    }

    #[test]
    fn patterns_are_found_anywhere_and_the_default_counts_only_when_nothing_is_said() {
        let shown = |said: &[(&str, &str)]| -> Vec<&str> {
            let sieve = sieve(said);
            ["loop0", "sda", "sdb"].into_iter().filter(|it| sieve.lets_through(it)).collect()
        };
        assert_eq!(shown(&[]), ["sda", "sdb"]);
        assert_eq!(shown(&[("disk-exclude", "")]), ["loop0", "sda", "sdb"]);
        assert_eq!(shown(&[("disk-exclude", "b$")]), ["loop0", "sda"]);
        assert_eq!(shown(&[("disk-include", "^s|0")]), ["loop0", "sda", "sdb"]);
        assert_eq!(shown(&[("disk-exclude", "sdb"), ("disk-include", "sd")]), ["sda"]);
    }

    #[test]
    fn digits_are_those_of_ascii_and_nonsense_is_refused_with_the_reason() {
        let digits: Pattern = r"^\d+$".parse().unwrap();
        assert!(digits.matches("12") && !digits.matches("\u{661}"));
        let why = "a(".parse::<Pattern>().unwrap_err();
        assert_eq!(why.to_string(), "`a(` is not a regular expression: unclosed group");
        assert!("(a{1000}){1000}".parse::<Pattern>().is_err(), "it would take too much memory");
    }
}
