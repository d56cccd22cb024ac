//! Fills a file system, as a log volume does when nobody looks.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Nameless,
    journal::{census::Trace, entry::UndoClass},
    units::{Amount, Size},
    world::{
        World,
        linux::held::{arg, disk},
    },
};

/// Takes `size` of the file system that the folder `path` lies on: so many bytes, or so much that a
/// share of it is in use. `reserve` stays free, whatever was asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskFill {
    path: String,
    size: Amount,
    #[serde(default = "reserve")]
    reserve: Size,
}

fn reserve() -> Size {
    Size::bytes(1 << 20)
}

impl Action for DiskFill {
    const ABOUT: &'static About = &About {
        name: "disk_fill",
        summary: "takes space on a file system, in a file without a name that is gone with our child",
        needs: &[],
        example: "path: /var/log\nsize: 95%\nreserve: 64MiB\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Nameless;

    async fn plan(&self, world: &World) -> Result<Plan<Nameless>, Refusal> {
        let space = world.host.space(&self.path)?;
        let wanted = match self.size {
            Amount::Bytes(it) => it.get(),
            Amount::Share(it) => {
                (space.total / 100).saturating_mul(u64::from(it.get())).saturating_sub(space.used)
            }
        };
        if wanted == 0 {
            let (path, size) = (&self.path, self.size);
            return Err(Refusal::NotReady(format!("{size} of {path} is in use already")));
        }
        if let Amount::Bytes(it) = self.size
            && wanted > space.free.saturating_sub(self.reserve.get())
        {
            return Err(Refusal::NotReady(format!(
                "{it} in {} would leave less than the reserve of {}: {} bytes are free",
                self.path, self.reserve, space.free
            )));
        }
        let undo = Nameless::plan(&self.path, world)?;
        Ok(Plan {
            will: format!("take {wanted} bytes of {}, and leave {}", self.path, self.reserve),
            by_hand: undo.by_hand(),
            undo,
        })
    }

    async fn apply(&self, filled: &Nameless, world: &World) -> Result<(), Failure> {
        let (size, reserve) = (self.size.to_string(), self.reserve.get().to_string());
        let args = [self.path.clone(), filled.name.clone(), size, reserve];
        filled.child.stand(Self::ABOUT.name, &args, world).await
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

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    let (folder, name): (String, String) = (arg(args, 0)?, arg(args, 1)?);
    disk::fill((&folder, &name), arg(args, 2)?, arg(args, 3)?)
}
