//! Lets processes take so much more memory, and no more.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    group::{Groups, Version},
    held::ACTS,
    journal::{census::Trace, entry::UndoClass},
    target::{Targets, named},
    units::Size,
    world::World,
};

/// Each process that fits `target` may take `more` memory, beyond what it has: then the kernel
/// reclaims, and ends it when that does not help. It is seen to act when one of them reaches its
/// limit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemoryLimit {
    target: Targets,
    more: Size,
}

impl Action for MemoryLimit {
    const ABOUT: &'static About = &About {
        name: "memory_limit",
        summary: "lets processes take so much more memory, by control groups of ours",
        needs: &[Need::Groups],
        example: "target: { name: postgres, max_targets: 4 }\nmore: 64MiB\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Groups;

    async fn plan(&self, world: &World) -> Result<Plan<Groups>, Refusal> {
        let found = self.target.choose(world)?;
        let undo = Groups::plan("memory", &found, world)?;
        Ok(Plan {
            will: format!("let {} take {} more memory each", named(&found), self.more),
            by_hand: undo.by_hand(),
            undo,
        })
    }

    async fn apply(&self, groups: &Groups, world: &World) -> Result<(), Failure> {
        // What a process has stays with the group that it had it in (cgroups(7)): the limit is for
        // what it takes from now on.
        let file = match groups.version() {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        groups.confine(&[(file, self.more.get().to_string())], world)
    }

    async fn effect(groups: &Groups, world: &World) -> Result<Effect, Failure> {
        if !groups.are_in(world)? {
            return Ok(Effect::NotSeen("a target is not in its group".to_owned()));
        }
        let (limit, taken, hits, key) = match groups.version() {
            Version::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.failcnt", ""),
            Version::V2 => ("memory.max", "memory.current", "memory.events", "max "),
        };
        for _ in 0..ACTS.0 {
            let hits = groups.told(hits, key, world)?;
            if hits.iter().any(|it| *it > 0) {
                let at_it = hits.iter().filter(|it| **it > 0).count();
                return Ok(Effect::Seen(format!(
                    "{at_it} of {} reached the limit, {} times so far",
                    hits.len(),
                    hits.iter().sum::<u64>()
                )));
            }
            tokio::time::sleep(ACTS.1).await;
        }
        let (limit, taken) = (groups.told(limit, "", world)?, groups.told(taken, "", world)?);
        Ok(Effect::NotSeen(format!(
            "in {:?} no target reached its limit: of {limit:?} bytes, {taken:?} are taken",
            ACTS.1 * ACTS.0
        )))
    }

    fn traces(groups: &Groups) -> Option<Vec<Trace>> {
        Some(groups.traces())
    }

    async fn undo(groups: &Groups, world: &World) -> Result<(), Failure> {
        groups.release(world).await
    }
}
