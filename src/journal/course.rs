//! What became of a drill's steps and of the questions it asked of people.

use serde::{Deserialize, Serialize};

/// What happened on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// A step began.
    Began {
        /// Its place in the plan.
        step: String,
        /// The number of the act that it is, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        act: Option<u32>,
    },
    /// A step was done, and is not done again when the run is resumed.
    Ended {
        /// Its place in the plan.
        step: String,
    },
    /// A step was not done, and the run went on, as its `on_fail` says.
    Passed {
        /// Its place in the plan.
        step: String,
        /// Why it was not done.
        why: String,
    },
    /// People were asked.
    Asked(Asked),
    /// Somebody answered.
    Answered(Answered),
    /// Somebody answered in vain.
    TurnedAway {
        /// The question, as it was named.
        step: String,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// A question was settled.
    Decided {
        /// The question's step.
        step: String,
        /// What came of it.
        outcome: Outcome,
        /// Why, in a sentence.
        why: String,
    },
    /// The run went on after its runner had vanished.
    Resumed(Resumed),
}

/// A question, as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The step that asks.
    pub step: String,
    /// What it is called.
    pub name: String,
    /// What is asked for.
    pub sort: Sort,
    /// The question or the instruction.
    pub text: String,
    /// Who may answer; whoever may use the state folder if nobody is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<String>,
    /// So many people must say yes.
    pub persons: u32,
    /// What the answer must tell the time of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attests: Option<Attests>,
    /// How long it waits.
    pub timeout_us: u64,
    /// What comes of it when nobody answers.
    pub otherwise: Outcome,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Go or no-go.
    Gate,
    /// That something was done by hand.
    Manual,
    /// Signatures over the plan.
    Approval,
}

impl Sort {
    /// Its name in drill files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Manual => "manual",
            Self::Approval => "approval",
        }
    }
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The question's step.
    pub step: String,
    /// Who, as the machine knows them; in a rehearsal, as the file says.
    pub by: String,
    /// In whose name, if they spoke for somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<String>,
    /// What.
    pub word: Word,
    /// In their own words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// By which way.
    pub voice: Voice,
    /// When it was, by their lights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attested>,
    /// What they handed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// Their signature over the plan, and the key that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

impl Answered {
    /// Whose answer it is, in words.
    pub fn whose(&self) -> String {
        match &self.on_behalf {
            Some(it) => format!("{it}, by {}", self.by),
            None => self.by.clone(),
        }
    }
}

/// When something was, as somebody says: not before, and not after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The clock of both.
    pub clock: Dial,
    /// Not before, in its microseconds.
    pub from_us: u64,
    /// Not after.
    pub to_us: u64,
}

/// A clock that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dial {
    /// The run's own, as every stamp of the journal: they said how long ago it was.
    Run,
    /// The time of day, since the Unix epoch.
    Wall,
}

/// What an answer tells the time of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attests {
    /// The fault that the recovery time counts from.
    Fault,
}

/// A signature over the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The public key, as OpenSSH writes it.
    pub key: String,
    /// The signature, as `ssh-keygen -Y sign` writes it.
    pub signature: String,
}

/// A file that somebody handed in, kept in the run's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name in the run's folder.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its hash, in lower-case hexadecimal.
    pub sha256: String,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Go on.
    Go,
    /// Do not.
    NoGo,
    /// It was done.
    Done,
    /// It was not.
    NotDone,
    /// The plan is approved.
    Approved,
}

impl Word {
    /// As people type it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::NoGo => "no-go",
            Self::Done => "done",
            Self::NotDone => "not-done",
            Self::Approved => "approved",
        }
    }

    /// What was typed.
    pub fn read(text: &str) -> Option<Self> {
        let all = [Self::Go, Self::NoGo, Self::Done, Self::NotDone];
        all.into_iter().find(|it| it.word() == text)
    }

    /// Whether it lets the run go on.
    pub fn is_yes(self) -> bool {
        matches!(self, Self::Go | Self::Done | Self::Approved)
    }

    /// What it is an answer to.
    pub fn sort(self) -> Sort {
        match self {
            Self::Go | Self::NoGo => Sort::Gate,
            Self::Done | Self::NotDone => Sort::Manual,
            Self::Approved => Sort::Approval,
        }
    }
}

/// By which way an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// Typed at the run's own terminal.
    Terminal,
    /// Typed as a command on another.
    Command,
    /// Written in the file beforehand: a rehearsal.
    Rehearsed,
    /// Handed over when the run was started.
    Beforehand,
}

impl Voice {
    /// The words in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Terminal => "at the run's terminal",
            Self::Command => "by command",
            Self::Rehearsed => "rehearsed",
            Self::Beforehand => "when the run was started",
        }
    }

    /// The words in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Terminal => "终端",
            Self::Command => "命令",
            Self::Rehearsed => "预演（预先录入）",
            Self::Beforehand => "启动时",
        }
    }
}

/// What comes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The run stops, and goes back.
    Abort,
    /// The run goes on.
    Go,
    /// The run has failed: it stops, and goes back.
    Fail,
}

impl Outcome {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Go => "go",
            Self::Fail => "fail",
        }
    }
}

/// How a run went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Who resumed it.
    pub operator: String,
    /// How long nobody played, by the machine's clock that counts sleep, or by the time of day if
    /// the machine was restarted meanwhile.
    pub gap_us: u64,
    /// The machine was restarted meanwhile.
    #[serde(default)]
    pub restarted: bool,
    /// Records that the witness may have written without anybody having written that down: from,
    /// and up to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten: Option<(u64, u64)>,
    /// What became of steps that had been begun and not finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Settled>,
}

/// What became of a step that had been begun and not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Its place in the plan.
    pub step: String,
    /// What became of it.
    pub how: How,
    /// By what that was told.
    pub why: String,
}

/// What becomes of a step that had been begun and not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It was done: it says so itself, or the operator does.
    Done,
    /// It is done again.
    Again,
}
