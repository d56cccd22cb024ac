//! What an act showed: a judgement with the figures, the differences and the files behind it.

use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

/// So many details are kept of one act; how many more there were is counted.
pub const DETAILS_MAX: usize = 50;

/// What an act showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Showing {
    /// Whether it is as it should be; `Inconclusive` if that could not be seen.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub why: String,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
    /// One line each, such as a key that is missing; at most [`DETAILS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// So many more details there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub details_left_out: u64,
    /// Files in the run's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The point to which data was brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_point: Option<RecoveryPoint>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(it: &u64) -> bool {
    *it == 0
}

/// One thing that was measured, exactly as it was told: sums of money are no floating-point
/// numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What, in words, with its unit last.
    pub name: String,
    /// How much.
    pub value: String,
}

/// A file that belongs to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its path in the run's folder.
    pub file: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Where it comes from.
    pub from: String,
}

/// The point to which data was brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPoint {
    /// When the last transaction was committed that is there, in microseconds since the Unix
    /// epoch, by the clock of the machine that wrote it.
    pub wall_us: i64,
    /// How old it may be when the disaster strikes, in microseconds; fixed before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_max_us: Option<u64>,
}

impl Showing {
    /// It is as it should be.
    pub fn good(why: impl Into<String>) -> Self {
        Self::of(Verdict::Pass, why)
    }

    /// With this verdict.
    pub fn of(verdict: Verdict, why: impl Into<String>) -> Self {
        Self {
            verdict,
            why: why.into(),
            figures: Vec::new(),
            details: Vec::new(),
            details_left_out: 0,
            attachments: Vec::new(),
            recovery_point: None,
        }
    }

    /// With one more figure.
    #[must_use]
    pub fn figure(mut self, name: impl Into<String>, value: impl std::fmt::Display) -> Self {
        self.figures.push(Figure { name: name.into(), value: value.to_string() });
        self
    }

    /// With these details, as far as they are kept.
    #[must_use]
    pub fn details(mut self, all: impl IntoIterator<Item = String>) -> Self {
        for it in all {
            if self.details.len() < DETAILS_MAX {
                self.details.push(it);
            } else {
                self.details_left_out += 1;
            }
        }
        self
    }
}
