//! Brings data back from a backup, and says how old and how complete it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::{
        entry::UndoClass,
        showing::{RecoveryPoint, Showing},
    },
    probe::{Blind, needed},
    target::postgres::{Address, Login},
    units::Span,
    world::{World, dial::Sheet},
};

/// Runs a command that restores, and then learns up to which transaction the data reaches: from
/// the restored PostgreSQL server, or from a line `recovery_point: 2026-11-22T10:00:00Z` that the
/// command prints. How old that was when the disaster struck is reckoned from the journal.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restore {
    #[schemars(length(min = 1))]
    run: Vec<String>,
    recovery_point: Point,
    /// How old the recovery point may be when the disaster strikes.
    #[serde(default)]
    age_at_most: Option<Span>,
    #[serde(default = "ten_minutes")]
    timeout: Span,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Point {
    /// The restored server tells.
    Postgres(Postgres),
    /// The command prints it.
    Printed {},
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Postgres {
    url: Address,
    #[serde(default)]
    password_file: Option<String>,
    #[serde(default)]
    ca: Option<String>,
    /// The base backup's `backup_manifest`: WAL is counted from where it begins.
    #[serde(default)]
    manifest: Option<String>,
}

fn ten_minutes() -> Span {
    Span::millis(600_000)
}

const LOOK: Span = Span::millis(10_000);

/// What was restored stands beside what was there: there is nothing to put back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Restored {}

const POINT: &str = "select (extract(epoch from pg_last_xact_replay_timestamp()) * 1000000)::bigint, \
                     pg_is_in_recovery(), \
                     coalesce(pg_last_wal_replay_lsn(), pg_current_wal_lsn())::text, \
                     pg_wal_lsn_diff(coalesce(pg_last_wal_replay_lsn(), pg_current_wal_lsn()), ";

impl Action for Restore {
    const ABOUT: &'static About = &About {
        name: "restore",
        summary: "restores from a backup by a command, and tells the age of the recovery point",
        needs: &[],
        example: "run: [/usr/local/bin/restore-ledger, --to, latest]\nrecovery_point:\n  \
                  postgres:\n    url: postgres://keeper@127.0.0.1:5434/ledger\n    \
                  password_file: /etc/holdfast/keeper.password\nage_at_most: 5m\n",
    };
    const CLASS: UndoClass = UndoClass::OneShot;
    type Undo = Restored;

    async fn plan(&self, _: &World) -> Result<Plan<Restored>, Refusal> {
        if self.run.is_empty() {
            return Err(Refusal::NotReady("`run` names no program".to_owned()));
        }
        let will = format!("restore by `{}`", self.run.join(" "));
        Ok(Plan { undo: Restored {}, will, by_hand: vec![] })
    }

    async fn apply(&self, undo: &Restored, world: &World) -> Result<(), Failure> {
        self.perform(undo, world).await.map(drop)
    }

    async fn perform(&self, _: &Restored, world: &World) -> Result<Option<Showing>, Failure> {
        let from = world.clock.now_us();
        let done = world.host.command(self.run.clone(), self.timeout.duration()).await?;
        let took = world.clock.now_us().saturating_sub(from) / 1_000;
        if done.code != Some(0) {
            let (run, said) = (self.run.join(" "), done.said.trim());
            return Err(Failure::Wrong(format!("`{run}` did not end well, and said: {said}")));
        }
        let told = match &self.recovery_point {
            Point::Printed {} => printed(&done.output),
            Point::Postgres(it) => it.told(world).await,
        };
        let age_max_us = self.age_at_most.map(Span::micros);
        let showing = match told {
            Ok((wall_us, mut showing)) => {
                showing.recovery_point = Some(RecoveryPoint { wall_us, age_max_us });
                showing
            }
            Err(why) => Showing::of(crate::verdict::Verdict::Inconclusive, why.to_string()),
        };
        Ok(Some(showing.figure("restoring took, in ms", took)))
    }

    async fn effect(_: &Restored, _: &World) -> Result<Effect, Failure> {
        Ok(Effect::Seen("the command said that it was done".to_owned()))
    }

    async fn undo(_: &Restored, _: &World) -> Result<(), Failure> {
        Ok(())
    }
}

/// The last line that names a recovery point.
fn printed(output: &str) -> Result<(i64, Showing), Blind> {
    let mut lines = output.lines().rev();
    let text = lines.find_map(|it| it.trim().strip_prefix("recovery_point:"));
    let text = text.map(str::trim).ok_or_else(|| {
        let why = "the command printed no line `recovery_point: 2026-11-22T10:00:00Z`";
        Blind(why.to_owned())
    })?;
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|why| Blind(format!("the recovery point `{text}` is no instant: {why}")))?;
    Ok((at.as_microsecond(), Showing::good(format!("restored to {text}, by its own account"))))
}

impl Postgres {
    async fn told(&self, world: &World) -> Result<(i64, Showing), Blind> {
        let begins = match &self.manifest {
            None => None,
            Some(path) => Some(begins(&needed(path, world)?, path)?),
        };
        let statement = match &begins {
            Some(at) => format!("{POINT}'{at}'::pg_lsn)::bigint"),
            None => format!("{POINT}'0/0'::pg_lsn)::bigint"),
        };
        let (password_file, ca) = (self.password_file.as_deref(), self.ca.as_deref());
        let login = Login { url: &self.url, password_file, ca };
        let sheet = login.look(&statement, (1, LOOK), world).await?;
        told(&sheet, begins.as_deref())
    }
}

/// Reads the server's answer: the last transaction, whether it still recovers, and the WAL.
fn told(sheet: &Sheet, begins: Option<&str>) -> Result<(i64, Showing), Blind> {
    let row = sheet.rows.first().map(Vec::as_slice).unwrap_or_default();
    let [at, recovering, lsn, bytes] = row else {
        return Err(Blind("the server did not tell how far it replayed".to_owned()));
    };
    let at = at.as_deref().and_then(|it| it.parse::<i64>().ok()).ok_or_else(|| {
        let why = "the server replayed no transaction since its base backup, so there is no \
                   instant to tell";
        Blind(why.to_owned())
    })?;
    let is_open = recovering.as_deref() == Some("f");
    let how = if is_open { "open for writes" } else { "read-only, still in recovery" };
    let showing = Showing::good(format!("restored by replaying WAL, and {how}"))
        .figure("replayed up to", lsn.as_deref().unwrap_or("unknown"));
    let showing = match (begins, bytes) {
        (Some(begins), Some(bytes)) => {
            showing.figure("base backup begins at", begins).figure("WAL replayed, in bytes", bytes)
        }
        (None, _) | (_, None) => showing,
    };
    Ok((at, showing))
}

/// Where the WAL begins that a base backup needs.
fn begins(manifest: &[u8], path: &str) -> Result<String, Blind> {
    let blind = |why: &str| Blind(format!("{path} is no manifest of a backup: {why}"));
    let json: Value = serde_json::from_slice(manifest).map_err(|why| blind(&why.to_string()))?;
    let at = json.pointer("/WAL-Ranges/0/Start-LSN").and_then(Value::as_str);
    let at = at.ok_or_else(|| blind("it names no WAL"))?;
    let plain = |it: char| it.is_ascii_hexdigit() || it == '/';
    if at.chars().all(plain) { Ok(at.to_owned()) } else { Err(blind("its WAL is misnamed")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_the_user_s_own_prints_its_recovery_point() {
        let (at, _) = printed("restoring\nrecovery_point: 2026-11-22T10:00:00.5Z\ndone\n").unwrap();
        assert_eq!(at, 1_795_341_600_500_000);
        assert!(printed("restored").is_err());
        assert!(printed("recovery_point: yesterday").is_err());
    }

    #[test]
    fn a_manifest_tells_where_its_wal_begins() {
        let text = br#"{"WAL-Ranges": [{"Timeline": 1, "Start-LSN": "0/2000028"}]}"#;
        assert_eq!(begins(text, "m").unwrap(), "0/2000028");
        assert!(begins(b"{}", "m").is_err());
        assert!(begins(br#"{"WAL-Ranges": [{"Start-LSN": "0'); drop"}]}"#, "m").is_err());
    }
}
