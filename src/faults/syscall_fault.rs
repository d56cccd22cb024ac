//! Makes chosen system calls of a process fail or wait, as a failing disk or a full table does.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    about::{About, Need},
    action::{Action, Effect, Failure, Plan, Refusal},
    held::Held,
    journal::{census::Trace, entry::UndoClass},
    target::{ProcessTarget, named, one},
    units::{Percent, Span},
    world::{
        World,
        calls::{Call, CallError, CallHarm},
        host::{Process, ProcessId},
        linux::trace,
    },
};

/// Makes `calls` of the processes that fit `target` wait for `delay`, fail with `error`, or both.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
pub(crate) struct SyscallFault {
    target: ProcessTarget,
    max_targets: u32,
    calls: Vec<Call>,
    percent: u8,
    delay: Option<Span>,
    error: Option<CallError>,
}

/// As it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    target: ProcessTarget,
    #[serde(default = "one")]
    max_targets: u32,
    calls: Vec<Call>,
    /// How many of these calls; all, if nothing is said.
    #[serde(default)]
    percent: Option<Percent>,
    #[serde(default)]
    delay: Option<Span>,
    #[serde(default)]
    error: Option<CallError>,
}

impl TryFrom<Written> for SyscallFault {
    type Error = String;

    fn try_from(it: Written) -> Result<Self, String> {
        let Written { target, max_targets, calls, percent, delay, error } = it;
        if calls.is_empty() {
            return Err("no call is named: write at least one, as in `calls: [fsync]`".to_owned());
        }
        if delay.is_none() && error.is_none() {
            return Err("nothing would happen: write `error`, `delay` or both".to_owned());
        }
        let percent = percent.map_or(100, Percent::get);
        Ok(Self { target, max_targets, calls, percent, delay, error })
    }
}

/// What going back needs, and what was chosen.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traced {
    children: Held,
    targets: Vec<ProcessId>,
    harm: CallHarm,
}

impl Action for SyscallFault {
    const ABOUT: &'static About = &About {
        name: "syscall_fault",
        summary: "makes chosen system calls of a process fail or wait (ptrace); must be allowed",
        needs: &[Need::Trace],
        example: "target: { name: postgres }\nmax_targets: 4\ncalls: [fsync, fdatasync]\n\
                  percent: 50\nerror: EIO\ndelay: 150ms\n",
    };
    const CLASS: UndoClass = UndoClass::Kernel;
    type Undo = Traced;

    async fn plan(&self, world: &World) -> Result<Plan<Traced>, Refusal> {
        world.rules.permit(Self::ABOUT.name).map_err(Refusal::NotReady)?;
        let found = self.target.choose(self.max_targets, world)?;
        for it in &found {
            free(it, world)?;
        }
        let harm = CallHarm {
            calls: self.calls.clone(),
            percent: self.percent,
            delay_us: self.delay.map_or(0, Span::micros),
            error: self.error,
            seed: world.dice("child").below(u64::MAX),
        };
        let calls: Vec<_> = self.calls.iter().map(|it| format!("{it:?}").to_lowercase()).collect();
        let mut what = Vec::new();
        what.extend(self.delay.map(|it| format!("wait for {it}")));
        what.extend(self.error.map(|it| format!("fail with {}", format!("{it:?}").to_uppercase())));
        let undo = Traced {
            children: Held::of(world),
            targets: found.iter().map(|it| it.id.clone()).collect(),
            harm,
        };
        Ok(Plan {
            will: format!(
                "make {}% of the calls {} of {} {}; all its calls are slower meanwhile",
                self.percent,
                calls.join(", "),
                named(&found),
                what.join(" and ")
            ),
            by_hand: vec![undo.children.by_hand()],
            undo,
        })
    }

    async fn apply(&self, it: &Traced, world: &World) -> Result<(), Failure> {
        let args = [serde_json::to_string(&it.targets)?, serde_json::to_string(&it.harm)?];
        it.children.stand(Self::ABOUT.name, &args, world).await
    }

    async fn effect(it: &Traced, world: &World) -> Result<Effect, Failure> {
        it.children.counted("calls were harmed", world).await
    }

    fn traces(undo: &Traced) -> Option<Vec<Trace>> {
        Some(undo.targets.iter().cloned().map(Trace::Stopped).collect())
    }

    async fn undo(it: &Traced, world: &World) -> Result<(), Failure> {
        it.children.end(world).await
    }
}

/// That nobody traces a target already: there is room for one.
fn free(target: &Process, world: &World) -> Result<(), Refusal> {
    let bytes = world.host.read(&format!("/proc/{}/status", target.id.pid))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let tracer = text.lines().find_map(|it| it.strip_prefix("TracerPid:"));
    match tracer.map(str::trim) {
        None | Some("0") => Ok(()),
        Some(tracer) => Err(Refusal::NotReady(format!(
            "process {} ({}) is traced by process {tracer} already",
            target.id.pid, target.name
        ))),
    }
}

/// What the child does.
pub(super) fn work(args: &[String]) -> Result<Infallible, String> {
    let [targets, harm] = args else { return Err("no target was given".to_owned()) };
    let no = |why| format!("what was given cannot be read: {why}");
    let targets: Vec<ProcessId> = serde_json::from_str(targets).map_err(no)?;
    trace::hold(&targets, &serde_json::from_str(harm).map_err(no)?)
}
