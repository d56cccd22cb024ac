//! Gives processes less processor time, as a noisy neighbour or a wrong quota would.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    group::{Groups, Version},
    held::Held,
    journal::{census::Trace, entry::UndoClass},
    target::{Targets, named},
    units::Percent,
    world::{
        World,
        host::ProcessId,
        linux::held::{arg, still},
    },
};

/// Leaves each process that fits `target` `percent` of one processor.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CpuThrottle {
    target: Targets,
    percent: Percent,
}

/// How they are held back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Throttled {
    /// By a quota of the kernel's.
    Group(Groups),
    /// By a child of ours that lets them run and stand still by turns.
    Turns {
        child: Held,
        targets: Vec<String>,
        #[serde(default)]
        who: Vec<ProcessId>,
    },
}

/// The length of the kernel's accounting period, in microseconds.
const PERIOD_US: u64 = 100_000;

impl Action for CpuThrottle {
    const ABOUT: &'static About = &About {
        name: "cpu_throttle",
        summary: "leaves processes a share of a processor: by a control group's quota, or by turns",
        needs: &[Need::Groups],
        example: "target: { name: postgres, max_targets: 4 }\npercent: 20\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Throttled;

    async fn plan(&self, world: &World) -> Result<Plan<Throttled>, Refusal> {
        let found = self.target.choose(world)?;
        let what = format!("leave {} {}% of a processor each", named(&found), self.percent.get());
        let no_groups = match Groups::plan("cpu", &found, world) {
            Ok(groups) => {
                return Ok(Plan {
                    will: format!("{what}, by a quota of the kernel's"),
                    by_hand: groups.by_hand(),
                    undo: Throttled::Group(groups),
                });
            }
            Err(Refusal::NotReady(why)) => why,
            Err(why) => return Err(why),
        };
        for it in &found {
            world.host.may_trace(&it.id).map_err(|why| {
                let need = Need::Trace.remedy();
                Refusal::NotReady(format!("{no_groups}; and {why}: {need}"))
            })?;
        }
        let child = Held::of(world);
        let targets = still::words(found.iter().map(|it| &it.id));
        Ok(Plan {
            will: format!(
                "{what}: by holding them still for {}% of the time, because {no_groups}",
                100 - self.percent.get()
            ),
            by_hand: vec![child.by_hand()],
            undo: Throttled::Turns {
                child,
                targets,
                who: found.into_iter().map(|it| it.id).collect(),
            },
        })
    }

    async fn apply(&self, undo: &Throttled, world: &World) -> Result<(), Failure> {
        match undo {
            Throttled::Group(groups) => {
                let quota_us = PERIOD_US * u64::from(self.percent.get()) / 100;
                let knobs = match groups.version() {
                    Version::V1 => vec![
                        ("cpu.cfs_period_us", PERIOD_US.to_string()),
                        ("cpu.cfs_quota_us", quota_us.to_string()),
                    ],
                    Version::V2 => vec![("cpu.max", format!("{quota_us} {PERIOD_US}"))],
                };
                groups.confine(&knobs, world)
            }
            Throttled::Turns { child, targets, .. } => {
                let percent = [self.percent.get().to_string()];
                let args: Vec<String> = percent.into_iter().chain(targets.clone()).collect();
                child.stand(Self::ABOUT.name, &args, world).await
            }
        }
    }

    async fn effect(undo: &Throttled, world: &World) -> Result<Effect, Failure> {
        match undo {
            Throttled::Group(groups) if !groups.are_in(world)? => {
                Ok(Effect::NotSeen("a target is not in its group".to_owned()))
            }
            Throttled::Group(groups) => {
                // Only a group that has the controller counts how often it held somebody back.
                let times = groups.told("cpu.stat", "nr_throttled ", world)?;
                if times.len() < groups.count() {
                    return Ok(Effect::NotSeen("a group has no quota".to_owned()));
                }
                let held_back: u64 = times.iter().sum();
                Ok(Effect::Seen(format!(
                    "the quota stands; so far it held them back {held_back} times"
                )))
            }
            Throttled::Turns { child, .. } => child.effect(world),
        }
    }

    fn traces(undo: &Throttled) -> Option<Vec<Trace>> {
        Some(match undo {
            Throttled::Group(groups) => groups.traces(),
            Throttled::Turns { who, .. } => who.iter().cloned().map(Trace::Stopped).collect(),
        })
    }

    async fn undo(undo: &Throttled, world: &World) -> Result<(), Failure> {
        match undo {
            Throttled::Group(groups) => groups.release(world).await,
            Throttled::Turns { child, .. } => child.end(world).await,
        }
    }
}

/// What the child does where there is no quota.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    still::throttle(&still::targets(args.get(1..).unwrap_or(&[]))?, arg(args, 0)?)
}
