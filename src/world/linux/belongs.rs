//! To what a process belongs: ports, control groups, a user. Parsing is pure.
#![expect(clippy::disallowed_methods, reason = "this is the wall: looks at the real machine")]

use std::{collections::BTreeSet, fs};

use crate::world::{host::HostError, linux::host::gone_is_none};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Who listens on `port`, in this program's network namespace.
pub(super) fn listeners(port: u16) -> Result<Vec<u32>, HostError> {
    let mut inodes = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let bytes = gone_is_none(fs::read(table), &format!("read {table}"))?.unwrap_or_default();
        inodes.extend(listening(&String::from_utf8_lossy(&bytes), port));
    }
    if inodes.is_empty() {
        return Ok(Vec::new());
    }
    let all = fs::read_dir("/proc").map_err(|why| HostError::os("list processes", why))?;
    let mut pids: Vec<u32> =
        all.flatten().filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
    pids.retain(|pid| has_one_of(*pid, &inodes));
    pids.sort_unstable();
    if pids.is_empty() && !rustix::process::geteuid().is_root() {
        let why = "it belongs to another user: run as root, or as that user";
        return Err(HostError::os(format!("see who listens on port {port}"), why));
    }
    Ok(pids)
}

/// A process's files may be another user's, and then they are not ours to see.
fn has_one_of(pid: u32, inodes: &BTreeSet<u64>) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|it| {
        fs::read_link(it.path()).ok().is_some_and(|it| {
            let socket = it.to_str().and_then(|it| it.strip_prefix("socket:["));
            let inode = socket.and_then(|it| it.strip_suffix(']')?.parse().ok());
            inode.is_some_and(|it| inodes.contains(&it))
        })
    })
}

/// The inodes of sockets that listen on `port`, from `/proc/net/tcp` or `tcp6` (proc(5)).
fn listening(table: &str, port: u16) -> Vec<u64> {
    let inode = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (_, local) = fields.nth(1)?.rsplit_once(':')?;
        let is = u16::from_str_radix(local, 16).ok()? == port && fields.nth(1)? == LISTEN;
        // Behind remote address and state: queues, timers, retransmissions, user, timeout.
        if is { fields.nth(5)?.parse().ok() } else { None }
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The paths of a process's control groups.
pub(super) fn cgroups(pid: u32) -> Result<Vec<String>, HostError> {
    let path = format!("/proc/{pid}/cgroup");
    let bytes = gone_is_none(fs::read(&path), &format!("read {path}"))?.unwrap_or_default();
    Ok(paths(&String::from_utf8_lossy(&bytes)))
}

/// The paths in `/proc/PID/cgroup` (cgroups(7)): `hierarchy:controllers:path` lines.
fn paths(text: &str) -> Vec<String> {
    text.lines().filter_map(|it| Some(it.splitn(3, ':').nth(2)?.to_owned())).collect()
}

/// Whom a process runs as. The owner of its folder would not do: it is root's for some.
pub(super) fn user(pid: u32) -> Result<Option<u32>, HostError> {
    let path = format!("/proc/{pid}/status");
    let bytes = gone_is_none(fs::read(&path), &format!("read {path}"))?;
    Ok(bytes.and_then(|it| effective(&String::from_utf8_lossy(&it))))
}

/// The effective user in `/proc/PID/status`: real, effective, saved, of the file system.
fn effective(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|it| it.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1
   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4243 1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1
";

    #[test]
    fn only_those_that_listen_on_the_port_are_found() {
        assert_eq!(listening(TABLE, 8080), [4242]);
        assert_eq!(listening(TABLE, 22), [77]);
        assert!(listening(TABLE, 80).is_empty());
        assert!(listening("", 80).is_empty());
        assert!(listening("x\n1: 2\n", 80).is_empty());
    }

    #[test]
    fn a_process_runs_as_its_effective_user() {
        assert_eq!(effective("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn a_path_may_hold_colons() {
        let text = "9:name=systemd:/a:b\n0::/system.slice/x.service\n";
        assert_eq!(paths(text), ["/a:b", "/system.slice/x.service"]);
        assert!(paths("\n1:x\n").is_empty());
    }
}
