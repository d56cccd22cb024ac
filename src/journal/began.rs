//! The first line of a journal: all that was fixed before anything was touched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    journal::{
        entry::When, exercise::CoursePlan, index::RunKind, load::PlannedLoad, site::PlannedSite,
    },
    world::{linux::facts::HostFacts, secrets::SecretSource},
};

/// All that was fixed before anything was touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// The run's id.
    pub run: String,
    /// What is played.
    pub kind: RunKind,
    /// Its title.
    pub title: String,
    /// What it is for, in the author's words.
    #[serde(default)]
    pub description: String,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Ids of the controls that it evidences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
    /// The file's name as the user gave it.
    pub file: String,
    /// The file's text, to the byte.
    pub manifest: String,
    /// The variables that filled it.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// The secrets that it used: where they are, and never what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// The seed of all chance.
    pub seed: u64,
    /// This program's version.
    pub program: String,
    /// Who ran it (the user's name as the machine knows it).
    pub operator: String,
    /// Where.
    pub host: HostFacts,
    /// What is to be done, phase by phase, in words.
    pub plan: Vec<PlannedPhase>,
    /// What must stay true.
    #[serde(default)]
    pub hypotheses: Vec<PlannedHypothesis>,
    /// What a drill must reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Objectives>,
    /// How a drill measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<PlannedWitness>,
    /// What a drill is, and its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Box<CoursePlan>>,
    /// What is sent meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<PlannedLoad>,
    /// Where the service runs, or could.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<PlannedSite>,
    /// What the machine is for, if its people have said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Who approved the plan, before anything was touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
}

/// An approval: an OpenSSH signature over the plan's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who approved.
    pub name: String,
    /// With which public key, as OpenSSH writes it.
    pub key: String,
    /// The signature, as `ssh-keygen -Y sign` writes it.
    pub signature: String,
}

/// A phase as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedPhase {
    /// Its name.
    pub phase: String,
    /// What is to be done in it, one line each.
    pub items: Vec<String>,
}

/// A hypothesis as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedHypothesis {
    /// Its name.
    pub name: String,
    /// Its probe's kind.
    pub probe: String,
    /// What is expected, in words.
    pub expect: String,
    /// Over which stretches it is judged.
    pub when: Vec<When>,
    /// How often its probe looks.
    pub every_us: u64,
}

/// What a drill must reach, fixed before it began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Objectives {
    /// The service must accept writes again within this time.
    pub rto_us: u64,
    /// At most so many acknowledged writes may be gone.
    pub lost_writes_max: u64,
    /// What is gone was acknowledged within so long before the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_us: Option<u64>,
    /// While it is degraded, the service still acknowledges at least this share of writes, in
    /// percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_level_percent: Option<u8>,
    /// The longest that the business can do without the service (maximum tolerable period of
    /// disruption).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtpd_us: Option<u64>,
}

/// How the witness of a drill works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedWitness {
    /// What it writes to, in words.
    pub target: String,
    /// One write each so often, on a schedule of its own.
    pub every_us: u64,
    /// A write that is not acknowledged by then counts as failed.
    pub deadline_us: u64,
    /// The service counts as restored at the first of so many good writes in a row.
    pub good_in_a_row: u32,
}
