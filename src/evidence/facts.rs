//! Who, what, where and when: what a run says of itself.

use serde::Serialize;

use crate::{journal::index::RunKind, world::linux::facts::HostFacts};

/// Who, what, where and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFacts {
    /// The run's id; empty if the journal does not say.
    pub id: String,
    /// What was played; none if the journal does not say.
    pub kind: Option<RunKind>,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Ids of the controls that it evidences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// The file's name as the user gave it.
    pub file: String,
    /// The file's text.
    pub manifest: String,
    /// The variables that filled it.
    pub vars: std::collections::BTreeMap<String, String>,
    /// The seed of all chance.
    pub seed: u64,
    /// The version of the program that played it.
    pub program: String,
    /// Who ran it.
    pub operator: String,
    /// Where.
    pub host: Option<HostFacts>,
    /// The time of day at its beginning, RFC 3339 in UTC.
    pub began: Option<String>,
    /// The time of day at its end, RFC 3339 in UTC; none if it has not ended.
    pub ended: Option<String>,
    /// Its length until the last line of the journal.
    pub length_us: i64,
    /// Lines of the journal.
    pub entries: u64,
}

impl RunFacts {
    /// Whose it is and what it shows, in words; nothing if the file does not say.
    pub fn labels(&self) -> Option<String> {
        let list = |name: &str, all: &[String]| {
            (!all.is_empty()).then(|| format!("{name}: {}", all.join(", ")))
        };
        let owner = std::slice::from_ref(&self.owner);
        let owner = if self.owner.is_empty() { &[][..] } else { owner };
        let all = [
            list("owner", owner),
            list("controls evidenced", &self.controls),
            list("tags", &self.tags),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join(" · "))
    }
}
