//! Keeps a disk busy, as a backup in the wrong hour would.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Nameless,
    journal::{census::Trace, entry::UndoClass},
    units::Size,
    world::{
        World,
        linux::held::{arg, stress},
    },
};

/// `workers` children write, sync and read back files of `size` in the folder `path`, as fast as
/// its disk allows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IoStress {
    path: String,
    #[serde(default = "one")]
    workers: Workers,
    #[serde(default = "size")]
    size: Size,
}

/// How many children.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
struct Workers(u16);

impl TryFrom<u16> for Workers {
    type Error = String;

    fn try_from(n: u16) -> Result<Self, String> {
        match n {
            1..=256 => Ok(Self(n)),
            _ => Err(format!("{n} workers cannot be had: write 1 to 256")),
        }
    }
}

fn one() -> Workers {
    Workers(1)
}

fn size() -> Size {
    Size::bytes(64 << 20)
}

impl Action for IoStress {
    const ABOUT: &'static About = &About {
        name: "io_stress",
        summary: "keeps a disk busy with children of ours that write, sync and read back",
        needs: &[],
        example: "path: /var/lib\nworkers: 2\nsize: 64MiB\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Nameless;

    async fn plan(&self, world: &World) -> Result<Plan<Nameless>, Refusal> {
        let (space, workers) = (world.host.space(&self.path)?, self.workers.0);
        if self.size.get().saturating_mul(u64::from(workers)) > space.free / 2 {
            return Err(Refusal::NotReady(format!(
                "{workers} files of {} are more than half of what is free in {}",
                self.size, self.path
            )));
        }
        let undo = Nameless::plan(&self.path, world)?;
        Ok(Plan {
            will: format!("keep {workers} files of {} in {} busy", self.size, self.path),
            by_hand: undo.by_hand(),
            undo,
        })
    }

    async fn apply(&self, filled: &Nameless, world: &World) -> Result<(), Failure> {
        let args = [self.path.clone(), filled.name.clone(), self.size.get().to_string()];
        for _ in 0..self.workers.0 {
            // One after the other: where a file needs a name for an instant, there is one name.
            filled.child.stand(Self::ABOUT.name, &args, world).await?;
        }
        Ok(())
    }

    async fn effect(filled: &Nameless, world: &World) -> Result<Effect, Failure> {
        filled.child.effect(world)
    }

    fn traces(filled: &Nameless) -> Option<Vec<Trace>> {
        Some(filled.traces())
    }

    async fn undo(filled: &Nameless, world: &World) -> Result<(), Failure> {
        filled.end(world).await
    }
}

/// What each child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    let (folder, name): (String, String) = (arg(args, 0)?, arg(args, 1)?);
    stress::churn((&folder, &name), arg(args, 2)?)
}
