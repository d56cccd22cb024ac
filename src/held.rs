//! What children of ours hold: a part of a fault that ends with the process that does it.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    action::{Effect, Failure, Refusal, quoted},
    journal::census::Trace,
    world::{
        World,
        host::{HostError, Process, ProcessId, Signal, Told},
        linux::hold::Counts,
    },
};

/// How long a child may take until what it holds stands: looks, and the time between two. Filling a
/// disk takes its time; a child that has ended is heard of at once.
const STANDS: (u32, Duration) = (30_000, Duration::from_millis(2));
/// How long harm may take to be done: looks, and the time between two.
pub const ACTS: (u32, Duration) = (150, Duration::from_millis(20));
/// How long it may take to be gone when it was killed: looks, and the time between two.
const GOES: (u32, Duration) = (500, Duration::from_millis(2));

/// The children of an act, by the mark that they bear. All that going back needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Held {
    mark: String,
}

impl Held {
    /// Those that the act of this world will have.
    pub fn of(world: &World) -> Self {
        Self { mark: world.mark.clone() }
    }

    /// How a person ends them.
    pub fn by_hand(&self) -> String {
        format!("pkill -KILL -f 'holdfast-hold.*--mark {}'", self.mark)
    }

    /// Starts a child that does the held part of the fault `kind`.
    pub fn start(&self, kind: &str, args: &[String], world: &World) -> Result<ProcessId, Failure> {
        Ok(world.host.hold(kind, &self.mark, args)?)
    }

    /// Starts a child, and waits until what it holds stands.
    pub async fn stand(&self, kind: &str, args: &[String], world: &World) -> Result<(), Failure> {
        let child = self.start(kind, args, world)?;
        for _ in 0..STANDS.0 {
            match world.host.told(&child) {
                Told::Stands(_) => return Ok(()),
                Told::Failed(why) => return Err(Failure::Wrong(why)),
                Told::Nothing => tokio::time::sleep(STANDS.1).await,
            }
        }
        let limit = STANDS.1 * STANDS.0;
        Err(Failure::Wrong(format!("our child says nothing for {limit:?}")))
    }

    /// Those that live.
    pub fn living(&self, world: &World) -> Result<Vec<ProcessId>, Failure> {
        Ok(world.host.held(&self.mark)?)
    }

    /// What the first of them last said of what it holds.
    pub fn told(&self, world: &World) -> Result<Told, Failure> {
        Ok(self.living(world)?.first().map_or(Told::Nothing, |it| world.host.told(it)))
    }

    /// Whether harm was done, as children tell it that count (`world::linux::hold::count`): waits a
    /// while for some.
    pub async fn counted(&self, what: &str, world: &World) -> Result<Effect, Failure> {
        let mut counts = Counts::default();
        let living = self.living(world)?;
        let Some(child) = living.first() else {
            return Ok(Effect::NotSeen("no child of ours runs".to_owned()));
        };
        for _ in 0..ACTS.0 {
            counts = match world.host.told(child) {
                Told::Stands(said) => serde_json::from_str(&said).unwrap_or_default(),
                Told::Failed(why) => return Ok(Effect::NotSeen(why)),
                Told::Nothing => counts,
            };
            if counts.harmed > 0 {
                return Ok(Effect::Seen(format!(
                    "{} of the first {} {what}",
                    counts.harmed, counts.seen
                )));
            }
            tokio::time::sleep(ACTS.1).await;
        }
        Ok(Effect::NotSeen(format!("in {:?}, 0 of {} {what}", ACTS.1 * ACTS.0, counts.seen)))
    }

    /// Ends them. Going back is done when nothing of ours runs any more, and nothing is on its way
    /// out: what a process held it holds until the kernel is through with its end.
    pub async fn end(&self, world: &World) -> Result<(), Failure> {
        let mut known: BTreeSet<ProcessId> = self.living(world)?.into_iter().collect();
        for it in &known {
            world.host.signal(it, Signal::Kill)?;
        }
        let mut looks = 0;
        loop {
            let now = world.host.processes()?;
            known.retain(|it| now.iter().any(|now| now.id == *it));
            let ours = now.into_iter().filter(|it| it.mark() == Some(&self.mark) || leaves(it));
            known.extend(ours.map(|it| it.id));
            let Some(first) = known.first() else { return Ok(()) };
            if looks == GOES.0 {
                let why = format!("process {} of ours does not come to its end", first.pid);
                return Err(Failure::Wrong(why));
            }
            looks += 1;
            tokio::time::sleep(GOES.1).await;
        }
    }

    /// Whether every one of them says that what it holds stands.
    pub fn effect(&self, world: &World) -> Result<Effect, Failure> {
        let mut all = Vec::new();
        for it in self.living(world)? {
            match world.host.told(&it) {
                Told::Stands(how) => all.push(how),
                Told::Failed(why) => return Ok(Effect::NotSeen(why)),
                Told::Nothing => {
                    return Ok(Effect::NotSeen("a child of ours holds nothing".to_owned()));
                }
            }
        }
        Ok(if all.is_empty() {
            Effect::NotSeen("no child of ours runs".to_owned())
        } else {
            Effect::Seen(all.join("; "))
        })
    }
}

/// It is this program, and on its way out. The first thing that goes is the command line, and with
/// it the mark: nobody can tell any more whose child it was, or what it still holds.
fn leaves(it: &Process) -> bool {
    it.name == env!("CARGO_PKG_NAME") && it.args.is_empty()
}

/// Children that hold files without a name in a folder. Where the file system knows no such files,
/// each has a name for an instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nameless {
    /// The children.
    pub child: Held,
    /// The name for an instant.
    pub name: String,
}

impl Nameless {
    /// Those that the act of this world will have; refuses where no file can be made.
    pub fn plan(folder: &str, world: &World) -> Result<Self, Refusal> {
        if !world.host.may_write(folder) {
            let why = "this user may not write there; name a folder of this user's, or run as root";
            return Err(HostError::os(format!("make a file in {folder}"), why).into());
        }
        Ok(Self { child: Held::of(world), name: beside(folder, "held", world) })
    }

    /// How a person ends them.
    pub fn by_hand(&self) -> Vec<String> {
        vec![self.child.by_hand(), format!("rm -f {}", quoted(&self.name))]
    }

    /// What of them could be left.
    pub fn traces(&self) -> Vec<Trace> {
        let folder = self.name.rsplit_once('/').map_or("", |it| it.0);
        vec![Trace::Folder(if folder.is_empty() { "/" } else { folder }.to_owned())]
    }

    /// Ends them.
    pub async fn end(&self, world: &World) -> Result<(), Failure> {
        self.child.end(world).await?;
        Ok(world.host.remove(&self.name)?)
    }
}

/// The path of a file in `folder` that bears our mark.
pub fn beside(folder: &str, what: &str, world: &World) -> String {
    format!("{}/.holdfast-{}.{what}", folder.trim_end_matches('/'), world.mark.replace('/', "-"))
}
