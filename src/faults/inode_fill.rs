//! Takes the inodes of a file system: space is left, and yet no file can be made.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Nameless,
    journal::{census::Trace, entry::UndoClass},
    units::Percent,
    world::{
        World,
        linux::held::{arg, inodes},
    },
};

/// Takes inodes of the file system that the folder `path` lies on: `count` of them, or until
/// `percent` are in use. `reserve` of them stay free.
#[derive(Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct InodeFill {
    path: String,
    until: Until,
    reserve: u32,
}

/// How many are taken.
enum Until {
    Count(u32),
    Used(Percent),
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    path: String,
    #[serde(default)]
    percent: Option<Percent>,
    #[serde(default)]
    count: Option<u32>,
    #[serde(default)]
    reserve: u32,
}

impl JsonSchema for InodeFill {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InodeFill".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}

impl TryFrom<Written> for InodeFill {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { path, percent, count, reserve } = written;
        let until = match (percent, count) {
            (Some(it), None) => Until::Used(it),
            (None, Some(it)) => Until::Count(it),
            (None, None) | (Some(_), Some(_)) => {
                return Err("write one of `percent` and `count`: how many are taken".to_owned());
            }
        };
        Ok(Self { path, until, reserve })
    }
}

/// More children than this are not started.
const CHILDREN_MAX: u64 = 64;

impl InodeFill {
    /// How many are to be taken.
    fn wanted(&self, world: &World) -> Result<u64, Refusal> {
        let space = world.host.space(&self.path)?;
        if space.inodes == 0 {
            let path = &self.path;
            return Err(Refusal::NotReady(format!("the file system of {path} counts no inodes")));
        }
        let used = space.inodes.saturating_sub(space.inodes_free);
        let wanted = match self.until {
            Until::Count(it) => u64::from(it),
            Until::Used(it) => {
                let until = u128::from(space.inodes) * u128::from(it.get()) / 100;
                u64::try_from(until).unwrap_or(u64::MAX).saturating_sub(used)
            }
        };
        Ok(wanted.min(space.inodes_free.saturating_sub(u64::from(self.reserve))))
    }
}

impl Action for InodeFill {
    const ABOUT: &'static About = &About {
        name: "inode_fill",
        summary: "takes inodes of a file system, with files without names that are gone with our children",
        needs: &[],
        example: "path: /var/spool\npercent: 51\nreserve: 10\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Nameless;

    async fn plan(&self, world: &World) -> Result<Plan<Nameless>, Refusal> {
        let wanted = self.wanted(world)?;
        if wanted == 0 {
            let path = &self.path;
            return Err(Refusal::NotReady(format!("so many inodes of {path} are in use already")));
        }
        if wanted.div_ceil(inodes::each_max()) > CHILDREN_MAX {
            return Err(Refusal::NotReady(format!(
                "{wanted} inodes are more than {CHILDREN_MAX} children may hold with {} \
                 descriptors each: raise `ulimit -Hn`, or name a smaller file system",
                inodes::each_max()
            )));
        }
        let undo = Nameless::plan(&self.path, world)?;
        Ok(Plan {
            will: format!("take {wanted} inodes of {}, and leave {}", self.path, self.reserve),
            by_hand: undo.by_hand(),
            undo,
        })
    }

    async fn apply(&self, filled: &Nameless, world: &World) -> Result<(), Failure> {
        let mut left = match self.wanted(world) {
            Ok(it) => it,
            Err(Refusal::Host(why)) => return Err(why.into()),
            Err(why) => return Err(Failure::Wrong(why.to_string())),
        };
        while left > 0 {
            let some = left.min(inodes::each_max());
            let (count, reserve) = (some.to_string(), self.reserve.to_string());
            let args = [self.path.clone(), filled.name.clone(), count, reserve];
            filled.child.stand(Self::ABOUT.name, &args, world).await?;
            left -= some;
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
    inodes::fill((&folder, &name), arg(args, 2)?, arg(args, 3)?)
}
