//! What a drill is, for whom, and what it was meant to show: written by its author, fixed before
//! anything is touched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What sort of exercise it is, and who takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// How real it is.
    #[serde(rename = "type")]
    pub kind: ExerciseKind,
    /// The service whose recovery is exercised.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// How much depends on it, in the words of the business impact analysis.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub criticality: String,
    /// What is in scope; what is not named is not exercised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// Providers that take part, or whose part is played.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub third_parties: Vec<String>,
    /// Who is to take part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Participant>,
    /// Who observes and reviews, and how they are independent of those who operate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub independence: String,
    /// What is supposed to happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Supposed>,
}

/// How real an exercise is, from talk to the real thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExerciseKind {
    /// People talk it through, and nothing is done.
    Tabletop,
    /// People go through the steps one by one; nothing is measured.
    Walkthrough,
    /// Data are restored from a copy.
    Restore,
    /// A copy of the service is recovered apart from everything else.
    Isolated,
    /// A part of the service is switched over.
    PartialSwitch,
    /// The whole service is switched over, and back.
    FullSwitch,
    /// The other site takes the service over, and serves customers.
    RealTakeover,
}

impl ExerciseKind {
    /// The words in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tabletop => "tabletop",
            Self::Walkthrough => "walkthrough",
            Self::Restore => "restore",
            Self::Isolated => "isolated recovery",
            Self::PartialSwitch => "partial switch-over",
            Self::FullSwitch => "full switch-over",
            Self::RealTakeover => "real take-over",
        }
    }

    /// The words in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        match self {
            Self::Tabletop => "桌面推演",
            Self::Walkthrough => "流程演练",
            Self::Restore => "恢复演练",
            Self::Isolated => "隔离恢复",
            Self::PartialSwitch => "部分切换",
            Self::FullSwitch => "整体切换",
            Self::RealTakeover => "真实接管",
        }
    }

    /// It is about the people, and nothing is measured in it.
    pub fn is_talk(self) -> bool {
        matches!(self, Self::Tabletop | Self::Walkthrough)
    }
}

/// Somebody who is to take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// The login name, or the name.
    pub name: String,
    /// The part that is played.
    pub role: String,
}

/// What is supposed to happen, and why that is worth an exercise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Supposed {
    /// The class of event, such as `loss of a data centre`.
    pub class: String,
    /// Why it is severe, and plausible all the same.
    pub plausible: String,
}

/// What a drill is going to do, step by step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CoursePlan {
    /// What sort of exercise it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercise: Option<Exercise>,
    /// Questions were answered by the file: it was a rehearsal.
    #[serde(default)]
    pub rehearsed: bool,
    /// Every step, in order.
    pub steps: Vec<PlannedStep>,
}

/// A step as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its place in the plan: `PHASE.STEP`, counted from 1, or `PHASE.STEP.BRANCH.STEP`.
    pub step: String,
    /// The phase it is in.
    pub phase: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// How long it is to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_us: Option<u64>,
}
