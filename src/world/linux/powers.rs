//! What this process may do, as the kernel tells it.
#![expect(clippy::disallowed_methods, reason = "this is the wall: powers are looked up here")]

use std::{fs, path::Path};

use rustix::fs::{Access, access};

use crate::about::Need;

/// Whether what a kind needs is here now: how, or why not.
pub fn have(need: Need) -> Result<String, String> {
    match need {
        Need::Kill => Ok(capability(5, "CAP_KILL").unwrap_or_else(|_| own())),
        Need::ReadAll => capability(2, "CAP_DAC_READ_SEARCH"),
        Need::Limits => Ok(capability(24, "CAP_SYS_RESOURCE").unwrap_or_else(|_| own())),
        Need::Network => capability(12, "CAP_NET_ADMIN"),
        Need::Trace => capability(19, "CAP_SYS_PTRACE").or_else(|why| trace_own(&why)),
        Need::Groups => groups(),
        Need::Systemd => systemd(),
        Need::Docker => docker(),
    }
}

fn capability(number: u32, name: &str) -> Result<String, String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("CapEff:"));
    let mask = mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0);
    if mask & (1 << number) == 0 {
        return Err(format!("this process has no {name}"));
    }
    Ok(name.to_owned())
}

/// What one may do to processes of one's own without any power.
fn own() -> String {
    let uid = rustix::process::geteuid().as_raw();
    format!("for processes of user {uid} alone")
}

fn trace_own(why: &str) -> Result<String, String> {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "" | "0" => Ok(own()),
        it => Err(format!("{why}, and kernel.yama.ptrace_scope is {it}")),
    }
}

fn groups() -> Result<String, String> {
    let text = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut roots = text.lines().filter_map(|it| {
        let mut words = it.split(' ').skip(1);
        let path = words.next()?;
        words.next().filter(|it| matches!(*it, "cgroup" | "cgroup2")).map(|_| path.to_owned())
    });
    if let Some(root) = roots.find(|it| writable(it)) {
        return Ok(format!("{root} may be written"));
    }
    Err("no tree of control groups may be written".to_owned())
}

fn systemd() -> Result<String, String> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Err("systemd does not run this machine".to_owned());
    }
    if rustix::process::geteuid().is_root() {
        return Ok("root".to_owned());
    }
    Err("this is not root, and whether polkit allows it is not known before".to_owned())
}

fn docker() -> Result<String, String> {
    let socket = "/var/run/docker.sock";
    if !Path::new(socket).exists() {
        return Err(format!("there is no {socket}"));
    }
    if writable(socket) { Ok(socket.to_owned()) } else { Err(format!("{socket} is not for us")) }
}

fn writable(path: &str) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}
