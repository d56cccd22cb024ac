//! The real host.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the wall: effects on the real machine are here"
)]

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal},
};

use crate::world::{
    files::File,
    host::{Finished, Host, HostError, Process, ProcessId, Sent, Signal, Told},
    linux::{
        belongs,
        children::Children,
        command, files,
        proc::{self, Stat},
    },
    secrets::Secrets,
    thread,
};

/// How often, and how many times, a lock is asked for that others hold.
const ALONE_EVERY: Duration = Duration::from_millis(5);
const ALONE_LOOKS: u32 = 50;

/// This machine.
pub struct LinuxHost {
    program: PathBuf,
    boot: String,
    /// Children of ours, so that they can be heard and reaped.
    children: Arc<Children>,
    /// What commands may be given.
    secrets: Arc<Secrets>,
}

impl LinuxHost {
    /// `program` is what held children run.
    pub fn new(program: PathBuf) -> Result<Self, HostError> {
        Ok(Self { program, boot: boot_id()?, children: Arc::default(), secrets: Arc::default() })
    }

    fn look(&self, pid: u32) -> Result<Option<(Process, Stat)>, HostError> {
        let Some(text) = gone_is_none(fs::read(format!("/proc/{pid}/stat")), "look at a process")?
        else {
            return Ok(None);
        };
        let Some(stat) = proc::stat(&String::from_utf8_lossy(&text)) else {
            return Err(HostError::os(format!("read /proc/{pid}/stat"), "it is malformed"));
        };
        // A zombie is dead; only its parent has not heard of it yet.
        if matches!(stat.state, 'Z' | 'X' | 'x') {
            return Ok(None);
        }
        let args = gone_is_none(fs::read(format!("/proc/{pid}/cmdline")), "look at a process")?
            .map_or_else(Vec::new, |it| proc::args(&it));
        let process = Process {
            id: ProcessId { pid, started: stat.started, boot: self.boot.clone() },
            name: stat.name.clone(),
            args,
            stopped: matches!(stat.state, 'T' | 't'),
        };
        Ok(Some((process, stat)))
    }
}

impl Host for LinuxHost {
    fn boot(&self) -> String {
        self.boot.clone()
    }

    fn processes(&self) -> Result<Vec<Process>, HostError> {
        self.children.reap();
        let no = |why: std::io::Error| HostError::os("list processes", why);
        let mut pids = Vec::new();
        for entry in fs::read_dir("/proc").map_err(no)? {
            let name = entry.map_err(no)?.file_name();
            pids.extend(name.to_str().and_then(|it| it.parse::<u32>().ok()));
        }
        pids.sort_unstable();
        let mut all = Vec::with_capacity(pids.len());
        for pid in pids {
            match self.look(pid) {
                Ok(it) => all.extend(it.map(|it| it.0)),
                // With `hidepid`, others' processes are none of ours, and not a reason to see none.
                Err(why) if !rustix::process::geteuid().is_root() => tracing::trace!("{why}"),
                Err(why) => return Err(why),
            }
        }
        Ok(all)
    }

    fn process(&self, who: &ProcessId) -> Result<Option<Process>, HostError> {
        self.children.reap();
        Ok(self.look(who.pid)?.map(|it| it.0).filter(|it| it.id == *who))
    }

    fn by_number(&self, pid: u32) -> Result<Option<Process>, HostError> {
        self.children.reap();
        Ok(self.look(pid)?.map(|it| it.0))
    }

    fn protected(&self) -> Vec<u32> {
        let mut all = vec![1];
        let mut pid = std::process::id();
        while pid > 1 && !all.contains(&pid) {
            all.push(pid);
            pid = self.look(pid).ok().flatten().map_or(0, |it| it.1.parent);
        }
        all
    }

    fn listeners(&self, port: u16) -> Result<Vec<u32>, HostError> {
        belongs::listeners(port)
    }

    fn cgroups(&self, pid: u32) -> Result<Vec<String>, HostError> {
        belongs::cgroups(pid)
    }

    fn user(&self, pid: u32) -> Result<Option<u32>, HostError> {
        belongs::user(pid)
    }

    fn signal(&self, who: &ProcessId, signal: Signal) -> Result<Sent, HostError> {
        let what = || format!("send {} to process {}", signal.word(), who.pid);
        let Some(pid) = i32::try_from(who.pid).ok().and_then(Pid::from_raw) else {
            return Ok(Sent::Gone);
        };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(it) => it,
            Err(rustix::io::Errno::SRCH) => return Ok(Sent::Gone),
            Err(why) => return Err(HostError::os(what(), why)),
        };
        // The handle is fixed to one process; only now is it certain which one to compare.
        if self.process(who)?.is_none() {
            return Ok(Sent::Gone);
        }
        match pidfd_send_signal(&handle, number(signal)) {
            Ok(()) => Ok(Sent::Delivered),
            Err(rustix::io::Errno::SRCH) => Ok(Sent::Gone),
            Err(why) => Err(HostError::os(what(), why)),
        }
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        gone_is_none(fs::read(path), &format!("read {path}"))
    }

    fn open(&self, path: String) -> BoxFuture<'_, Result<Option<File>, HostError>> {
        files::open(path).boxed()
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), HostError> {
        overwrite(Path::new(path), bytes).map_err(|why| HostError::os(format!("write {path}"), why))
    }

    fn write_alone(&self, path: &str, bytes: &[u8]) -> Result<(), HostError> {
        let what = || format!("take the lock {path}.lock");
        let lock = fs::File::options().create(true).append(true).open(format!("{path}.lock"));
        let lock = lock.map_err(|why| HostError::os(what(), why))?;
        for _ in 0..ALONE_LOOKS {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return self.write(path, bytes),
                Err(rustix::io::Errno::AGAIN) => thread::nap(ALONE_EVERY),
                Err(why) => return Err(HostError::os(what(), why)),
            }
        }
        Err(HostError::TooLong { what: what(), after: ALONE_EVERY * ALONE_LOOKS })
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        match fs::remove_file(path) {
            Err(why) if why.kind() != ErrorKind::NotFound => {
                Err(HostError::os(format!("remove {path}"), why))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn remove_tree(&self, path: &str) -> Result<(), HostError> {
        match fs::remove_dir_all(path) {
            Err(why) if why.kind() != ErrorKind::NotFound => {
                Err(HostError::os(format!("remove {path}"), why))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn hold(&self, kind: &str, mark: &str, args: &[String]) -> Result<ProcessId, HostError> {
        self.children.start((&self.program, &self.boot), kind, mark, args)
    }

    fn told(&self, who: &ProcessId) -> Told {
        self.children.told(who)
    }

    fn held(&self, mark: &str) -> Result<Vec<ProcessId>, HostError> {
        let bears = |it: &Process| it.mark() == Some(mark);
        Ok(self.processes()?.into_iter().filter(bears).map(|it| it.id).collect())
    }

    fn cpu_us(&self, who: &ProcessId) -> Result<Option<u64>, HostError> {
        let found = self.look(who.pid)?.filter(|it| it.0.id == *who);
        let per_tick = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let Some((_, stat)) = found else { return Ok(None) };
        // Ticks count every thread, and the scheduler's count is fine, but of the first thread
        // alone: neither ever says too much. Not every kernel keeps the latter.
        let fine = fs::read_to_string(format!("/proc/{}/schedstat", who.pid)).unwrap_or_default();
        let fine = proc::schedstat_us(&fine).unwrap_or(0);
        Ok(Some(stat.cpu_ticks.saturating_mul(per_tick).max(fine)))
    }

    fn command(
        &self,
        argv: Vec<String>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Finished, HostError>> {
        async move {
            let shown = argv.join(" ");
            let no = |why: String| HostError::os(format!("run `{shown}`"), why);
            // Only those words that others do not see.
            let (known, words) = command::environment(argv);
            let put_in = |(name, value): (String, String)| Ok((name, self.secrets.put_in(&value)?));
            let known = known.into_iter().map(put_in).collect::<Result<Vec<_>, _>>().map_err(no)?;
            match tokio::time::timeout(limit, command::run(known, words)).await {
                Ok(Ok(done)) => Ok(Finished {
                    code: done.code,
                    said: self.secrets.take_out(&done.said),
                    output: self.secrets.take_out(&done.output),
                }),
                Ok(Err(why)) => Err(no(self.secrets.take_out(&why.to_string()))),
                Err(_) => Err(HostError::TooLong { what: format!("run `{shown}`"), after: limit }),
            }
        }
        .boxed()
    }

    fn knowing(&self, secrets: &Arc<Secrets>) -> Arc<dyn Host> {
        Arc::new(Self {
            program: self.program.clone(),
            boot: self.boot.clone(),
            children: Arc::clone(&self.children),
            secrets: Arc::clone(secrets),
        })
    }

    fn asked(
        &self,
        argv: Vec<String>,
        limit: Duration,
    ) -> BoxFuture<'_, Result<Finished, HostError>> {
        self.command(argv, limit)
    }
}

fn number(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Cont => rustix::process::Signal::CONT,
        Signal::Int => rustix::process::Signal::INT,
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Term => rustix::process::Signal::TERM,
    }
}

/// The boot, as the kernel names it.
pub(super) fn boot_id() -> Result<String, HostError> {
    let path = "/proc/sys/kernel/random/boot_id";
    fs::read_to_string(path)
        .map(|it| it.trim().to_owned())
        .map_err(|why| HostError::os(format!("read {path}"), why))
}

/// Replaces a file whole: written beside, synced, renamed, and the folder synced.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    replace_with(path, bytes, |file| file.set_permissions(fs::Permissions::from_mode(mode)))
}

fn replace_with(
    path: &Path,
    bytes: &[u8],
    dress: impl FnOnce(&fs::File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = folder.join(name);
    let written = (|| {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        dress(&file)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        fs::File::open(folder)?.sync_all()
    })();
    if written.is_err() && beside.exists() {
        fs::remove_file(&beside)?;
    }
    written
}

/// Replaces a file of somebody else's: it keeps its place behind a link, its mode and its owner.
fn overwrite(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let was = match fs::metadata(path) {
        Ok(it) => it,
        Err(why) if why.kind() == ErrorKind::NotFound => return replace(path, bytes, 0o644),
        Err(why) => return Err(why),
    };
    let path = fs::canonicalize(path)?;
    replace_with(&path, bytes, |file| {
        let mine = file.metadata()?;
        if (mine.uid(), mine.gid()) != (was.uid(), was.gid()) {
            std::os::unix::fs::fchown(file, Some(was.uid()), Some(was.gid()))?;
        }
        file.set_permissions(was.permissions())
    })
}

/// A process or file that went away while we looked is no error.
pub(super) fn gone_is_none<T>(
    read: std::io::Result<T>,
    what: &str,
) -> Result<Option<T>, HostError> {
    match read {
        Ok(it) => Ok(Some(it)),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) if why.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(None),
        Err(why) => Err(HostError::os(what, why)),
    }
}
