//! Makes a disk slow for some processes, and for nobody else.

use std::{ops::RangeInclusive, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    group::{Groups, Version},
    journal::{census::Trace, entry::UndoClass},
    target::{Targets, named},
    units::Size,
    world::World,
};

/// Each process that fits `target` may read and write `each_second` of the disk that `path` lies
/// on. With control groups of the first kind only reads and direct or synced writes are held back.
/// It is seen to act when one of them moves about as much as it may.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IoThrottle {
    target: Targets,
    path: String,
    each_second: Size,
}

/// The groups, the disk, and how many bytes a second.
#[derive(Serialize, Deserialize)]
pub(crate) struct Slowed {
    groups: Groups,
    disk: String,
    #[serde(default)]
    rate: u64,
}

/// How long what moves is measured: looks, and the time between two. The kernel hands out what may
/// move in slices of a tenth of a second.
const MEASURES: (u32, Duration) = (6, Duration::from_millis(500));
/// Who is held back moves nearly what may be moved, in percent: more is not kept to the limit, and
/// less is not held back by it. Large requests make it uneven.
const HELD_BACK: RangeInclusive<u64> = 60..=140;

impl Action for IoThrottle {
    const ABOUT: &'static About = &About {
        name: "io_throttle",
        summary: "makes a disk slow for some processes, by control groups of ours",
        needs: &[Need::Groups],
        example: "target: { name: postgres, max_targets: 4 }\npath: /var/lib\neach_second: 5MB\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Slowed;

    async fn plan(&self, world: &World) -> Result<Plan<Slowed>, Refusal> {
        let found = self.target.choose(world)?;
        let groups = match Groups::plan("io", &found, world) {
            Ok(it) => it,
            // In control groups of the first kind, this controller has another name.
            Err(Refusal::NotReady(second)) => {
                Groups::plan("blkio", &found, world).map_err(|first| match first {
                    Refusal::NotReady(why) => Refusal::NotReady(format!("{second}; {why}")),
                    other => other,
                })?
            }
            Err(why) => return Err(why),
        };
        let disk = disk_of(&self.path, world)?;
        Ok(Plan {
            will: format!(
                "let {} read and write {} a second of disk {disk} each",
                named(&found),
                self.each_second
            ),
            by_hand: groups.by_hand(),
            undo: Slowed { groups, disk, rate: self.each_second.get() },
        })
    }

    async fn apply(&self, slowed: &Slowed, world: &World) -> Result<(), Failure> {
        let Slowed { disk, rate, .. } = slowed;
        let knobs = match slowed.groups.version() {
            Version::V1 => vec![
                ("blkio.throttle.read_bps_device", format!("{disk} {rate}")),
                ("blkio.throttle.write_bps_device", format!("{disk} {rate}")),
            ],
            Version::V2 => vec![("io.max", format!("{disk} rbps={rate} wbps={rate}"))],
        };
        slowed.groups.confine(&knobs, world)
    }

    async fn effect(slowed: &Slowed, world: &World) -> Result<Effect, Failure> {
        if !slowed.groups.are_in(world)? {
            return Ok(Effect::NotSeen("a target is not in its group".to_owned()));
        }
        let (mut from, mut since) = (slowed.moved(world)?, Instant::now());
        let mut last = judge(&[], slowed.rate);
        for _ in 0..MEASURES.0 {
            tokio::time::sleep(MEASURES.1).await;
            let now = slowed.moved(world)?;
            last = judge(&rates(&from, &now, since.elapsed()), slowed.rate);
            if matches!(last, Effect::Seen(_)) {
                break;
            }
            (from, since) = (now, Instant::now());
        }
        Ok(last)
    }

    fn traces(slowed: &Slowed) -> Option<Vec<Trace>> {
        Some(slowed.groups.traces())
    }

    async fn undo(slowed: &Slowed, world: &World) -> Result<(), Failure> {
        slowed.groups.release(world).await
    }
}

impl Slowed {
    /// Bytes read and written so far, of each group.
    fn moved(&self, world: &World) -> Result<Vec<[u64; 2]>, Failure> {
        let (file, read, write) = match self.groups.version() {
            Version::V1 => ("blkio.throttle.io_service_bytes", "Read ", "Write "),
            Version::V2 => ("io.stat", "rbytes=", "wbytes="),
        };
        let texts = self.groups.read(file, world)?;
        Ok(texts.iter().map(|it| [read, write].map(|key| bytes_of(it, &self.disk, key))).collect())
    }
}

/// The number after `key` in the lines of a disk; none is 0.
fn bytes_of(text: &str, disk: &str, key: &str) -> u64 {
    let mut own = text.lines().filter_map(|it| it.strip_prefix(disk)?.strip_prefix(' '));
    let after = |line: &str| {
        let (_, rest) = line.split_once(key)?;
        rest.split(' ').next()?.parse().ok()
    };
    own.find_map(after).unwrap_or(0)
}

/// Bytes a second between two looks; the more of reading and writing, of each group.
fn rates(from: &[[u64; 2]], to: &[[u64; 2]], took: Duration) -> Vec<u64> {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    let rate = |from: u64, to: u64| to.saturating_sub(from).saturating_mul(1_000_000) / micros;
    let of = |(from, to): (&[u64; 2], &[u64; 2])| {
        from.iter().zip(to).map(|(from, to)| rate(*from, *to)).max().unwrap_or(0)
    };
    from.iter().zip(to).map(of).collect()
}

/// Whether somebody who moves so many bytes a second is held back by this limit.
fn judge(rates: &[u64], limit: u64) -> Effect {
    let percent = |it: &u64| it.saturating_mul(100) / limit.max(1);
    if let Some(it) = rates.iter().find(|it| percent(it) > *HELD_BACK.end()) {
        return Effect::NotSeen(format!("a target moves {it} bytes a second, not {limit} at most"));
    }
    let held_back = rates.iter().filter(|it| HELD_BACK.contains(&percent(it))).count();
    if held_back > 0 {
        return Effect::Seen(format!(
            "{held_back} of {} are held back: {rates:?} bytes a second moved, of {limit} allowed",
            rates.len()
        ));
    }
    Effect::NotSeen(format!(
        "no target is held back: {rates:?} bytes a second moved, of {limit} allowed"
    ))
}

/// The numbers of the disk that `path` lies on. Limits are for whole disks, so of a partition it is
/// the disk's.
fn disk_of(path: &str, world: &World) -> Result<String, Refusal> {
    let (major, minor) = world.host.space(path)?.device;
    if major == 0 {
        return Err(Refusal::NotReady(format!(
            "{path} lies on no disk (device {major}:{minor}), and only disks can be slowed"
        )));
    }
    let own = format!("/sys/dev/block/{major}:{minor}");
    if world.host.read(&format!("{own}/partition"))?.is_some() {
        let whole = world.host.read(&format!("{own}/../dev"))?.unwrap_or_default();
        return Ok(String::from_utf8_lossy(&whole).trim().to_owned());
    }
    Ok(format!("{major}:{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_from_both_kinds_of_groups() {
        let first = "7:0 Read 9\n254:0 Read 1000\n254:0 Write 20\n254:0 Sync 1000\nTotal 1029\n";
        assert_eq!(bytes_of(first, "254:0", "Read "), 1000);
        assert_eq!(bytes_of(first, "254:0", "Write "), 20);
        assert_eq!(bytes_of(first, "4:0", "Read "), 0);
        let second = "7:0 rbytes=9 wbytes=9\n254:0 rbytes=1000 wbytes=20 rios=3 wios=1\n";
        assert_eq!(bytes_of(second, "254:0", "rbytes="), 1000);
        assert_eq!(bytes_of(second, "254:0", "wbytes="), 20);
        assert_eq!(bytes_of("", "254:0", "rbytes="), 0);
    }

    #[test]
    fn only_who_moves_what_may_be_moved_is_held_back() {
        let half = Duration::from_millis(500);
        let seen = |moved: u64| judge(&rates(&[[7, 7]], &[[7, 7 + moved]], half), 1_000_000);
        let is_seen = |moved: u64| matches!(seen(moved), Effect::Seen(_));
        assert!(is_seen(500_000) && is_seen(450_000) && is_seen(550_000));
        assert!(!is_seen(0) && !is_seen(100_000), "who asks for little is not held back");
        let Effect::NotSeen(why) = seen(5_000_000) else { panic!("a limit that is not kept to") };
        assert!(why.contains("10000000 bytes a second, not 1000000 at most"), "{why}");
        // One who is idle does not hide another who is held back.
        let two = rates(&[[0, 0], [0, 0]], &[[0, 0], [500_000, 0]], half);
        assert!(matches!(judge(&two, 1_000_000), Effect::Seen(_)));
    }
}
