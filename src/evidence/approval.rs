//! Approvals: OpenSSH signatures over what a run is going to do, made before it does it. Pure.
//!
//! What is signed is one line of text, so that `ssh-keygen -Y sign` makes it and `ssh-keygen -Y
//! verify` checks it, with no program of ours (PROTOCOL.sshsig of OpenSSH).

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use ssh_key::{HashAlg, PublicKey, SshSig};

use crate::journal::{
    began::{Approval, Began},
    chain,
    index::RunKind,
};

/// What the signatures are for: one made for another purpose is none.
pub const NAMESPACE: &str = "holdfast-approval";

/// All that is approved: what is done, with what, and where.
#[derive(Debug, Clone, Serialize)]
pub struct Plan<'a> {
    /// Scenario or drill.
    pub kind: RunKind,
    /// The file's text, to the byte.
    pub manifest: &'a str,
    /// The variables that fill it.
    pub vars: &'a BTreeMap<String, String>,
    /// The machine's name.
    pub host: &'a str,
}

impl<'a> Plan<'a> {
    /// What a run did.
    pub fn of(began: &'a Began) -> Self {
        let Began { kind, manifest, vars, host, .. } = began;
        Self { kind: *kind, manifest, vars, host: &host.hostname }
    }

    /// SHA-256 of the plan as JSON, in hexadecimal.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("a plan is plain data");
        chain::hex(&Sha256::digest(json))
    }

    /// The line that is signed, with its end.
    pub fn line(&self) -> String {
        format!("holdfast: {} sha256:{} on {}\n", self.kind.word(), self.hash(), self.host)
    }
}

/// Why something is no approval; completes "it is no approval: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoApproval {
    /// It is no signature.
    #[error("it is not what `ssh-keygen -Y sign` writes")]
    NotASignature,
    /// It is one for something else.
    #[error("it was made for `{0}`: sign with `-n {NAMESPACE}`")]
    Namespace(String),
    /// It is by somebody else.
    #[error("whose key it is, {0}, is not among the approvers in host.yml")]
    Stranger(String),
    /// It is over something else.
    #[error("{0} signed another plan: the file, a variable or the machine differs")]
    Other(String),
    /// An approver's key cannot be read.
    #[error("the key of {0} in host.yml is not an OpenSSH public key (ed25519): {1}")]
    Key(String, String),
}

/// Whose approval of `plan` a signature is. `approvers` are names and public keys.
pub fn approval<'a>(
    plan: &Plan<'_>,
    signature: &str,
    approvers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Approval, NoApproval> {
    let parsed = SshSig::from_pem(signature.trim()).map_err(|_| NoApproval::NotASignature)?;
    if parsed.namespace() != NAMESPACE {
        return Err(NoApproval::Namespace(parsed.namespace().to_owned()));
    }
    for (name, key) in approvers {
        let read = PublicKey::from_openssh(key);
        let read = read.map_err(|why| NoApproval::Key(name.to_owned(), why.to_string()))?;
        if read.key_data() != parsed.public_key() {
            continue;
        }
        let line = plan.line();
        read.verify(NAMESPACE, line.as_bytes(), &parsed)
            .map_err(|_| NoApproval::Other(name.to_owned()))?;
        let (name, key) = (name.to_owned(), key.to_owned());
        return Ok(Approval { name, key, signature: signature.trim().to_owned() });
    }
    Err(NoApproval::Stranger(parsed.public_key().fingerprint(HashAlg::Sha256).to_string()))
}
