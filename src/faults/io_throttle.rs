//! Makes a disk slow for some processes, and for nobody else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IoThrottle {
    target: Targets,
    path: String,
    each_second: Size,
}

/// The groups, and the disk.
#[derive(Serialize, Deserialize)]
pub(crate) struct Slowed {
    groups: Groups,
    disk: String,
}

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
            undo: Slowed { groups, disk },
        })
    }

    async fn apply(&self, slowed: &Slowed, world: &World) -> Result<(), Failure> {
        let (disk, rate) = (&slowed.disk, self.each_second.get());
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
        Ok(if slowed.groups.are_in(world)? {
            Effect::Seen(format!("the targets are in groups with a limit for {}", slowed.disk))
        } else {
            Effect::NotSeen("a target is not in its group".to_owned())
        })
    }

    fn traces(slowed: &Slowed) -> Option<Vec<Trace>> {
        Some(slowed.groups.traces())
    }

    async fn undo(slowed: &Slowed, world: &World) -> Result<(), Failure> {
        slowed.groups.release(world).await
    }
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
