//! What bounds a run: the seed of its chance, and what its author wants left alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::world::dice::Dice;

/// What bounds every act of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The seed of all chance.
    pub seed: u64,
    /// What is left alone.
    pub deny: Deny,
}

/// What is left alone, in the author's words. What fits any of it is nobody's target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "Written")]
pub struct Deny {
    /// Names of processes, as the kernel keeps them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Pieces of command lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmdlines: Vec<String>,
    /// Ports: those that listen on one, and the port itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Owners of processes, by name or number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    cmdlines: Vec<String>,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    users: Vec<String>,
}

impl TryFrom<Written> for Deny {
    type Error = String;

    fn try_from(Written { names, cmdlines, ports, users }: Written) -> Result<Self, String> {
        let all = names.iter().chain(&cmdlines).chain(&users);
        if all.into_iter().any(|it| it.trim().is_empty()) {
            return Err("an empty word would deny everything: write whom you mean".to_owned());
        }
        Ok(Self { names, cmdlines, ports, users })
    }
}

impl Deny {
    /// Nothing is denied.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Bounds {
    /// The dice of one act for one purpose: the same run's number, act and purpose roll the same,
    /// whatever else is rolled.
    pub fn dice(&self, act: u32, purpose: &str) -> Dice {
        Dice::new(self.seed).fork(&format!("act {act}")).fork(purpose)
    }
}
