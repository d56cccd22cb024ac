//! The shipped drills on PostgreSQL, on real servers. What they count is what the databases hold.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::{collections::BTreeSet, process::Output};

use holdfast::journal::entry::Fact;

use crate::{
    postgres::tools,
    stage::{Played, Stage, text},
};

/// A pair of servers on a stage of its own; it is taken down whatever becomes of the test.
struct Pair {
    stage: Stage,
}

impl Drop for Pair {
    fn drop(&mut self) {
        let down = self.stage.run(&["sandbox", "postgres", "down", "--purge"]);
        assert!(down.status.success(), "{}", text(&down.stderr));
    }
}

impl Pair {
    /// Nothing if there is no PostgreSQL here.
    fn up(words: &[&str]) -> Option<Self> {
        tools()?;
        let stage = Stage::empty();
        let up = stage.run(&[&["sandbox", "postgres", "up"], words].concat());
        assert!(up.status.success(), "{}", text(&up.stderr));
        Some(Self { stage })
    }

    fn does(&self, words: &[&str]) -> Output {
        self.stage.run(&[&["sandbox", "postgres"], words].concat())
    }

    fn sql(&self, server: &str, statement: &str) -> String {
        let done = self.does(&["sql", server, statement]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout).trim_end().to_owned()
    }

    fn play(&self, drill: &str) -> Played {
        let file = format!("chaos-scenarios/drills/postgres-{drill}.yaml");
        let played = self.stage.play(&["drill", "run", &file]);
        let output = self.stage.run(&["verify", &played.id()]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        played
    }

    /// The records of the run that a server holds.
    fn records(&self, server: &str, run: &str) -> BTreeSet<u64> {
        let statement = format!("select seq from holdfast_witness where run = '{run}'");
        self.sql(server, &statement).lines().map(|it| it.parse().unwrap()).collect()
    }
}

fn classes(played: &Played, name: &str) -> u64 {
    played.report["drill"]["rpo"]["classes"][name].as_u64().unwrap_or(0)
}

fn acts<'a>(played: &'a Played, name: &str) -> &'a serde_json::Value {
    let acts = played.report["timeline"]["acts"].as_array().unwrap();
    acts.iter().find(|it| it["name"] == name).unwrap()
}

#[test]
fn with_a_synchronous_standby_no_commit_is_lost_and_the_primary_comes_home() {
    let Some(pair) = Pair::up(&["--replication", "sync"]) else { return };
    let played = pair.play("primary-lost");
    assert_eq!(played.code(), 0, "{}", played.said());
    let held = pair.records("a", &played.id());
    let acknowledged: BTreeSet<u64> = played.acknowledged().into_iter().collect();
    assert_eq!(acknowledged.difference(&held).count(), 0, "every acknowledged commit is there");
    assert_eq!(classes(&played, "lost"), 0);
    let status = text(&pair.does(&["status"]).stdout);
    let wanted = ["a          primary", "b          standby", "restored   down"];
    assert_eq!(status.lines().collect::<Vec<_>>(), wanted);
    let journal = std::fs::read_to_string(pair.stage.state().join("postgres/postgres.json"));
    let book: serde_json::Value = serde_json::from_str(&journal.unwrap()).unwrap();
    let log = format!("{}/a/log", book["home"].as_str().unwrap());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("starting backup recovery") || log.contains("entering standby mode"));
    let sites = played.report["sites"]["each"].as_array().unwrap();
    let told = |figure: &serde_json::Value| figure["known"]["value"].as_f64().is_some();
    let [primary, standby] = sites.as_slice() else { panic!("{sites:?}") };
    for figure in [
        &primary["incremental_kwh"],
        &primary["grams"],
        &standby["idle_year_kwh"],
        &standby["headroom"]["cpu"],
        &standby["headroom"]["memory"],
        &played.report["sites"]["peak_dual_watts"],
    ] {
        assert!(told(figure), "{figure}");
    }
    let ran = |site: &serde_json::Value, phase: &str| {
        let all = site["phases"].as_array().unwrap();
        let found = all.iter().find(|it| it["name"] == phase).unwrap();
        found["scopes"][0]["processes"][0].as_u64().unwrap_or_default()
    };
    assert!(ran(primary, "baseline") >= 5 && ran(standby, "baseline") >= 4, "{sites:?}");
}

#[test]
fn over_a_slow_link_exactly_the_commits_are_told_that_are_gone() {
    let Some(pair) = Pair::up(&["--replication", "async", "--link-delay", "300ms"]) else { return };
    let played = pair.play("primary-lost");
    assert_eq!(played.code(), 1, "{}", played.said());
    let held = pair.records("b", &played.id());
    let acknowledged: BTreeSet<u64> = played.acknowledged().into_iter().collect();
    let gone = acknowledged.difference(&held).count();
    assert!(gone > 0, "{}", played.said());
    assert_eq!(classes(&played, "lost"), u64::try_from(gone).unwrap());
}

#[test]
fn a_frozen_primary_that_was_fenced_acknowledges_nothing_more() {
    let Some(pair) = Pair::up(&["--replication", "sync"]) else { return };
    let played = pair.play("primary-frozen");
    assert_eq!(played.code(), 0, "{}", played.said());
    let held = pair.records("b", &played.id());
    assert!(played.acknowledged().iter().all(|it| held.contains(it)));
    assert_eq!(classes(&played, "split_brain"), 0);
}

#[test]
fn without_a_fence_a_frozen_primary_wakes_up_and_splits_the_brain() {
    let Some(pair) = Pair::up(&["--replication", "async"]) else { return };
    let played = pair.play("split-brain");
    assert_eq!(played.code(), 1, "{}", played.said());
    let held = pair.records("b", &played.id());
    let acknowledged: BTreeSet<u64> = played.acknowledged().into_iter().collect();
    let gone = acknowledged.difference(&held).count();
    assert_eq!(classes(&played, "lost"), u64::try_from(gone).unwrap());
    let split = classes(&played, "split_brain");
    assert!(0 < split && split <= classes(&played, "stranded"), "{}", played.said());
}

#[test]
fn a_restored_database_tells_how_old_and_how_complete_it_is() {
    let Some(pair) = Pair::up(&[]) else { return };
    let played = pair.play("restore");
    assert_eq!(played.code(), 0, "{}", played.said());
    let held = pair.records("restored", &played.id());
    let acknowledged: BTreeSet<u64> = played.acknowledged().into_iter().collect();
    let gone = acknowledged.difference(&held).count();
    assert_eq!(classes(&played, "lost"), u64::try_from(gone).unwrap());
    let restore = acts(&played, "restore the backup and replay the archive");
    assert_eq!(restore["recovery_point"]["answer"], "pass");
    let (lower, upper) = (
        restore["recovery_point"]["lower_us"].as_i64().unwrap(),
        restore["recovery_point"]["upper_us"].as_i64().unwrap(),
    );
    assert!(0 < lower && lower <= upper);
    let figures = restore["showing"]["figures"].to_string();
    assert!(figures.contains("WAL replayed, in bytes"), "{figures}");
    // What was kept as evidence is found to be changed when it is.
    let kept = played.folder.join("backup_manifest.json");
    let mut bytes = std::fs::read(&kept).unwrap();
    bytes.push(b' ');
    std::fs::write(&kept, bytes).unwrap();
    let verified = pair.stage.run(&["verify", &played.id()]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(text(&verified.stdout).contains("keep the backup's manifest"));
}

#[test]
fn rows_altered_behind_the_database_s_back_are_named_and_put_right() {
    let Some(pair) = Pair::up(&[]) else { return };
    let played = pair.play("silent-corruption");
    assert_eq!(played.code(), 0, "{}", played.said());
    let found = acts(&played, "the reconciliation names every row that was altered");
    let details = found["showing"]["details"].to_string();
    for key in
        ["`p7`", "`p70`", "`p700`", "missing on the right: `p1234`", "only on the right: `p0`"]
    {
        assert!(details.contains(key), "{key}: {details}");
    }
    let showed = played.entries.iter().filter(|it| matches!(it.fact, Fact::Showed { .. })).count();
    assert!(showed >= 5, "{showed}");
    let sum = "select count(*), sum(amount) from payments where id like 'p%'";
    assert_eq!(pair.sql("a", sum), "2000|2021010.00");
}

#[test]
fn a_migration_is_cut_over_and_rolled_back_and_no_commit_is_lost() {
    let Some(pair) = Pair::up(&[]) else { return };
    let played = pair.play("migration");
    assert_eq!(played.code(), 0, "{}", played.said());
    let (old, new) = (pair.records("a", &played.id()), pair.records("restored", &played.id()));
    assert!(played.acknowledged().iter().all(|it| old.contains(it)), "all is in the old system");
    let only_new: BTreeSet<_> = new.difference(&old).collect();
    assert!(only_new.is_empty(), "{only_new:?}");
    assert!(!new.is_empty() && new.len() < old.len(), "it was cut over, and rolled back");
    assert_eq!(pair.sql("a", "show default_transaction_read_only"), "off");
}

#[test]
fn a_postgresql_that_is_missing_is_refused_by_the_name_of_its_package() {
    let stage = Stage::empty();
    let up = stage.run(&["sandbox", "postgres", "up", "--tools", "/nonexistent"]);
    assert_eq!(up.status.code(), Some(3));
    assert!(text(&up.stderr).contains("apt-get install postgresql"), "{}", text(&up.stderr));
    assert!(!stage.state().join("postgres").exists(), "nothing was made");
}
