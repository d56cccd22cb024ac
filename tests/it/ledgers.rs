//! Witnesses that write to real stores: what they tell is what is there.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::{collections::BTreeSet, fs};

use holdfast::journal::entry::Fact;

use crate::{
    postgres::{PASSWORD, Postgres, USER},
    stage::{Played, Stage},
};

/// A drill that loses a PostgreSQL primary and has a standby take over.
struct Lost<'a> {
    stage: &'a Stage,
    primary: &'a Postgres,
    standby: &'a Postgres,
}

impl Lost<'_> {
    /// The drill's file; `fault` is a step, and `between` stands before the promotion.
    fn drill(&self, fault: &str, between: &str) -> String {
        let folder = self.stage.state().parent().unwrap().to_owned();
        fs::write(folder.join("address"), format!("127.0.0.1:{}", self.primary.port())).unwrap();
        fs::write(folder.join("password"), PASSWORD).unwrap();
        let folder = folder.display();
        let (here, there) = (self.primary.port(), self.standby.port());
        let promote = self.standby.tool("psql").get_program().display().to_string();
        let line = self.standby.line();
        let text = format!(
            "title: a primary is lost
objectives: {{ rto: 20s, lost_writes: 0 }}
witness:
  postgresql:
    url: postgres://{USER}@127.0.0.1:{here}/postgres
    address_file: {folder}/address
    password_file: {folder}/password
    create: true
    read: postgres://{USER}@127.0.0.1:{there}/postgres
    standby: postgres://{USER}@127.0.0.1:{there}/postgres
    sides: {{ former primary: 'postgres://{USER}@127.0.0.1:{here}/postgres' }}
  every: 20ms
phases:
  - phase: load
    steps:
      - witness: start
      - pause: 1500ms
  - phase: disrupt
    steps:
{fault}
  - phase: promote
    steps:
{between}
      - command:
          run: ['{promote}', -X, -q, -d, '{line}', -c, select pg_promote()]
          timeout: 30s
  - phase: route
    steps:
      - command: {{ run: [sh, -c, 'echo 127.0.0.1:{there} > {folder}/address'], timeout: 5s }}
  - phase: verify
    steps:
      - pause: 2s
      - witness: read_back
"
        );
        let file = folder.to_string() + "/drill.yaml";
        fs::write(&file, text).unwrap();
        file
    }
}

/// The numbers of a run's records in a server.
fn there(server: &Postgres, run: &str) -> BTreeSet<u64> {
    let rows = server.sql(&format!("select seq from holdfast_witness where run = '{run}'"));
    rows.lines().map(|it| it.parse().unwrap()).collect()
}

fn class(played: &Played, name: &str) -> usize {
    let count = played.report["drill"]["rpo"]["classes"][name].as_u64();
    usize::try_from(count.expect(name)).unwrap()
}

fn pid_file(stage: &Stage, server: &Postgres) -> String {
    let text = fs::read_to_string(server.data().join("postmaster.pid")).unwrap();
    let file = stage.state().with_file_name("primary.pid");
    fs::write(&file, text.lines().next().unwrap()).unwrap();
    file.display().to_string()
}

#[test]
fn a_postgresql_primary_is_killed_and_what_was_lost_is_counted_exactly() {
    let Some(primary) = Postgres::primary() else { return };
    let standby = primary.standby("beside");
    let stage = Stage::empty();
    let fault = format!(
        "      - process_kill: {{ target: {{ pid_file: {} }} }}",
        pid_file(&stage, &primary)
    );
    let lost = Lost { stage: &stage, primary: &primary, standby: &standby };
    let file = lost.drill(&fault, "      - pause: 500ms");
    let played = stage.play(&["drill", "run", "--yes", &file]);
    let acknowledged: BTreeSet<u64> = played.acknowledged().into_iter().collect();
    assert!(acknowledged.len() > 50, "{}", played.said());
    let survived = there(&standby, &played.id());
    let gone: BTreeSet<u64> = acknowledged.difference(&survived).copied().collect();
    assert_eq!(class(&played, "lost"), gone.len(), "{}", played.said());
    assert_eq!(class(&played, "ok"), acknowledged.intersection(&survived).count());
    assert_eq!(class(&played, "split_brain"), 0);
    let rto = &played.report["drill"]["rto"];
    assert!(rto["upper_us"].as_i64() > rto["lower_us"].as_i64(), "{rto}");
    assert!(rto["lower_us"].as_i64().unwrap() > 400_000, "{rto}");
}

#[test]
fn without_fencing_the_split_brain_is_counted_as_both_databases_show_it() {
    let Some(primary) = Postgres::primary() else { return };
    let standby = primary.standby("beside");
    let stage = Stage::empty();
    // Its workers go on: the primary looks dead to newcomers, and serves those whom it knows.
    let fault = format!(
        "      - process_pause: {{ target: {{ pid_file: {} }} }}\n        for: 1s",
        pid_file(&stage, &primary)
    );
    let lost = Lost { stage: &stage, primary: &primary, standby: &standby };
    let file = lost.drill(&fault, "      - pause: 100ms");
    let file = lost_time(&file);
    let played = stage.play(&["drill", "run", "--yes", &file]);
    let run = played.id();
    let (old, new) = (there(&primary, &run), there(&standby, &run));
    let mut promoted = None;
    let mut wrong = BTreeSet::new();
    let acknowledged: BTreeSet<u64> = played.acknowledged().into_iter().collect();
    for it in &played.entries {
        match &it.fact {
            Fact::Applied { act: 2, to_us, .. } => promoted = Some(*to_us),
            Fact::Writes { rows } => {
                let late = rows.iter().filter(|it| promoted.is_some_and(|at| it.1 >= at));
                let only_old = |seq: &u64| old.contains(seq) && !new.contains(seq);
                let acked = |seq: &u64| acknowledged.contains(seq);
                wrong.extend(late.map(|it| it.0).filter(only_old).filter(acked));
            }
            _ => {}
        }
    }
    assert!(wrong.len() > 10, "{}", played.said());
    assert_eq!(class(&played, "split_brain"), wrong.len(), "{}", played.said());
    let gone = acknowledged.difference(&new).filter(|it| old.contains(it)).count();
    assert_eq!(class(&played, "stranded"), gone);
    assert_eq!(class(&played, "lost"), acknowledged.difference(&new).count());
    assert_eq!(played.code(), 1, "{}", played.said());
    assert!(played.said().contains("split brain"), "{}", played.said());
}

/// The same drill with a pause between the promotion and the routing.
fn lost_time(file: &str) -> String {
    let text = fs::read_to_string(file).unwrap();
    let pause = "  - phase: route\n    steps:\n      - pause: 600ms\n";
    let text = text.replace("  - phase: route\n    steps:\n", pause);
    fs::write(file, text).unwrap();
    file.to_owned()
}

/// A drill without a fault, whose witness writes for a moment to what `ledger` says.
fn quiet(stage: &Stage, ledger: &str) -> Played {
    let text = format!(
        "title: nothing happens
objectives: {{ rto: 20s, lost_writes: 0 }}
witness:
{ledger}
phases:
  - phase: load
    steps:
      - witness: start
      - pause: 500ms
      - witness: read_back
"
    );
    let file = stage.state().with_file_name("quiet.yaml");
    fs::write(&file, text).unwrap();
    let played = stage.play(&["drill", "run", "--yes", &file.display().to_string()]);
    assert!(played.acknowledged().len() > 5, "{}", played.said());
    played
}

#[test]
fn a_folder_takes_records_and_what_other_sides_have_is_told() {
    let stage = Stage::empty();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = format!(
        "  directory: {{ path: '{}', read: '{}', sides: {{ former: '{}' }} }}",
        here.path().display(),
        there.path().display(),
        here.path().display(),
    );
    // What is written to one folder is looked for in another, where nothing ever arrives.
    let played = quiet(&stage, &ledger);
    let files = fs::read_dir(here.path()).unwrap().count();
    assert!(files >= played.acknowledged().len(), "{files}: {}", played.said());
    assert_eq!(class(&played, "lost"), played.acknowledged().len());
    assert_eq!(class(&played, "stranded"), played.acknowledged().len());
}

#[test]
fn any_program_that_speaks_json_lines_is_a_ledger() {
    let Some(python) = crate::beside::tool("python3", "python3") else { return };
    let stage = Stage::empty();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("ledger.py");
    // It keeps every record in a file, forgets record 3, alters record 4 and doubles record 5.
    let text = r#"
import json, os, sys
folder = sys.argv[1]
for line in sys.stdin:
    asked = json.loads(line)
    if "write" in asked:
        it = asked["write"]
        payloads = [it["payload"]]
        if it["seq"] == 3: payloads = []
        if it["seq"] == 4: payloads = ["another"]
        if it["seq"] == 5: payloads = payloads * 2
        path = os.path.join(folder, it["id"])
        with open(path + ".new", "w") as file: json.dump(payloads, file)
        os.rename(path + ".new", path)
        print(json.dumps({"outcome": "acked"}), flush=True)
    else:
        try: payloads = json.load(open(os.path.join(folder, asked["read"]["id"])))
        except FileNotFoundError: payloads = []
        print(json.dumps({"payloads": payloads}), flush=True)
"#;
    fs::write(&program, text).unwrap();
    let ledger = format!(
        "  exec: {{ run: ['{}', '{}', '{}'] }}\n  deadline: 20s",
        python.display(),
        program.display(),
        folder.path().display()
    );
    let played = quiet(&stage, &ledger);
    assert_eq!(class(&played, "lost"), 1, "{}", played.said());
    assert_eq!(class(&played, "corrupt"), 1);
    assert_eq!(class(&played, "duplicated"), 1);
    assert_eq!(class(&played, "ok"), played.acknowledged().len() - 2);
}
