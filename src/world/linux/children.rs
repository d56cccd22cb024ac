//! Children of ours that hold something: started, heard and reaped.
#![expect(clippy::disallowed_types, reason = "this is the wall: children are started here")]

use std::{
    fs,
    os::unix::{fs::FileExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::world::{
    host::{HOLD, HostError, ProcessId, Told},
    linux::{hold, proc},
};

/// So many dead children's last words are kept.
const DEAD_MAX: usize = 64;

/// All of them.
#[derive(Default)]
pub(super) struct Children(Mutex<Vec<Held>>);

struct Held {
    who: ProcessId,
    /// None once it was reaped.
    child: Option<Child>,
    /// What it says of itself, as [`hold::tell`] writes it.
    page: fs::File,
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one for the fault `kind` that bears `mark`.
    pub(super) fn start(
        &self,
        (program, boot): (&Path, &str),
        kind: &str,
        mark: &str,
        args: &[String],
    ) -> Result<ProcessId, HostError> {
        let what = "start a child";
        let no = |why: std::io::Error| HostError::os(what, why);
        let page = memfd_create("holdfast-told", MemfdFlags::CLOEXEC);
        let page = fs::File::from(page.map_err(|why| no(why.into()))?);
        let mut child = Command::new(program)
            .arg0(HOLD)
            .args(["hold", kind, "--mark", mark, "--parent"])
            .arg(std::process::id().to_string())
            .arg("--")
            .args(args)
            .stdin(Stdio::null())
            .stdout(page.try_clone().map_err(no)?)
            .stderr(Stdio::null())
            .spawn()
            .map_err(no)?;
        // It is not reaped yet, so its number is its own, and even the dead have an identity.
        let Some(started) = proc::started(child.id()) else {
            child.kill().and_then(|()| child.wait()).map_err(no)?;
            return Err(HostError::os(what, "it cannot be seen in /proc"));
        };
        let who = ProcessId { pid: child.id(), started, boot: boot.to_owned() };
        self.lock().push(Held { who: who.clone(), child: Some(child), page });
        Ok(who)
    }

    /// What one of them last said.
    pub(super) fn told(&self, who: &ProcessId) -> Told {
        self.reap();
        let children = self.lock();
        let Some(it) = children.iter().find(|it| it.who == *who) else { return Told::Nothing };
        let mut line = [0; hold::TOLD_MAX];
        let told = match it.page.read_at(&mut line, 0) {
            Ok(hold::TOLD_MAX) => serde_json::from_slice(&line).unwrap_or_default(),
            Ok(_) | Err(_) => Told::Nothing,
        };
        match told {
            Told::Failed(_) => told,
            Told::Nothing | Told::Stands(_) if it.child.is_some() => told,
            Told::Nothing | Told::Stands(_) => Told::Failed("it has ended".to_owned()),
        }
    }

    /// Takes leave of those that have ended.
    pub(super) fn reap(&self) {
        let mut children = self.lock();
        for it in children.iter_mut() {
            it.child.take_if(|child| matches!(child.try_wait(), Ok(Some(_))));
        }
        let dead = children.iter().filter(|it| it.child.is_none()).count();
        let mut over = dead.saturating_sub(DEAD_MAX);
        children.retain(|it| {
            let goes = over > 0 && it.child.is_none();
            over -= usize::from(goes);
            !goes
        });
    }
}
