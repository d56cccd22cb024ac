//! What rules name and only this machine knows: its network devices and control groups.
#![expect(clippy::disallowed_methods, reason = "this is the wall: the machine is looked at here")]

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use crate::world::{host::HostError, linux::net::expr::Cgroup};

/// Where the kernel lists devices. It shows those of the network namespace that mounted it, so
/// that names come from `/proc/self/net` and only their properties from here.
const CLASS: &str = "/sys/class/net";

/// The devices through which packets leave. A packet leaves through one of them: members of a bond
/// or bridge, and VLANs, pass theirs on to another that is listed.
pub(super) fn exits() -> Result<Vec<String>, HostError> {
    let path = "/proc/self/net/dev";
    let text = fs::read_to_string(path);
    let text = text.map_err(|why| HostError::os(format!("read {path}"), why))?;
    let passes_on = |name: &str| {
        let device = Path::new(CLASS).join(name);
        let about = fs::read_to_string(device.join("uevent")).unwrap_or_default();
        let kind = about.lines().find_map(|it| it.strip_prefix("DEVTYPE="));
        device.join("master").exists() || matches!(kind, Some("vlan" | "macvlan"))
    };
    Ok(names(&text).filter(|it| !passes_on(it)).map(str::to_owned).collect())
}

/// The devices of `/proc/net/dev`, after its two lines of headings.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(2).filter_map(|it| it.split_once(':')).map(|it| it.0.trim())
}

/// A control group of version 2, by its path from the root.
pub(super) fn cgroup(path: &str) -> Result<Cgroup, HostError> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let root = cgroup_root(&mounts).ok_or_else(|| {
        HostError::os("find a control group", "version 2 (cgroup2) is not mounted here")
    })?;
    let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
    let folder = parts.iter().fold(Path::new(root).to_owned(), |path, it| path.join(it));
    let found = fs::metadata(&folder);
    let found = found
        .map_err(|why| HostError::os(format!("find control group {}", folder.display()), why))?;
    let depth = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    // The root matches everything, and nobody means that.
    if depth == 0 {
        return Err(HostError::os("use control group `/`", "everything is in it: name one below"));
    }
    Ok(Cgroup { id: found.ino(), depth })
}

fn cgroup_root(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|it| {
        let mut words = it.split(' ').skip(1);
        let (path, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_mounts_are_read() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 12 0\n  eth0:7 1\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["lo", "eth0"]);
        let mounts = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        assert_eq!(cgroup_root(mounts), Some("/sys/fs/cgroup"));
        assert_eq!(cgroup_root("proc /proc proc rw 0 0\n"), None);
    }
}
