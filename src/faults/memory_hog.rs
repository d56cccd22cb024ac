//! Takes memory, as a leak or a greedy batch job would.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Held,
    journal::entry::UndoClass,
    units::{Amount, Size},
    world::{
        World,
        linux::held::{arg, memory},
    },
};

/// Takes `size` of memory: so many bytes, or so much that a share of all memory is in use.
/// `reserve` stays available to others, whatever was asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemoryHog {
    size: Amount,
    #[serde(default = "reserve")]
    reserve: Size,
}

fn reserve() -> Size {
    Size::bytes(256 << 20)
}

impl Action for MemoryHog {
    const ABOUT: &'static About = &About {
        name: "memory_hog",
        summary: "takes memory with a child of ours, which is the first to go when there is none left",
        needs: &[],
        example: "size: 80%\nreserve: 512MiB\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Held;

    async fn plan(&self, world: &World) -> Result<Plan<Held>, Refusal> {
        let text = world.host.read("/proc/meminfo")?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let of = |key| memory::meminfo(&text, key).unwrap_or(0);
        let (total, available) = (of("MemTotal:"), of("MemAvailable:"));
        if let Amount::Bytes(it) = self.size
            && it.get() > available.saturating_sub(self.reserve.get())
        {
            return Err(Refusal::NotReady(format!(
                "{it} of memory would leave less than the reserve of {}: {available} bytes are \
                 available",
                self.reserve
            )));
        }
        if let Amount::Share(it) = self.size
            && total / 100 * u64::from(it.get()) <= total.saturating_sub(available)
        {
            return Err(Refusal::NotReady(format!("{it:?} of memory is in use already")));
        }
        let undo = Held::of(world);
        let what = match self.size {
            Amount::Bytes(it) => format!("take {it} of memory"),
            Amount::Share(it) => format!("take memory until {}% of it is in use", it.get()),
        };
        Ok(Plan {
            will: format!("{what}, and leave {} to others", self.reserve),
            by_hand: vec![undo.by_hand()],
            undo,
        })
    }

    async fn apply(&self, child: &Held, world: &World) -> Result<(), Failure> {
        let args = [self.size.to_string(), self.reserve.get().to_string()];
        child.stand(Self::ABOUT.name, &args, world).await
    }

    async fn effect(child: &Held, world: &World) -> Result<Effect, Failure> {
        child.effect(world)
    }

    async fn undo(child: &Held, world: &World) -> Result<(), Failure> {
        child.end(world).await
    }
}

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    memory::hog(arg(args, 0)?, arg(args, 1)?)
}
