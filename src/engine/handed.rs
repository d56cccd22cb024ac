//! What is handed in to a run: an answer, what it attests, and what is attached to it.

use serde::{Deserialize, Serialize};

use crate::{
    engine::{claim, desk::Desk},
    evidence::folder,
    journal::{
        chain,
        course::{Asked, Attachment, Attested, Attests, Word},
    },
};

/// What is handed in: one line of JSON, and after it the bytes of what is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handed {
    /// The question, by its name or its step.
    pub step: String,
    /// The answer.
    pub word: Word,
    /// In whose name, if they speak for somebody else.
    #[serde(default)]
    pub on_behalf: Option<String>,
    /// In their own words.
    #[serde(default)]
    pub note: String,
    /// When it was, where the question wants to know.
    #[serde(default)]
    pub between: Option<Attested>,
    /// The name of what is attached.
    #[serde(default)]
    pub attached: Option<String>,
    /// A signature over the plan.
    #[serde(default)]
    pub signature: Option<String>,
}

/// What is replied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The answer counts.
    pub taken: bool,
    /// What became of it, in a sentence.
    pub said: String,
}

/// When it was, where the question wants to know, and only there.
pub(super) fn attested(handed: &Handed, asked: &Asked) -> Result<Option<Attested>, String> {
    let name = &asked.name;
    match (asked.attests, handed.between) {
        (Some(Attests::Fault), None) if handed.word.is_yes() => Err(format!(
            "“{name}” asks when it was: {}, as --from and --to, or at the run's terminal as \
             `done between 90s and 60s`",
            claim::HELP
        )),
        (Some(Attests::Fault), Some(it)) => Ok(Some(it)),
        (None, Some(_)) => Err(format!("“{name}” does not ask when it was")),
        (_, None) => Ok(None),
    }
}

/// Keeps what is attached in the run's folder.
pub(super) fn keep(
    handed: &Handed,
    bytes: &[u8],
    (question, n): (&Asked, usize),
    desk: &Desk,
) -> Result<Option<Attachment>, String> {
    let Some(name) = &handed.attached else { return Ok(None) };
    let safe = |it: char| if it.is_ascii_alphanumeric() || ".-_".contains(it) { it } else { '_' };
    let name: String = name.chars().rev().take(60).collect();
    let name: String = name.chars().rev().map(safe).collect();
    let file = format!("attachment-{}-{n}-{name}", question.step);
    let folder = desk.folder().ok_or("the run has no folder")?;
    folder::put(&folder, &file, bytes).map_err(|why| format!("could not {why}"))?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Some(Attachment { file, bytes: length, sha256: chain::hash(bytes) }))
}
