//! Takes a file away, empties it, locks it up or puts something else in its place.
//!
//! The file itself is never written to. It is moved aside, or changes places with a file of ours in
//! one instant, so that it comes back with everything it had: content, owner, permissions, times
//! and links. A process that has it open keeps what it has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal, quoted},
    held::beside,
    journal::{
        census::{Made, Trace},
        chain,
        entry::UndoClass,
    },
    units::HOLE,
    world::{World, fabric::Facts},
};

/// What becomes of the file `path`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileFault {
    path: String,
    fault: Harm,
    /// What is there instead, for `content`.
    #[serde(default)]
    content: Option<String>,
    /// The permissions that it has, for `permission`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    mode: Mode,
}

/// The kinds of harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Harm {
    /// It is not there.
    Remove,
    /// It is empty.
    Truncate,
    /// It holds something else.
    Content,
    /// It has other permissions.
    Permission,
}

/// Permissions as `chmod` takes them: `"0000"`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
struct Mode(u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(it @ 0..=0o7777) => Ok(Self(it)),
            Ok(_) | Err(_) if text != HOLE => {
                Err(format!("`{text}` are no permissions: write octal digits, as in `\"0400\"`"))
            }
            Ok(_) | Err(_) => Ok(Self(0)),
        }
    }
}

/// The file as it was, and what stands in for it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Harmed {
    path: String,
    was: Facts,
    /// Where it lies meanwhile, or where its stand-in is made.
    aside: String,
    how: How,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Gone,
    Instead(String),
    Mode(u32),
}

impl Action for FileFault {
    const ABOUT: &'static About = &About {
        name: "file_fault",
        summary: "removes a file, empties it, changes its content or its permissions; it comes back whole",
        needs: &[],
        example: "path: /etc/ledger/limits.conf\nfault: content\ncontent: 'limit = none'\n",
    };
    const CLASS: UndoClass = UndoClass::Guardian;
    type Undo = Harmed;

    async fn plan(&self, world: &World) -> Result<Plan<Harmed>, Refusal> {
        let path = self.path.clone();
        let no = |why: String| Err(Refusal::NotReady(why));
        let Some(was) = world.host.facts(&path)? else {
            return no(format!("there is no file {path}"));
        };
        if !was.plain {
            return no(format!("{path} is no ordinary file"));
        }
        let folder = path.rsplit_once('/').map_or(".", |it| it.0);
        let folder = if folder.is_empty() { "/" } else { folder };
        if self.fault != Harm::Permission && !world.host.may_write(folder) {
            return no(format!("{folder} may not be written: run as its owner or as root"));
        }
        let (how, will) = match (self.fault, &self.content) {
            (Harm::Remove, None) => (How::Gone, format!("take {path} away")),
            (Harm::Truncate, None) => (How::Instead(String::new()), format!("empty {path}")),
            (Harm::Content, Some(it)) => {
                (How::Instead(it.clone()), format!("put {} bytes in place of {path}", it.len()))
            }
            (Harm::Permission, None) if was.mode != self.mode.0 => {
                (How::Mode(self.mode.0), format!("set {path} to {:04o}", self.mode.0))
            }
            (Harm::Permission, None) => return no(format!("{path} has this mode already")),
            (Harm::Content, None) => return no("`content` says what is there instead".to_owned()),
            (_, Some(_)) => return no("`content` belongs to `fault: content`".to_owned()),
        };
        let aside = beside(folder, "kept", world);
        let by_hand = match &how {
            How::Gone | How::Instead(_) => format!("mv {} {}", quoted(&aside), quoted(&path)),
            How::Mode(_) => format!("chmod {:04o} {}", was.mode, quoted(&path)),
        };
        Ok(Plan { will, by_hand: vec![by_hand], undo: Harmed { path, was, aside, how } })
    }

    async fn apply(&self, it: &Harmed, world: &World) -> Result<(), Failure> {
        let now = world.host.facts(&it.path)?;
        if now.is_none_or(|now| now.stamp != it.was.stamp) {
            return Err(Failure::Wrong(format!("{} was changed meanwhile", it.path)));
        }
        match &it.how {
            How::Gone => world.host.shift(&it.path, &it.aside)?,
            How::Instead(text) => {
                world.host.make_like(&it.aside, &it.path, text.as_bytes())?;
                world.host.exchange(&it.path, &it.aside)?;
            }
            How::Mode(mode) => world.host.set_mode(&it.path, *mode)?,
        }
        Ok(())
    }

    async fn effect(it: &Harmed, world: &World) -> Result<Effect, Failure> {
        let now = world.host.facts(&it.path)?;
        Ok(match (&it.how, now) {
            (How::Gone, None) => Effect::Seen(format!("{} is not there", it.path)),
            (How::Instead(_), Some(now)) if it.is_ours(world)? => {
                Effect::Seen(format!("{} holds {} bytes of ours", it.path, now.size))
            }
            (How::Mode(mode), Some(now)) if now.mode == *mode => {
                Effect::Seen(format!("{} has the permissions {mode:04o}", it.path))
            }
            (_, _) => Effect::NotSeen(format!("{} is not as we made it", it.path)),
        })
    }

    fn traces(it: &Harmed) -> Option<Vec<Trace>> {
        let ours = match &it.how {
            How::Gone => Made::Absent,
            How::Instead(text) => Made::Content(chain::hash(text.as_bytes())),
            How::Mode(mode) => Made::Mode(*mode),
        };
        let folder = it.aside.rsplit_once('/').map_or("", |it| it.0);
        let folder = if folder.is_empty() { "/" } else { folder }.to_owned();
        Some(vec![Trace::File { path: it.path.clone(), ours }, Trace::Folder(folder)])
    }

    async fn undo(it: &Harmed, world: &World) -> Result<(), Failure> {
        let (now, aside) = (world.host.facts(&it.path)?, world.host.facts(&it.aside)?);
        let is_it = |facts: &Option<Facts>| facts.as_ref().is_some_and(|f| f.stamp == it.was.stamp);
        match &it.how {
            How::Mode(mode) => {
                // Permissions that somebody set after us are not ours to take back.
                if now.as_ref().is_some_and(|now| now.mode == *mode) && is_it(&now) {
                    world.host.set_mode(&it.path, it.was.mode)?;
                }
                Ok(())
            }
            How::Gone | How::Instead(_) if is_it(&now) => {
                // It never went, or it is back: what is aside is our stand-in, if anything.
                Ok(world.host.remove(&it.aside)?)
            }
            How::Gone | How::Instead(_) if !is_it(&aside) => Err(Failure::Wrong(format!(
                "neither {} nor {} is the file that was there",
                it.path, it.aside
            ))),
            How::Gone | How::Instead(_) if now.is_none() => {
                Ok(world.host.shift(&it.aside, &it.path)?)
            }
            How::Instead(_) if it.is_ours(world)? => {
                world.host.exchange(&it.aside, &it.path)?;
                Ok(world.host.remove(&it.aside)?)
            }
            How::Gone | How::Instead(_) => Err(Failure::Wrong(format!(
                "somebody made another {}; the one that was there is {}",
                it.path, it.aside
            ))),
        }
    }
}

impl Harmed {
    /// Whether what is there is what we put there.
    fn is_ours(&self, world: &World) -> Result<bool, Failure> {
        let How::Instead(text) = &self.how else { return Ok(false) };
        Ok(world.host.read(&self.path)?.is_some_and(|it| it == text.as_bytes()))
    }
}
