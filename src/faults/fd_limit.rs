//! Lets processes run out of descriptors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::{census::Trace, entry::UndoClass},
    target::{Targets, named},
    world::{World, host::ProcessId, linux::proc::soft_limit},
};

/// Each process that fits `target` may open descriptors below `limit` only. Those that are open
/// stay open.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FdLimit {
    target: Targets,
    limit: u32,
}

/// What each had, and what we made of it. The hard limit is nobody's to change: without
/// `CAP_SYS_RESOURCE` it could not be put back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Limited {
    limit: u64,
    had: Vec<(ProcessId, u64)>,
}

impl Action for FdLimit {
    const ABOUT: &'static About = &About {
        name: "fd_limit",
        summary: "lowers the number of descriptors that running processes may open",
        needs: &[Need::Limits],
        example: "target: { name: postgres, max_targets: 4 }\nlimit: 32\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Limited;

    async fn plan(&self, world: &World) -> Result<Plan<Limited>, Refusal> {
        let found = self.target.choose(world)?;
        let mut had = Vec::new();
        for it in &found {
            let pid = it.id.pid;
            let Some(soft) = may_open(&it.id, world)? else {
                return Err(Refusal::NotReady(format!("the limits of process {pid} are not told")));
            };
            if soft <= u64::from(self.limit) {
                return Err(Refusal::NotReady(format!(
                    "process {pid} may open {soft} descriptors: a limit of {} takes nothing away",
                    self.limit
                )));
            }
            // Changing limits takes the right that tracing takes (prlimit(2)).
            world
                .host
                .may_trace(&it.id)
                .map_err(|why| Refusal::NotReady(format!("{why}: {}", Need::Limits.remedy())))?;
            had.push((it.id.clone(), soft));
        }
        Ok(Plan {
            will: format!("let {} open {} descriptors each", named(&found), self.limit),
            by_hand: had
                .iter()
                .map(|(who, soft)| format!("prlimit --pid {} --nofile={soft}:", who.pid))
                .collect(),
            undo: Limited { limit: u64::from(self.limit), had },
        })
    }

    async fn apply(&self, limited: &Limited, world: &World) -> Result<(), Failure> {
        for (who, _) in &limited.had {
            world.host.limit_files(who, limited.limit)?;
        }
        Ok(())
    }

    async fn effect(limited: &Limited, world: &World) -> Result<Effect, Failure> {
        for (who, _) in &limited.had {
            if may_open(who, world)? != Some(limited.limit) {
                return Ok(Effect::NotSeen(format!("{} has another limit", who.pid)));
            }
        }
        Ok(Effect::Seen(format!("{} have a limit of {}", limited.had.len(), limited.limit)))
    }

    fn traces(limited: &Limited) -> Option<Vec<Trace>> {
        let one = |who: &ProcessId| Trace::Descriptors { who: who.clone(), ours: limited.limit };
        Some(limited.had.iter().map(|it| one(&it.0)).collect())
    }

    async fn undo(limited: &Limited, world: &World) -> Result<(), Failure> {
        for (who, soft) in &limited.had {
            // A limit that somebody set after us is not ours to take back.
            if may_open(who, world)? == Some(limited.limit) {
                world.host.limit_files(who, *soft)?;
            }
        }
        Ok(())
    }
}

/// How many descriptors a process may open; none if it is gone.
fn may_open(who: &ProcessId, world: &World) -> Result<Option<u64>, crate::world::host::HostError> {
    if world.host.process(who)?.is_none() {
        return Ok(None);
    }
    let text = world.host.read(&format!("/proc/{}/limits", who.pid))?.unwrap_or_default();
    Ok(soft_limit(&String::from_utf8_lossy(&text)))
}
