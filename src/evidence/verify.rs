//! A run's folder held against its seal, and its reports against its journal. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    evidence::{
        fold::{self, Evidence},
        key::PublicKey,
        say,
        seal::{self, FILE, JOURNAL, Predicate, Seal},
        shown,
    },
    journal::chain::{self, Broken, Lines},
    report::ReportKind,
    verdict::Verdict,
};

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, by its path in the folder.
    pub file: String,
    /// The line, counted from 1, where it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// What a folder came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The run's id, as its journal has it.
    pub run: String,
    /// Whether there is a seal.
    pub sealed: bool,
    /// The name of the key that sealed it.
    pub signer: Option<String>,
    /// When it was sealed, as the sealing machine had it.
    pub sealed_at: Option<String>,
    /// What is not as it was sealed.
    pub findings: Vec<Finding>,
    /// What was checked and found good.
    pub checked: Vec<String>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Verified {
    /// Fail if anything is not as it was, inconclusive without a seal, else pass.
    pub fn verdict(&self) -> Verdict {
        match (self.findings.is_empty(), self.sealed) {
            (false, _) => Verdict::Fail,
            (true, false) => Verdict::Inconclusive,
            (true, true) => Verdict::Pass,
        }
    }

    fn find(&mut self, file: &str, what: impl Into<String>) {
        self.findings.push(Finding { file: file.to_owned(), line: None, what: what.into() });
    }
}

/// Checks all files of a run's folder, by their paths in it. With `trusted`, a seal of any other
/// key is a finding. `reports` are the kinds that the run's reports were rendered by.
pub fn verify(
    files: &BTreeMap<String, Vec<u8>>,
    trusted: Option<&PublicKey>,
    reports: &[&ReportKind],
) -> Verified {
    let mut verified = Verified {
        run: String::new(),
        sealed: files.contains_key(FILE),
        signer: None,
        sealed_at: None,
        findings: Vec::new(),
        checked: Vec::new(),
        notes: Vec::new(),
    };
    let lines = journal(files, &mut verified);
    let evidence = lines.as_ref().map(|it| fold::fold(&it.entries));
    if let (Some(lines), Some(evidence)) = (&lines, &evidence) {
        verified.run.clone_from(&evidence.run.id);
        stated(lines, evidence, &mut verified);
        attached(files, evidence, &mut verified);
    }
    let seal = sealed(files, trusted, &mut verified);
    if let Some(seal) = &seal {
        let predicate = &seal.statement.predicate;
        subjects(files, seal, lines.is_some(), &mut verified);
        if let (Some(lines), Some(evidence)) = (&lines, &evidence) {
            said(predicate, lines, evidence, &mut verified);
        }
    }
    if let Some(evidence) = &evidence {
        let by = seal.as_ref().map(|it| it.statement.predicate.program.as_str());
        renderings(files, evidence, (reports, by), &mut verified);
    }
    verified
}

fn journal(files: &BTreeMap<String, Vec<u8>>, verified: &mut Verified) -> Option<Lines> {
    let Some(bytes) = files.get(JOURNAL) else {
        verified.find(JOURNAL, "is missing");
        return None;
    };
    match chain::read(bytes) {
        Ok(lines) => {
            let entries = say::plural(say::count(lines.entries.len()), "line");
            verified.checked.push(format!("{JOURNAL}: {entries}, each linked to the one before"));
            if lines.torn > 0 {
                let torn = lines.torn;
                let note =
                    format!("{JOURNAL}: its last {torn} bytes are a line that was cut short");
                verified.notes.push(note);
            }
            for line in &lines.stale {
                let note =
                    format!("{JOURNAL}, line {line}: a replaced writer's, it counts for nothing");
                verified.notes.push(note);
            }
            Some(lines)
        }
        Err(broken) => {
            let line = match &broken {
                Broken::NotAnEntry { line, .. }
                | Broken::Version { line, .. }
                | Broken::Number { line, .. }
                | Broken::Link { line } => *line,
            };
            let what = broken.to_string();
            verified.findings.push(Finding { file: JOURNAL.to_owned(), line: Some(line), what });
            None
        }
    }
}

/// The verdict that the run wrote down is the one that its journal leads to.
fn stated(lines: &Lines, evidence: &Evidence, verified: &mut Verified) {
    let Some(stated) = &evidence.stated else {
        verified.notes.push(format!("{JOURNAL}: the run has not ended, or was cut off"));
        return;
    };
    let (verdict, _) = fold::outcome(&lines.entries);
    if stated.verdict == verdict {
        verified.checked.push(format!("{JOURNAL}: its facts lead to its verdict, {verdict}"));
    } else {
        let what = format!("says {}, and its facts lead to {verdict}", stated.verdict);
        let line = Some(lines.entries.len());
        verified.findings.push(Finding { file: JOURNAL.to_owned(), line, what });
    }
}

/// Each file that a step put into the folder, or that was attached to an answer, is what the
/// journal says it was then.
fn attached(files: &BTreeMap<String, Vec<u8>>, evidence: &Evidence, verified: &mut Verified) {
    let shown = shown::acts(&evidence.timeline).flat_map(|(act, it)| {
        it.attachments.iter().map(move |it| (&act.name, &it.file, &it.sha256))
    });
    let questions = evidence.course.iter().flat_map(|it| &it.questions);
    let answers = questions.flat_map(|it| it.answers.iter().map(move |(_, given)| (it, given)));
    let answered = answers.filter_map(|(it, given)| {
        let kept = given.attachment.as_ref()?;
        Some((&it.asked.name, &kept.file, &kept.sha256))
    });
    for (step, file, sha256) in shown.chain(answered) {
        match files.get(file) {
            None => verified.find(file, format!("is missing: “{step}” put it there")),
            Some(bytes) if chain::hash(bytes) == *sha256 => {
                verified.checked.push(format!("{file}: is what “{step}” put there"));
            }
            Some(_) => verified.find(file, format!("is not what “{step}” put there")),
        }
    }
}

fn sealed(
    files: &BTreeMap<String, Vec<u8>>,
    trusted: Option<&PublicKey>,
    verified: &mut Verified,
) -> Option<Seal> {
    let Some(bytes) = files.get(FILE) else {
        let note =
            format!("{FILE}: is missing, the run is not sealed: nobody vouches for its files");
        verified.notes.push(note);
        return None;
    };
    let seal = match seal::read(bytes) {
        Ok(seal) => seal,
        Err(why) => {
            verified.find(FILE, why.to_string());
            return None;
        }
    };
    let signer = seal.signer.id();
    match trusted {
        Some(trusted) if *trusted != seal.signer => {
            let wanted = trusted.id();
            verified.find(FILE, format!("is of the key {signer}, not of {wanted}"));
        }
        _ => verified.checked.push(format!("{FILE}: its signature, by the key {signer}")),
    }
    verified.signer = Some(signer);
    verified.sealed_at = Some(seal.statement.predicate.sealed.clone());
    Some(seal)
}

/// Every file is sealed, every sealed file is there, and each is the same to the byte.
fn subjects(
    files: &BTreeMap<String, Vec<u8>>,
    seal: &Seal,
    chain_holds: bool,
    verified: &mut Verified,
) {
    let sealed: BTreeMap<&str, &str> = seal
        .statement
        .subject
        .iter()
        .map(|it| (it.name.as_str(), it.digest.sha256.as_str()))
        .collect();
    for name in files.keys().filter(|it| *it != FILE && !sealed.contains_key(it.as_str())) {
        verified.find(name, "was added: the seal does not know it");
    }
    for (name, digest) in sealed {
        let Some(bytes) = files.get(name) else {
            if name != JOURNAL {
                verified.find(name, "is missing: it was there when the run was sealed");
            }
            continue;
        };
        if chain::hash(bytes) == digest {
            verified.checked.push(format!("{name}: SHA-256 {digest}"));
        } else if name == JOURNAL && chain_holds {
            let what = "was changed: its lines are linked, but its SHA-256 is not the sealed one, \
                        so that its end was changed or all of it was written anew";
            verified.find(name, what);
        } else {
            verified.find(name, "was changed: its SHA-256 is not the sealed one");
        }
    }
}

/// What the seal says of the run is what its journal says.
fn said(predicate: &Predicate, lines: &Lines, evidence: &Evidence, verified: &mut Verified) {
    let entries = say::count(lines.entries.len());
    if entries != predicate.entries {
        let what = format!("has {entries} lines that count, and {} were sealed", predicate.entries);
        verified.find(JOURNAL, what);
    } else if lines.head != predicate.head {
        let line = Some(lines.entries.len());
        let what = "the last line is not the sealed one".to_owned();
        verified.findings.push(Finding { file: JOURNAL.to_owned(), line, what });
    }
    if predicate.run != evidence.run.id {
        verified.find(FILE, format!("is of the run `{}`", predicate.run));
    }
    if predicate.verdict != evidence.verdict {
        let what =
            format!("says {}, and the journal leads to {}", predicate.verdict, evidence.verdict);
        verified.find(FILE, what);
    }
}

/// Each report is what this program makes of the journal. Another version may make it otherwise.
fn renderings(
    files: &BTreeMap<String, Vec<u8>>,
    evidence: &Evidence,
    (reports, sealed_by): (&[&ReportKind], Option<&str>),
    verified: &mut Verified,
) {
    let by = sealed_by.unwrap_or(&evidence.run.program);
    let this = env!("CARGO_PKG_VERSION");
    for kind in reports {
        let name = kind.file();
        let Some(bytes) = files.get(&name) else { continue };
        if (kind.render)(evidence) == *bytes {
            verified.checked.push(format!("{name}: is what the journal leads to"));
        } else if by == this {
            verified.find(&name, "is not what the journal leads to");
        } else {
            let note = format!("{name}: rendered by holdfast {by}, this is {this}: not compared");
            verified.notes.push(note);
        }
    }
}
