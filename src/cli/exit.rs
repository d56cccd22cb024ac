//! Exit codes: a public promise.

use std::process::ExitCode;

use crate::verdict::Verdict;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Pass,
    /// Something that should be so is not.
    Fail,
    /// The command line or a file is wrong.
    Usage,
    /// It was refused, and nothing was touched.
    Refused,
    /// It could not be judged.
    Inconclusive,
    /// Something of ours still stands in the world. This outranks every other.
    Residue,
}

impl Exit {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Inconclusive => 4,
            Self::Residue => 5,
        }
    }

    /// The worst of two, when several things were done.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let weight = |it: Self| match it {
            Self::Pass => 0,
            Self::Inconclusive => 1,
            Self::Fail => 2,
            Self::Refused => 3,
            Self::Usage => 4,
            Self::Residue => 5,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Fail => Self::Fail,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
