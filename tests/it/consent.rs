//! Whether a plan may be carried out: asked of a person, or approved by two.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use holdfast::{
    evidence::approval::{NAMESPACE, Plan},
    journal::{began::Began, entry::Fact},
};

use crate::{
    beside::tool,
    ground::{Done, Ground},
};

const SCENARIO: &str = "title: a pause\nbaseline: 10ms\nsettle: 10s\nhypothesis:\n  \
     - process: { target: { cmdline: TAG } }\n    name: it lives\n    every: 10ms\n    \
       mode: edge\n    expect: { count: 1 }\nmethod:\n  \
     - process_pause: { target: { cmdline: TAG } }\n    for: 50ms\n";

fn scenario(ground: &Ground) -> String {
    ground.file("pause.yaml", SCENARIO).display().to_string()
}

fn rules(ground: &Ground, text: &str) {
    fs::create_dir_all(ground.state()).unwrap();
    fs::write(ground.state().join("host.yml"), text).unwrap();
}

fn play(ground: &Ground, words: &[&str]) -> Done {
    ground.unasked(&[&["chaos", "run"], words].concat()).output().unwrap().into()
}

fn began(ground: &Ground) -> Began {
    let lines = ground.journal().1;
    let began = lines.entries.into_iter().find_map(|it| match it.fact {
        Fact::Began(it) => Some(*it),
        _ => None,
    });
    began.unwrap()
}

#[test]
fn where_nobody_can_be_asked_nothing_is_done_without_a_word() {
    let ground = Ground::new(1);
    let file = scenario(&ground);
    for (text, what) in [
        ("", "nothing says what this machine is for"),
        ("environment: staging\n", "this is a staging machine"),
    ] {
        rules(&ground, text);
        let done = play(&ground, &[&file]);
        assert_eq!(done.code, Some(3), "{}", done.err);
        assert!(done.err.contains(what) && done.err.contains("--yes"), "{}", done.err);
        assert!(done.out.contains("would pause"), "the plan is shown: {}", done.out);
        assert!(ground.journals().is_empty(), "nothing was begun");
    }
    rules(&ground, "environment: sandbox\n");
    let done = play(&ground, &[&file]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(began(&ground).environment.as_deref(), Some("sandbox"));
}

#[test]
fn a_person_at_a_terminal_is_asked_once() {
    let Some(script) = tool("script", "bsdutils") else { return };
    for (answer, code, runs) in [("n\n", 3, 0), ("y\n", 0, 1)] {
        let ground = Ground::new(1);
        let mut line = String::new();
        let mine = ground.unasked(&["chaos", "run", &scenario(&ground)]);
        for word in std::iter::once(mine.get_program()).chain(mine.get_args()) {
            write!(line, "'{}' ", word.to_str().unwrap()).unwrap();
        }
        let mut person = Command::new(&script);
        person.args(["-q", "-e", "-c", &line, "/dev/null"]);
        let mut person = person.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        person.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let done: Done = person.wait_with_output().unwrap().into();
        assert_eq!(done.code, Some(code), "{}", done.out);
        assert_eq!(done.out.matches("[y/N]").count(), 1, "{}", done.out);
        assert_eq!(ground.journals().len(), runs, "{}", done.out);
    }
}

#[test]
fn a_mistake_in_the_rules_is_told_and_nothing_is_done() {
    let ground = Ground::new(1);
    let file = scenario(&ground);
    rules(&ground, "environment: prod\nallowed: []\n");
    let done = play(&ground, &["--yes", &file]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("host.yml:1:14") && done.err.contains("production"), "{}", done.err);
    assert!(done.err.contains("host.yml:2:1") && done.err.contains("`allow`"), "{}", done.err);
    assert!(ground.journals().is_empty());
}

/// A person with a key.
pub(crate) struct Person<'a> {
    name: &'a str,
    key: PathBuf,
}

impl<'a> Person<'a> {
    pub(crate) fn new(keygen: &Path, folder: &Path, name: &'a str) -> Self {
        let key = folder.join(name);
        let mut make = Command::new(keygen);
        make.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key);
        assert!(make.status().unwrap().success());
        Self { name, key }
    }

    pub(crate) fn rule(&self) -> String {
        let key = fs::read_to_string(self.key.with_extension("pub")).unwrap();
        format!("  - {{ name: {}, key: '{}' }}\n", self.name, key.trim())
    }

    /// Signs a line, as the dry run tells people to.
    pub(crate) fn sign(&self, keygen: &Path, (line, namespace): (&str, &str), to: &Path) -> String {
        let mut sign = Command::new(keygen);
        sign.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(&self.key);
        let mut sign = sign.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        sign.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        fs::write(to, sign.wait_with_output().unwrap().stdout).unwrap();
        to.display().to_string()
    }
}

#[test]
fn production_wants_two_listed_people_who_do_not_run_it_themselves() {
    let Some(keygen) = tool("ssh-keygen", "openssh-client") else { return };
    let ground = Ground::new(1);
    let file = scenario(&ground);
    let operator = {
        let scratch = Ground::new(1);
        assert_eq!(scratch.run(&["chaos", "run", &scenario(&scratch)]).code, Some(0));
        began(&scratch).operator
    };
    let people = ["alice", "bob", operator.as_str(), "mallory"];
    let [alice, bob, own, mallory] = people.map(|it| Person::new(&keygen, ground.path(), it));
    let listed: String = [&alice, &bob, &own].map(Person::rule).concat();
    rules(&ground, &format!("environment: production\napprovers:\n{listed}"));
    let dry = play(&ground, &["--dry-run", &file]);
    let line = dry.out.lines().find_map(|it| it.strip_prefix("plan: ")).unwrap();
    let (line, other) = (format!("{line}\n"), format!("{}\n", line.replace("sha256:", "sha256:0")));
    let sign = |who: &Person<'_>, what: (&str, &str), name: &str| {
        who.sign(&keygen, what, &ground.path().join(name))
    };
    let by_alice = sign(&alice, (&line, NAMESPACE), "alice.sig");
    let by_bob = sign(&bob, (&line, NAMESPACE), "bob.sig");
    let by_own = sign(&own, (&line, NAMESPACE), "own.sig");
    let stranger = sign(&mallory, (&line, NAMESPACE), "mallory.sig");
    let for_other = sign(&bob, (&other, NAMESPACE), "other.sig");
    let for_files = sign(&bob, (&line, "file"), "file.sig");
    for (second, why) in [
        (None, "needs 2 approvals, and has 1"),
        (Some(&by_alice), "needs 2 approvals, and has 1"),
        (Some(&by_own), "who runs it, does not count"),
        (Some(&stranger), "is not among the approvers"),
        (Some(&for_other), "bob signed another plan"),
        (Some(&for_files), "it was made for `file`"),
        (Some(&file), "not what `ssh-keygen -Y sign` writes"),
    ] {
        let mut words = vec!["--yes", "--approve", &by_alice];
        words.extend(second.iter().flat_map(|it| ["--approve", it.as_str()]));
        words.push(&file);
        let done = play(&ground, &words);
        assert_eq!(done.code, Some(3), "{why}: {}", done.err);
        assert!(done.err.contains(why), "{why}: {}", done.err);
        assert!(ground.journals().is_empty(), "{why}");
    }
    let words = ["--approve", &by_alice, "--approve", &by_bob, &file];
    let set = play(&ground, &[&words[..], &["--set", "holdfast=another"]].concat());
    assert_eq!(set.code, Some(0), "a variable that the file does not name is none: {}", set.err);
    let began = began(&ground);
    assert_eq!(Plan::of(&began).line(), line, "the journal tells what was approved");
    let names: Vec<_> = began.approvals.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["alice", "bob"]);
    // And OpenSSH alone finds it so, from what the journal holds.
    let approval = began.approvals.first().unwrap();
    let (signers, signature) = (ground.path().join("signers"), ground.path().join("kept.sig"));
    fs::write(&signers, format!("{} {}\n", approval.name, approval.key)).unwrap();
    fs::write(&signature, format!("{}\n", approval.signature)).unwrap();
    let mut verify = Command::new(&keygen);
    verify.args(["-Y", "verify", "-n", NAMESPACE, "-I", "alice", "-f"]).arg(&signers);
    let mut verify = verify.arg("-s").arg(&signature).stdin(Stdio::piped()).spawn().unwrap();
    verify.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    assert!(verify.wait().unwrap().success());
}
