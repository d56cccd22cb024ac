//! Keeps processors busy, as a runaway job would.

use std::{convert::Infallible, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Held,
    journal::entry::UndoClass,
    units::Percent,
    world::{
        World,
        clock::Clock as _,
        host::{ProcessId, Told},
        linux::{clock, hold},
        thread,
    },
};

/// Looks at children that should be busy, and the time between two: where the kernel counts in
/// ticks of 10 ms only, the least percentage needs its time.
const LOOKS: (u32, Duration) = (500, Duration::from_millis(4));
/// So much processor time is work, and more than it takes to say that it begins.
const WORKED_US: u64 = 100;

/// Keeps `cores` processors busy, `percent` of the time each.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CpuBurn {
    percent: Percent,
    cores: Cores,
}

/// How many processors.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
struct Cores(u16);

impl TryFrom<u16> for Cores {
    type Error = String;

    fn try_from(n: u16) -> Result<Self, String> {
        match n {
            0 => Err("no core at all does nothing: write at least 1".to_owned()),
            1..=1024 => Ok(Self(n)),
            _ => Err(format!("{n} cores are more than any machine has: at most 1024")),
        }
    }
}

impl Action for CpuBurn {
    const ABOUT: &'static About = &About {
        name: "cpu_burn",
        summary: "keeps processors busy with children of ours, which die with us",
        needs: &[],
        example: "percent: 80\ncores: 2\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Held;

    async fn plan(&self, world: &World) -> Result<Plan<Held>, Refusal> {
        let undo = Held::of(world);
        Ok(Plan {
            will: format!("keep {} cores {}% busy", self.cores.0, self.percent.get()),
            by_hand: vec![undo.by_hand()],
            undo,
        })
    }

    async fn apply(&self, children: &Held, world: &World) -> Result<(), Failure> {
        for _ in 0..self.cores.0 {
            children.start(Self::ABOUT.name, &[self.percent.get().to_string()], world)?;
            // Hundreds of children take their time, and the lease must be renewed meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn effect(children: &Held, world: &World) -> Result<Effect, Failure> {
        let all = children.living(world)?;
        if all.is_empty() {
            return Ok(Effect::NotSeen("no child of ours runs".to_owned()));
        }
        let mut idle = all.clone();
        for _ in 0..LOOKS.0 {
            let mut still = Vec::new();
            for it in idle {
                if !works(&it, world)? {
                    still.push(it);
                }
            }
            if still.is_empty() {
                return Ok(Effect::Seen(format!("{} children use processor time", all.len())));
            }
            idle = still;
            tokio::time::sleep(LOOKS.1).await;
        }
        Ok(Effect::NotSeen("our children get no processor time".to_owned()))
    }

    async fn undo(children: &Held, world: &World) -> Result<(), Failure> {
        children.end(world).await
    }
}

/// Whether a child has used more processor time than it had when it began to work, seen from
/// outside.
fn works(child: &ProcessId, world: &World) -> Result<bool, Failure> {
    let Told::Stands(begun_us) = world.host.told(child) else { return Ok(false) };
    let begun_us: u64 = begun_us.parse().unwrap_or(0);
    Ok(world.host.cpu_us(child)?.is_some_and(|us| us > begun_us.saturating_add(WORKED_US)))
}

/// What each child does: a closed loop over periods of 20 ms. It works until its own processor time
/// is the wanted share of the time that has passed, then rests.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    const PERIOD_US: u64 = 20_000;
    // When others are in the way, time that was missed is made up for, but not without end.
    const BACKLOG_US: u64 = 100_000;
    let percent: u64 =
        args.first().and_then(|it| it.parse().ok()).ok_or("no percentage was given")?;
    let (mut from, mut used) = (clock::LinuxClock.now_us(), clock::thread_cpu_us());
    hold::tell(&Told::Stands(used.to_string()));
    loop {
        let due = (clock::LinuxClock.now_us() - from) * percent / 100;
        let done = clock::thread_cpu_us() - used;
        if due.saturating_sub(done) > BACKLOG_US {
            (from, used) = (clock::LinuxClock.now_us(), clock::thread_cpu_us());
        } else if done < due + PERIOD_US * percent / 100 {
            std::hint::black_box((0..2_000_u64).fold(due, |sum, it| sum.rotate_left(5) ^ it));
        } else {
            thread::nap(Duration::from_micros(PERIOD_US * (100 - percent.min(100)) / 100));
        }
    }
}
