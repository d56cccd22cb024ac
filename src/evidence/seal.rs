//! The seal of a run's folder: an in-toto statement in a DSSE envelope, signed with Ed25519.
//!
//! Statement and envelope have exactly one form in bytes, so that not one of them can be changed
//! without being seen: what reads back differently from how it was written is refused.

use std::{collections::BTreeMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::{
    evidence::{
        fold::{self, Evidence},
        folder::{self, FolderError},
        key::{Key, PublicKey},
        say,
    },
    journal::chain::{self, Broken},
    manifest::words::calm,
    report::ReportKind,
    verdict::Verdict,
};

/// The seal's file name in a run's folder.
pub const FILE: &str = "seal.json";
/// The journal's file name in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";
/// The type of what is signed.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// So many characters say why it is none.
const WHY_MAX: usize = 400;
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "urn:holdfast:run-seal:v1";

/// What is signed (in-toto Statement v1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// Every file of the folder but the seal, by name.
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// What is said of them.
    pub predicate: Predicate,
}

/// A file and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Its path in the folder.
    pub name: String,
    /// Its hash.
    pub digest: Digest,
}

/// A file's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// In lower-case hexadecimal.
    pub sha256: String,
}

/// What a seal says of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    /// The run's id.
    pub run: String,
    /// Lines of its journal that count.
    pub entries: u64,
    /// The hash of the last of them.
    pub head: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The time of day at sealing, RFC 3339 in UTC, as the machine had it.
    pub sealed: String,
    /// The version of the program that sealed it.
    pub program: String,
    /// The public half of the key that sealed it, as PEM.
    pub key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<SignatureOf>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureOf {
    keyid: String,
    sig: String,
}

/// Why a seal cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSeal {
    /// It is no envelope, or not in its one form.
    #[error("it is not a seal in its one form: {0}")]
    Form(String),
    /// It was signed with no key that it names.
    #[error("its signature does not fit: the seal was changed after it was made")]
    Signature,
}

/// A seal that was read, and whose signature fits the key that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// What was signed.
    pub statement: Statement,
    /// The key that signed it.
    pub signer: PublicKey,
}

/// Writes the seal over `files` (all of the folder; a seal among them is left out).
pub fn write(files: &BTreeMap<String, Vec<u8>>, predicate: Predicate, key: &Key) -> Vec<u8> {
    let subject = files
        .iter()
        .filter(|(name, _)| *name != FILE)
        .map(|(name, bytes)| Subject {
            name: name.clone(),
            digest: Digest { sha256: chain::hash(bytes) },
        })
        .collect();
    let statement = Statement {
        kind: STATEMENT_TYPE.to_owned(),
        subject,
        predicate_type: PREDICATE_TYPE.to_owned(),
        predicate,
    };
    let payload = to_json(&statement);
    let sig = STANDARD.encode(key.sign(&pre_authentication(&payload)));
    let envelope = Envelope {
        payload_type: PAYLOAD_TYPE.to_owned(),
        payload: STANDARD.encode(&payload),
        signatures: vec![SignatureOf { keyid: key.public().id(), sig }],
    };
    let mut bytes = to_json(&envelope);
    bytes.push(b'\n');
    bytes
}

/// Reads a seal and holds its signature against the key that it names.
pub fn read(bytes: &[u8]) -> Result<Seal, BadSeal> {
    // It may quote a stranger at length, and what a terminal would obey.
    let form = |why: String| BadSeal::Form(calm(&why, WHY_MAX));
    let envelope: Envelope =
        serde_json::from_slice(bytes).map_err(|why| form(format!("the envelope: {why}")))?;
    let mut one_form = to_json(&envelope);
    one_form.push(b'\n');
    let [signature] = &envelope.signatures[..] else {
        return Err(form("it has one signature, neither none nor more".to_owned()));
    };
    if one_form != bytes || envelope.payload_type != PAYLOAD_TYPE {
        return Err(form("the envelope is not written as we write it".to_owned()));
    }
    let payload = STANDARD
        .decode(&envelope.payload)
        .map_err(|why| form(format!("the payload is not base64: {why}")))?;
    let statement: Statement =
        serde_json::from_slice(&payload).map_err(|why| form(format!("the statement: {why}")))?;
    let sorted = statement.subject.is_sorted_by(|a, b| a.name < b.name);
    let ours = statement.kind == STATEMENT_TYPE && statement.predicate_type == PREDICATE_TYPE;
    if to_json(&statement) != payload || !sorted || !ours {
        return Err(form("the statement is not written as we write it".to_owned()));
    }
    let signer = PublicKey::from_pem(&statement.predicate.key)
        .map_err(|why| form(format!("the key that it names: {why}")))?;
    if signer.to_pem() != statement.predicate.key || signer.id() != signature.keyid {
        return Err(form("it names two keys".to_owned()));
    }
    let sig: Option<[u8; 64]> =
        STANDARD.decode(&signature.sig).ok().and_then(|it| it.try_into().ok());
    match sig {
        Some(sig) if signer.verify(&pre_authentication(&payload), &sig) => {
            Ok(Seal { statement, signer })
        }
        _ => Err(BadSeal::Signature),
    }
}

/// What is really signed: DSSE's pre-authentication encoding of a payload.
fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn to_json(it: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(it).expect("a seal is plain data")
}

/// Why a run could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Its folder could not be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It has no journal.
    #[error("there is no {JOURNAL} in it")]
    NoJournal,
    /// Its journal cannot be believed.
    #[error("its {JOURNAL} is broken: {0}")]
    Broken(#[from] Broken),
}

/// Reads the journal in the run's folder `dir`, writes every report of `reports` as
/// `report.EXTENSION`, and then the seal over all files. `now_us` is the time of day in
/// microseconds since the Unix epoch. Doing it again, also after half of it, is fine.
pub fn finish(
    dir: &Path,
    key: &Key,
    reports: &[&ReportKind],
    now_us: i64,
) -> Result<Evidence, SealError> {
    let journal = folder::journal(dir)?.ok_or(SealError::NoJournal)?;
    folder::sweep(dir)?;
    let lines = chain::read(&journal)?;
    let evidence = fold::fold(&lines.entries);
    let rendered: Vec<_> =
        reports.iter().map(|kind| (kind.file(), (kind.render)(&evidence))).collect();
    folder::put_all(dir, &rendered)?;
    let folder = folder::read(dir)?;
    let predicate = Predicate {
        run: evidence.run.id.clone(),
        entries: say::count(lines.entries.len()),
        head: lines.head,
        verdict: evidence.verdict,
        sealed: say::wall(Some(now_us)).unwrap_or_default(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        key: key.public().to_pem(),
    };
    folder::put(dir, FILE, &write(&folder.files, predicate, key))?;
    Ok(evidence)
}

/// How to check a seal without this program: file hashes first, then the signature. `seal.pub` is
/// the key that the owner of the state folder publishes. Run in the run's folder.
pub const BY_HAND: &str = r#"field() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" seal.json | base64 -d; }
work=$(mktemp -d)
field payload > "$work/payload"
field sig > "$work/sig"
{ printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$(wc -c < "$work/payload")"
  cat "$work/payload"; } > "$work/signed"
openssl pkeyutl -verify -rawin -pubin -inkey seal.pub -in "$work/signed" -sigfile "$work/sig"
grep -o '"name":"[^"]*","digest":{"sha256":"[0-9a-f]*' "$work/payload" |
  sed 's/"name":"\(.*\)","digest":{"sha256":"\(.*\)/\2  \1/' > "$work/sums"
sha256sum -c "$work/sums""#;
