//! Three values, not two: what could not be seen is not what was seen to fail.

use serde::{Deserialize, Serialize};

/// The outcome of a question, ordered by what should alarm: `Pass < Inconclusive < Fail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every reading was inside its tolerance.
    Pass,
    /// Some reading could not be taken, and none was outside.
    Inconclusive,
    /// Some reading was outside its tolerance.
    Fail,
}

impl Verdict {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::Pass, Self::Inconclusive, Self::Fail];

    /// The worst of many; of none, `Inconclusive`: nobody looked.
    pub fn of(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().max().unwrap_or(Self::Inconclusive)
    }

    /// The word in journals, metric labels and English reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }

    /// The word in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Pass => "通过",
            Self::Inconclusive => "无法判定",
            Self::Fail => "未通过",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
