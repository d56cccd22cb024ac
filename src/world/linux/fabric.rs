//! The fabric of the real machine.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the wall: effects on the real machine are here"
)]

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, CWD, RenameFlags, access, major, minor, renameat_with, stat, statvfs},
    io::Errno,
    process::{Pid, Resource, Rlimit, prlimit},
};

use crate::world::{
    fabric::{Fabric, Facts, Space},
    host::{Host as _, HostError, ProcessId, Sent},
    linux::host::LinuxHost,
};

/// Looking through more control groups than this would take longer than it is worth.
const GROUPS_MAX: usize = 20_000;

impl Fabric for LinuxHost {
    fn space(&self, path: &str) -> Result<Space, HostError> {
        let no = |why: Errno| HostError::os(format!("look at the file system of {path}"), why);
        let (it, device) = (statvfs(path).map_err(no)?, stat(path).map_err(no)?.st_dev);
        let bytes = |blocks: u64| blocks.saturating_mul(it.f_frsize);
        let used = bytes(it.f_blocks.saturating_sub(it.f_bfree));
        Ok(Space {
            used,
            free: bytes(it.f_bavail),
            total: used.saturating_add(bytes(it.f_bavail)),
            inodes: it.f_files,
            inodes_free: it.f_favail,
            device: (major(device), minor(device)),
        })
    }

    fn facts(&self, path: &str) -> Result<Option<Facts>, HostError> {
        let it = match fs::symlink_metadata(path) {
            Ok(it) => it,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(HostError::os(format!("look at {path}"), why)),
        };
        let stamp = format!(
            "{}:{}:{}:{}.{:09}",
            it.dev(),
            it.ino(),
            it.size(),
            it.mtime(),
            it.mtime_nsec()
        );
        let mode = it.permissions().mode() & 0o7777;
        Ok(Some(Facts { stamp, mode, size: it.size(), plain: it.is_file() }))
    }

    fn names(&self, path: &str) -> Result<Option<Vec<String>>, HostError> {
        let no = |why: io::Error| HostError::os(format!("list {path}"), why);
        let all = match fs::read_dir(path) {
            Ok(it) => it,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(no(why)),
        };
        let name = |it: io::Result<fs::DirEntry>| {
            it.map(|it| it.file_name().to_string_lossy().into_owned())
        };
        all.map(name).collect::<Result<_, _>>().map(Some).map_err(no)
    }

    fn may_write(&self, path: &str) -> bool {
        access(path, Access::WRITE_OK).is_ok()
    }

    fn may_signal(&self, who: &ProcessId) -> Result<(), String> {
        let pid = i32::try_from(who.pid).ok().and_then(rustix::process::Pid::from_raw);
        match pid.map(rustix::process::test_kill_process) {
            // One that is gone is found to be gone when it is acted on.
            Some(Ok(()) | Err(rustix::io::Errno::SRCH)) => Ok(()),
            Some(Err(why)) => {
                Err(format!("the kernel forbids to signal process {} ({why})", who.pid))
            }
            None => Err(format!("{} is no process", who.pid)),
        }
    }

    fn may_trace(&self, who: &ProcessId) -> Result<(), String> {
        // Opening a process's memory asks the kernel the question that PTRACE_SEIZE asks, and
        // touches nothing (proc(5), ptrace(2): access mode checking).
        let path = format!("/proc/{}/mem", who.pid);
        if let Err(why) = fs::OpenOptions::new().read(true).write(true).open(path) {
            return Err(format!("the kernel forbids to trace process {} ({why})", who.pid));
        }
        let status = fs::read_to_string(format!("/proc/{}/status", who.pid));
        let status = status.map_err(|why| why.to_string())?;
        let tracer = status.lines().find_map(|it| it.strip_prefix("TracerPid:"));
        match tracer.map(str::trim) {
            None | Some("0") => Ok(()),
            Some(other) => Err(format!("process {other} traces process {} already", who.pid)),
        }
    }

    fn limit_files(&self, who: &ProcessId, soft: u64) -> Result<Sent, HostError> {
        let no = |why: &dyn std::fmt::Display| {
            HostError::os(format!("limit the descriptors of process {}", who.pid), why)
        };
        let pid = i32::try_from(who.pid).ok().and_then(Pid::from_raw);
        let (Some(pid), Some(_)) = (pid, self.process(who)?) else { return Ok(Sent::Gone) };
        let path = format!("/proc/{}/limits", who.pid);
        let Some(limits) = self.read(&path)? else { return Ok(Sent::Gone) };
        let hard = hard_limit(&String::from_utf8_lossy(&limits));
        let new = Rlimit { current: Some(soft), maximum: hard };
        match prlimit(Some(pid), Resource::Nofile, new) {
            Ok(_) => Ok(Sent::Delivered),
            Err(Errno::SRCH) => Ok(Sent::Gone),
            Err(why) => Err(no(&why)),
        }
    }

    fn make_folder(&self, path: &str) -> Result<(), HostError> {
        match fs::create_dir(path) {
            Err(why) if why.kind() != ErrorKind::AlreadyExists => {
                Err(HostError::os(format!("make the folder {path}"), why))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn groups(&self) -> Result<Vec<String>, HostError> {
        let no = |why: &dyn std::fmt::Display| HostError::os("list control groups", why);
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|why| no(&why))?;
        let mut queue: Vec<PathBuf> = group_mounts(&mounts).map(PathBuf::from).collect();
        let mut all = Vec::new();
        while let Some(folder) = queue.pop() {
            // One that has gone since it was listed is none.
            let Ok(inside) = fs::read_dir(folder) else { continue };
            let folders = inside.flatten().filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
            for it in folders {
                all.push(it.path().display().to_string());
                queue.push(it.path());
            }
            if all.len() > GROUPS_MAX {
                return Err(no(&format!("there are more than {GROUPS_MAX}")));
            }
        }
        Ok(all)
    }

    fn remove_folder(&self, path: &str) -> Result<(), HostError> {
        match fs::remove_dir(path) {
            Err(why) if why.kind() != ErrorKind::NotFound => {
                Err(HostError::os(format!("remove the folder {path}"), why))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn set(&self, path: &str, text: &str) -> Result<(), HostError> {
        let said = fs::OpenOptions::new().write(true).open(path);
        let said = said.and_then(|mut it| it.write_all(text.as_bytes()));
        said.map_err(|why| HostError::os(format!("write `{text}` to {path}"), why))
    }

    fn enlist(&self, group: &str, who: &ProcessId) -> Result<Sent, HostError> {
        if self.process(who)?.is_none() {
            return Ok(Sent::Gone);
        }
        let path = format!("{group}/cgroup.procs");
        let said = fs::OpenOptions::new().write(true).open(&path);
        match said.and_then(|mut it| it.write_all(who.pid.to_string().as_bytes())) {
            Ok(()) => Ok(Sent::Delivered),
            Err(why) if why.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(Sent::Gone),
            Err(why) => {
                Err(HostError::os(format!("move process {} to the group {group}", who.pid), why))
            }
        }
    }

    fn set_mode(&self, path: &str, mode: u32) -> Result<(), HostError> {
        let set = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        set.map_err(|why| HostError::os(format!("set the permissions of {path}"), why))
    }

    fn shift(&self, from: &str, to: &str) -> Result<(), HostError> {
        match renamed(from, to, RenameFlags::NOREPLACE) {
            Err(why) if why.kind() != ErrorKind::NotFound => {
                Err(HostError::os(format!("move {from} to {to}"), why))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn exchange(&self, one: &str, other: &str) -> Result<(), HostError> {
        renamed(one, other, RenameFlags::EXCHANGE)
            .map_err(|why| HostError::os(format!("exchange {one} and {other}"), why))
    }

    fn make_like(&self, path: &str, like: &str, bytes: &[u8]) -> Result<(), HostError> {
        let make = || {
            let like = fs::symlink_metadata(like)?;
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(bytes)?;
            let mine = file.metadata()?;
            if (mine.uid(), mine.gid()) != (like.uid(), like.gid()) {
                std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
            }
            file.set_permissions(like.permissions())?;
            file.sync_all()
        };
        make().map_err(|why: io::Error| HostError::os(format!("make {path}"), why))
    }
}

/// Where hierarchies of control groups are mounted (proc(5), `mountinfo`).
fn group_mounts(mounts: &str) -> impl Iterator<Item = &str> {
    mounts.lines().filter_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        matches!(tail.split(' ').next(), Some("cgroup" | "cgroup2"))
            .then(|| head.split(' ').nth(4))?
    })
}

/// Renames, and has it on disk when it returns.
fn renamed(from: &str, to: &str, how: RenameFlags) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, how)?;
    for path in [from, to] {
        fs::File::open(Path::new(path).parent().unwrap_or(Path::new("/")))?.sync_all()?;
    }
    Ok(())
}

/// The hard limit of descriptors in `/proc/PID/limits`; none is "unlimited".
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|it| it.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hard_limit_is_the_second_number() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  20000  files \n";
        assert_eq!(super::hard_limit(text), Some(20_000));
        assert_eq!(super::hard_limit("Max open files 1 unlimited files"), None);
        assert_eq!(super::hard_limit("Max cpu time 1 2 s"), None);
    }
}
