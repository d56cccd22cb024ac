//! Runs a program under a clock that is wrong, as after a leap second or a broken time server.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    about::About,
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Held,
    journal::entry::UndoClass,
    units::Span,
    world::{
        World,
        linux::held::{
            arg,
            skewed::{self, BECOME, Means},
        },
    },
};

/// Runs `run` with its `clock` `by` ahead or behind, until the fault ends; then it is killed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockSkew {
    run: Plain,
    by: Span,
    #[serde(default)]
    towards: Towards,
    #[serde(default)]
    clock: Which,
}

/// A command whose words everybody may see: it is held, and what is held has them on its own
/// command line.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
struct Plain(Vec<String>);

impl TryFrom<Vec<String>> for Plain {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        if words.iter().any(|it| it.contains("${secret.")) {
            return Err("no secret is put in here: have the program read it by itself".to_owned());
        }
        Ok(Self(words))
    }
}

/// Which way it is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Towards {
    #[default]
    Ahead,
    Behind,
}

/// Which clock is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Which {
    /// The time of day.
    #[default]
    Realtime,
    /// The clocks that count from some start: `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME`.
    Monotonic,
}

/// Where Debian, Red Hat and Alpine put the library.
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];

impl ClockSkew {
    fn offset_s(&self) -> i64 {
        let ahead = i64::try_from(self.by.duration().as_secs()).unwrap_or(i64::MAX);
        match self.towards {
            Towards::Ahead => ahead,
            Towards::Behind => -ahead,
        }
    }

    /// The library, or no word for a time namespace.
    fn means(&self, world: &World) -> Result<String, Refusal> {
        match self.clock {
            Which::Realtime => {
                for it in LIBRARIES {
                    if world.host.facts(it)?.is_some() {
                        return Ok((*it).to_owned());
                    }
                }
                Err(Refusal::NotReady(
                    "the time of day is skewed by libfaketime, which is not installed \
                     (the package `libfaketime`)"
                        .to_owned(),
                ))
            }
            Which::Monotonic if world.host.read("/proc/self/timens_offsets")?.is_none() => Err(
                Refusal::NotReady("this kernel has no time namespaces (CONFIG_TIME_NS)".to_owned()),
            ),
            Which::Monotonic => Ok(String::new()),
        }
    }
}

impl Action for ClockSkew {
    const ABOUT: &'static About = &About {
        name: "clock_skew",
        summary: "runs a program whose clock is ahead or behind; processes that run already keep theirs",
        needs: &[],
        example: "run: [ledger-batch, --close-of-day]\nby: 1h\ntowards: ahead\nclock: monotonic\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Held;

    async fn plan(&self, world: &World) -> Result<Plan<Held>, Refusal> {
        if self.run.0.is_empty() {
            return Err(Refusal::NotReady("`run` names no program".to_owned()));
        }
        if self.offset_s() == 0 {
            return Err(Refusal::NotReady(format!("{} is less than a second", self.by)));
        }
        let means = if self.means(world)?.is_empty() {
            "by a time namespace, which takes root (CAP_SYS_ADMIN)"
        } else {
            "by libfaketime"
        };
        let undo = Held::of(world);
        Ok(Plan {
            will: format!(
                "run `{}` with a clock that is {} s off, {means}",
                self.run.0.join(" "),
                self.offset_s()
            ),
            by_hand: vec![undo.by_hand()],
            undo,
        })
    }

    async fn apply(&self, child: &Held, world: &World) -> Result<(), Failure> {
        let means = match self.means(world) {
            Ok(it) => it,
            Err(Refusal::Host(why)) => return Err(why.into()),
            Err(why) => return Err(Failure::Wrong(why.to_string())),
        };
        let head = [means, self.offset_s().to_string()];
        let args: Vec<String> = head.into_iter().chain(self.run.0.clone()).collect();
        child.stand(Self::ABOUT.name, &args, world).await
    }

    async fn effect(child: &Held, world: &World) -> Result<Effect, Failure> {
        child.effect(world)
    }

    async fn undo(child: &Held, world: &World) -> Result<(), Failure> {
        child.end(world).await
    }
}

/// What the child does, and what the one between it and the program does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    let first: String = arg(args, 0)?;
    if first == BECOME {
        return skewed::become_it(args.get(1..).unwrap_or(&[]));
    }
    let means = if first.is_empty() { Means::Namespace } else { Means::Preload(&first) };
    skewed::run(means, arg(args, 1)?, args.get(2..).unwrap_or(&[]))
}
