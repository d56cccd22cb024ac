//! What the path of a control group says: its service, its container. Pure.

/// So many letters of a container's id must be given, as `docker ps` prints them.
const ID_MIN: usize = 12;
/// So long is a whole id.
const ID: usize = 64;

/// The group itself, or one below it.
pub(super) fn is_within(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|it| it.is_empty() || it.starts_with('/'))
}

/// The group of this systemd unit, or one below it.
pub(super) fn is_of_unit(path: &str, unit: &str) -> bool {
    path.split('/').any(|it| it == unit)
}

/// The group of the container with this name, or with an id that begins so.
pub(super) fn is_of_container(path: &str, container: &str) -> bool {
    path.split('/').any(|it| bears_id(it, container) || bears_name(it, container))
}

/// `<id>`, `docker-<id>.scope`, `cri-containerd-<id>.scope`, `kubepods…:cri-containerd:<id>`.
fn bears_id(group: &str, id: &str) -> bool {
    let group = group.strip_suffix(".scope").unwrap_or(group);
    let last = group.rsplit(['-', ':']).next().unwrap_or(group);
    let is_id = last.len() == ID && last.bytes().all(|it| it.is_ascii_hexdigit());
    is_id && id.len() >= ID_MIN && last.starts_with(id)
}

/// As LXC (`lxc.payload.<name>`, `/lxc/<name>`) and systemd (`machine-<name>.scope`) name groups.
fn bears_name(group: &str, name: &str) -> bool {
    let scope = group.strip_suffix(".scope").and_then(|it| it.strip_prefix("machine-"));
    group == name || group.strip_prefix("lxc.payload.") == Some(name) || scope == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "38c4944759ce7bd0ea1ce67c8834e20638c4944759ce7bd0ea1ce67c8834e206";

    #[test]
    fn a_group_holds_those_below_it_and_no_namesake() {
        assert!(is_within("/a/b", "/a/b"));
        assert!(is_within("/a/b/c", "/a/b"));
        assert!(!is_within("/a/bc", "/a/b"));
        assert!(!is_within("/x/a/b", "/a/b"));
    }

    #[test]
    fn a_unit_is_a_whole_word_of_the_path() {
        assert!(is_of_unit("/system.slice/nginx.service", "nginx.service"));
        assert!(is_of_unit("/system.slice/nginx.service/workers", "nginx.service"));
        assert!(!is_of_unit("/system.slice/my-nginx.service", "nginx.service"));
    }

    #[test]
    fn every_engine_s_containers_are_known() {
        let paths = [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
            format!("/kubepods/burstable/pod0/{ID}"),
            format!("/kubepods.slice/pod0.slice/cri-containerd-{ID}.scope"),
            format!("/system.slice/containerd.service/kubepods-pod0.slice:cri-containerd:{ID}"),
        ];
        for path in paths {
            assert!(is_of_container(&path, ID), "{path}");
            assert!(is_of_container(&path, "38c4944759ce"), "{path}");
            assert!(!is_of_container(&path, "38c49447"), "{path}: too short to be sure");
            assert!(!is_of_container(&path, "4944759ce7bd"), "{path}: not its beginning");
        }
        for path in ["/lxc/web", "/lxc.payload.web/init.scope", "/machine.slice/machine-web.scope"]
        {
            assert!(is_of_container(path, "web"), "{path}");
            assert!(!is_of_container(path, "we"), "{path}");
        }
    }
}
