//! Whether a plan may be carried out here: asked of a person, or approved by two of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{
    cli::{args, exit::Exit, script::Read, show},
    evidence::approval::{NAMESPACE, NoApproval, Plan, approval},
    journal::began::{Approval, Began},
    world::{
        linux::facts,
        rules::{Environment, Rules},
    },
};

/// So many people, none of them who runs it, must approve what is done to a production machine.
const APPROVERS: usize = 2;
/// A signature is shorter than this.
const SIGNATURE_MAX: usize = 64 << 10;

/// Asks, or looks at the approvals. What comes back are each script's approvals, in order.
pub(super) fn consent(
    scripts: &[Read],
    rules: &Rules,
    (yes, approve): (bool, &[PathBuf]),
    foretell: impl Fn(&Read) -> Exit,
) -> Result<Vec<Vec<Approval>>, Exit> {
    let host = facts::hostname();
    let mut all: Vec<Vec<Approval>> = scripts.iter().map(|_| Vec::new()).collect();
    for (file, text) in signatures(approve)? {
        let whose = attribute((&file, &text), scripts, (rules, &host));
        let (n, approval) = whose.map_err(|why| {
            let help = "nothing was touched; `--dry-run` tells what is to be signed, and how";
            show::error(format!("{file} approves nothing of this: {why}"), help);
            Exit::Refused
        })?;
        let of = all.get_mut(n).filter(|of| of.iter().all(|it| it.name != approval.name));
        if let Some(of) = of {
            of.push(approval);
        }
    }
    match rules.environment {
        Some(Environment::Production) => {
            for (one, approvals) in scripts.iter().zip(&all) {
                enough(one, rules, approvals)?;
            }
        }
        Some(Environment::Staging) | None if !yes => {
            for one in scripts {
                foretell(one);
            }
            ask(rules)?;
        }
        Some(Environment::Sandbox | Environment::Staging) | None => {}
    }
    Ok(all)
}

fn ask(rules: &Rules) -> Result<(), Exit> {
    let what = match rules.environment {
        Some(it) => format!("this is a {} machine", it.word()),
        None => "nothing says what this machine is for".to_owned(),
    };
    match show::ask(&format!("{what}: do all that?")) {
        Some(true) => Ok(()),
        Some(false) => {
            show::error("nobody said yes", "nothing was touched");
            Err(Exit::Refused)
        }
        None => {
            let help = "say --yes, or write `environment: sandbox` in host.yml in the state folder \
                        or in /etc/holdfast; nothing was touched";
            show::error(format!("{what}, and nobody is here to be asked"), help);
            Err(Exit::Refused)
        }
    }
}

fn signatures(files: &[PathBuf]) -> Result<Vec<(String, String)>, Exit> {
    let mut all = Vec::new();
    for path in files {
        let shown = path.display().to_string();
        let read = args::read(path).map_err(|why| {
            show::error(format!("could not read {shown}: {why}"), "name a signature's file");
            Exit::Usage
        })?;
        let text = String::from_utf8(read).ok().filter(|it| it.len() < SIGNATURE_MAX);
        let Some(text) = text else {
            show::error(format!("{shown} is no approval: it is no text"), "nothing was touched");
            return Err(Exit::Usage);
        };
        all.push((shown, text));
    }
    Ok(all)
}

/// Which of the plans a signature approves. It is for one of them; what it is not for is only told
/// when it is for none.
fn attribute(
    (file, text): (&str, &str),
    scripts: &[Read],
    (rules, host): (&Rules, &str),
) -> Result<(usize, Approval), NoApproval> {
    let mut last = NoApproval::NotASignature;
    for (n, one) in scripts.iter().enumerate() {
        let approvers = rules.approvers.iter().map(|it| (it.name.as_str(), it.key.as_str()));
        let vars = one.script.vars_in(one.source.text());
        match approval(&plan(one, &vars, host), text, approvers) {
            Ok(it) => return Ok((n, it)),
            Err(why) => last = why,
        }
    }
    tracing::debug!("{file}: {last}");
    Err(last)
}

fn plan<'a>(one: &'a Read, vars: &'a BTreeMap<String, String>, host: &'a str) -> Plan<'a> {
    Plan { kind: one.script.kind, manifest: one.source.text(), vars, host }
}

fn enough(one: &Read, rules: &Rules, approvals: &[Approval]) -> Result<(), Exit> {
    let operator = facts::operator();
    let others: BTreeSet<_> =
        approvals.iter().map(|it| &it.name).filter(|it| **it != operator).collect();
    if others.len() >= APPROVERS {
        return Ok(());
    }
    let own = others.len() < approvals.len();
    let own =
        if own { format!("; {operator}, who runs it, does not count") } else { String::new() };
    show::error(
        format!(
            "this is a production machine: {} needs {APPROVERS} approvals, and has {}{own}",
            one.source.path(),
            others.len()
        ),
        "nothing was touched",
    );
    tell(one, rules);
    Err(Exit::Refused)
}

/// Whether a run that was approved may go on under whoever resumes it.
pub(super) fn stands(began: &Began, rules: &Rules) -> Result<(), String> {
    if rules.environment != Some(Environment::Production) {
        return Ok(());
    }
    let operator = facts::operator();
    let others: BTreeSet<_> =
        began.approvals.iter().map(|it| &it.name).filter(|it| **it != operator).collect();
    if others.len() >= APPROVERS {
        return Ok(());
    }
    Err(format!("{operator} approved it, and on a production machine cannot run it, too"))
}

/// Says how the plan is approved.
pub(super) fn tell(one: &Read, rules: &Rules) {
    let (vars, host) = (one.script.vars_in(one.source.text()), facts::hostname());
    let plan = plan(one, &vars, &host);
    show::line(format!("plan: {}", plan.line().trim_end()));
    if rules.environment == Some(Environment::Production) {
        show::line("to approve it, an approver who is listed in host.yml types:");
        show::line(format!(
            "  echo '{}' | ssh-keygen -Y sign -n {NAMESPACE} -f ~/.ssh/id_ed25519 > NAME.sig",
            plan.line().trim_end()
        ));
        show::line("and the plan is carried out with `--approve NAME.sig --approve OTHER.sig`");
    }
}
