//! What the people who run this machine allow to be done to it.

use schemars::JsonSchema;
use serde::Deserialize;

/// The rules of a machine: the file `host.yml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What the machine is for. A machine that does not say is asked about.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// Kinds of faults that are done only where they are listed here.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Who may approve a plan.
    #[serde(default)]
    pub approvers: Vec<Approver>,
}

/// What a machine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Nobody depends on it: nothing is asked.
    Sandbox,
    /// People depend on it for their work: a person says yes once.
    Staging,
    /// Customers depend on it: two people who do not run the plan approve it by signature.
    Production,
}

/// A person who may approve plans.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The login name: nobody approves what they run themselves.
    pub name: String,
    /// The public key, as OpenSSH writes it: `ssh-ed25519 AAAA…`.
    pub key: String,
}

impl Environment {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl Rules {
    /// Whether a kind of fault that must be allowed is; if not, what to do about it.
    pub fn permit(&self, kind: &str) -> Result<(), String> {
        if self.allow.iter().any(|it| it == kind) {
            return Ok(());
        }
        Err(format!(
            "`{kind}` must be allowed on this machine: write `allow: [{kind}]` in host.yml"
        ))
    }
}
