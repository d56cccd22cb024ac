//! `holdfast verify`: a run's folder held against its seal.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;

use crate::{
    cli::report::{NoRun, find},
    evidence::{
        folder,
        verify::{self, Finding, Verified},
    },
    reports,
    verdict::Verdict,
};

/// What `holdfast verify` is told.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The run: its id in the state folder, or the path of its folder; `latest` is the newest.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The public key (PEM) that must have sealed it.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    verdict: Verdict,
    /// Whose key sealed it.
    key: &'a str,
    #[serde(flatten)]
    verified: &'a Verified,
}

/// Checks the run: 0 if all is as it was sealed, 1 if not, 4 if there is no seal.
pub fn run(args: &VerifyArgs, state: &Path) -> ExitCode {
    match check(args, state) {
        Ok(Verdict::Pass) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::from(1),
        Ok(Verdict::Inconclusive) => ExitCode::from(4),
        Err(why) => why.tell(),
    }
}

fn check(args: &VerifyArgs, state: &Path) -> Result<Verdict, NoRun> {
    let dir = find(&args.run, state)?;
    let named = args.key.as_deref().map(folder::public).transpose()?;
    let own = folder::public_of(state)?;
    // What lies in our own state folder was sealed by our own key.
    let at_home = dir.starts_with(state.join("runs"));
    let trusted = named.or(own.filter(|_| at_home));
    let folder = folder::read(&dir)?;
    let mut verified = verify::verify(&folder.files, trusted.as_ref(), reports::ALL);
    for (file, what) in folder.strange {
        let what = format!("was added: it is {what}, and a seal knows only files");
        verified.findings.push(Finding { file, line: None, what });
    }
    let signer = verified.signer.as_deref();
    let key = match (signer, named.map(|it| it.id()), own.map(|it| it.id())) {
        (None, _, _) => "no key",
        (Some(signer), Some(named), _) if signer == named => "the key that was named",
        (Some(_), Some(_), _) => "another key than the one that was named",
        (Some(signer), None, Some(own)) if signer == own => "the key of this state folder",
        (Some(_), None, _) => {
            "a key that this state folder does not know: compare its name with the one that its \
             owner publishes, or name it with `--key FILE`"
        }
    };
    let text = if args.json {
        let answer = Answer { verdict: verified.verdict(), key, verified: &verified };
        let mut text = serde_json::to_string_pretty(&answer).expect("an answer is plain data");
        text.push('\n');
        text
    } else {
        say(&verified, key)
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(verified.verdict())
}

fn say(verified: &Verified, key: &str) -> String {
    let mut lines = vec![format!("run {}", verified.run)];
    lines.extend(verified.checked.iter().map(|it| format!("  good  {it}")));
    lines.extend(verified.notes.iter().map(|it| format!("  note  {it}")));
    lines.extend(verified.findings.iter().map(|it| {
        let line = it.line.map(|line| format!(", line {line}")).unwrap_or_default();
        format!("  BAD   {}{line}: {}", it.file, it.what)
    }));
    if let (Some(signer), Some(at)) = (&verified.signer, &verified.sealed_at) {
        lines.push(format!("sealed {at} by {signer}: {key}"));
    }
    lines.push(match verified.verdict() {
        Verdict::Pass => "pass: everything is as it was sealed".to_owned(),
        Verdict::Inconclusive => "inconclusive: the run is not sealed".to_owned(),
        Verdict::Fail => format!("fail: {} findings", verified.findings.len()),
    });
    // What came from a file must not move a terminal's cursor.
    let plain = |it: String| it.chars().filter(|c| !c.is_control()).collect::<String>();
    lines.into_iter().map(|it| plain(it) + "\n").collect()
}
