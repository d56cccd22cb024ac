//! Keeps processors busy, as a runaway job would.

use std::{convert::Infallible, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    journal::entry::UndoClass,
    units::Percent,
    world::{World, clock::Clock as _, host::Signal, linux::clock, thread},
};

/// Keeps `cores` processors busy, `percent` of the time each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CpuBurn {
    percent: Percent,
    cores: Cores,
}

/// How many processors.
#[derive(Debug, Clone, Copy, Deserialize)]
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

/// The mark that our children bear.
#[derive(Serialize, Deserialize)]
pub(crate) struct Burning {
    mark: String,
}

impl Action for CpuBurn {
    const ABOUT: &'static About = &About {
        name: "cpu_burn",
        summary: "keeps processors busy with children of ours, which die with us",
        needs: &[],
        example: "percent: 80\ncores: 2\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Burning;

    async fn plan(&self, world: &World) -> Result<Plan<Burning>, Refusal> {
        Ok(Plan {
            will: format!("keep {} cores {}% busy", self.cores.0, self.percent.get()),
            by_hand: vec![format!("pkill -KILL -f 'holdfast-hold.*--mark {}'", world.mark)],
            undo: Burning { mark: world.mark.clone() },
        })
    }

    async fn apply(&self, burning: &Burning, world: &World) -> Result<(), Failure> {
        for _ in 0..self.cores.0 {
            world.host.hold(Self::ABOUT.name, &burning.mark, &[self.percent.get().to_string()])?;
            // Hundreds of children take their time, and the lease must be renewed meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn effect(burning: &Burning, world: &World) -> Result<Effect, Failure> {
        let children = world.host.held(&burning.mark)?;
        if children.is_empty() {
            return Ok(Effect::NotSeen("no child of ours runs".to_owned()));
        }
        // Processor time is counted in ticks of 10 ms, so the least percentage needs its time.
        for _ in 0..200 {
            let mut busy = 0;
            for it in &children {
                busy += usize::from(world.host.cpu_us(it)?.is_some_and(|us| us > 0));
            }
            if busy == children.len() {
                return Ok(Effect::Seen(format!("{busy} children use processor time")));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Effect::NotSeen("our children get no processor time".to_owned()))
    }

    async fn undo(burning: &Burning, world: &World) -> Result<(), Failure> {
        for it in world.host.held(&burning.mark)? {
            world.host.signal(&it, Signal::Kill)?;
        }
        // Killed is not yet gone: going back is done when nothing of ours runs any more.
        for _ in 0..200 {
            if world.host.held(&burning.mark)?.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Failure::Wrong("our children do not die".to_owned()))
    }
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
