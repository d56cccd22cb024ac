//! Mounted file systems, from the mount table of process 1 and `statfs(2)`.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::parse::is_digits;
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Setup, many},
    export::{Export, Origin},
    pattern::Sieve,
    world::{
        asker::{Asked, Asker},
        roots::{Kept, Roots, Volume},
    },
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "filesystem",
        summary: "size and free room of mounted file systems",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: true,
    health: None,
    make: |setup| Box::new(Filesystem::new(setup)),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["holdfast_filesystem_mounts_left_out"],
        &[Origin::Proc("1/mounts")],
        "procfs that shows the mounts of process 1",
    ),
    Export::of(
        &[
            "node_filesystem_avail_bytes",
            "node_filesystem_files",
            "node_filesystem_files_free",
            "node_filesystem_free_bytes",
            "node_filesystem_size_bytes",
        ],
        &[Origin::Proc("1/mounts")],
        "a mounted file system that stores something, and answers",
    ),
    Export::of(
        &["node_filesystem_device_error", "node_filesystem_readonly"],
        &[Origin::Proc("1/mounts")],
        "a mounted file system that stores something",
    ),
];

/// So many are looked at; a machine that has more is a mistake, or malice.
const MOUNTS_MAX: usize = 10_000;
/// So long may a file system take to say how full it is. A disk needs microseconds, a network
/// milliseconds; all the new ones that hang in one scrape must fit into its deadline.
const PATIENCE: Duration = Duration::from_millis(200);

struct Filesystem {
    table: Option<Kept>,
    /// Mounts beyond those that are looked at.
    left_out: usize,
    mounts: Vec<Mount>,
    kinds: Sieve,
    points: Sieve,
    asker: Asker<Option<Volume>>,
}

#[derive(Debug)]
struct Mount {
    device: String,
    point: String,
    kind: String,
    read_only: bool,
    volume: Option<Volume>,
}

/// A gauge of the mounts that could be asked.
type Gauge = (&'static str, &'static str, fn(&Mount, &Volume) -> f64);

const GAUGES: [Gauge; 6] = [
    ("node_filesystem_size_bytes", "Filesystem size in bytes.", |_, it| it.size),
    ("node_filesystem_free_bytes", "Filesystem free space in bytes.", |_, it| it.free),
    (
        "node_filesystem_avail_bytes",
        "Filesystem space available to non-root users in bytes.",
        |_, it| it.avail,
    ),
    ("node_filesystem_files", "Filesystem total file nodes.", |_, it| it.files),
    ("node_filesystem_files_free", "Filesystem total free file nodes.", |_, it| it.files_free),
    ("node_filesystem_readonly", "Filesystem read-only status.", |mount, _| {
        f64::from(u8::from(mount.read_only))
    }),
];

impl Collector for Filesystem {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.read_table(roots)?;
        let place = |it: &Mount| roots.rooted(&it.point).to_string_lossy().into_owned();
        let places: Vec<String> = self.mounts.iter().map(place).collect();
        let answers = self.asker.ask(&places).map_err(|why| Blank::Late(why.to_string()))?;
        for (mount, answer) in self.mounts.iter_mut().zip(answers) {
            mount.volume = match answer {
                Asked::Answered(volume) => volume,
                Asked::Hangs => None,
            };
        }
        for (name, help, value) in GAUGES {
            samples.gauge(name, help);
            for mount in &self.mounts {
                if let Some(volume) = &mount.volume {
                    samples.row(&labels(mount), value(mount, volume));
                }
            }
        }
        let help = "Mounts beyond the 10,000 that are looked at.";
        let left_out = many(self.left_out);
        samples.gauge("holdfast_filesystem_mounts_left_out", help).row(&[], left_out);
        let help = "Whether an error occurred while getting statistics for the given device.";
        samples.gauge("node_filesystem_device_error", help);
        for mount in &self.mounts {
            samples.row(&labels(mount), f64::from(u8::from(mount.volume.is_none())));
        }
        Ok(())
    }
}

fn labels(mount: &Mount) -> [(&'static str, &str); 3] {
    [("device", &mount.device), ("fstype", &mount.kind), ("mountpoint", &mount.point)]
}

impl Filesystem {
    fn new(setup: &Setup) -> Self {
        let volume = setup.volume;
        let kinds = setup.patterns.sieve("filesystem.fs-types", Some(is_excluded_type));
        let points = setup.patterns.sieve("filesystem.mount-points", Some(is_excluded_point));
        let asker = Asker::new(PATIENCE, move |place: &str| volume(Path::new(place)).ok());
        Self { table: None, left_out: 0, mounts: Vec::new(), kinds, points, asker }
    }

    fn read_table(&mut self, roots: &Roots) -> Result<(), Blank> {
        // Process 1 sees the machine; we may live in a mount namespace of our own, as a hardened
        // unit does. Where /proc hides process 1 from us, our own view is the best there is.
        let table = self.table.get_or_insert_with(|| {
            let mut table = Kept::new(roots.proc("1/mounts"));
            let is_ours = table.read().is_ok();
            if is_ours { table } else { Kept::new(roots.proc("self/mounts")) }
        });
        self.mounts.clear();
        self.left_out = 0;
        let (mounts, left_out) = (&mut self.mounts, &mut self.left_out);
        let (kinds, points) = (&self.kinds, &self.points);
        let (mut seen, mut odd) = (BTreeSet::new(), None);
        table.lines(|line| {
            let mut words = line.split(' ');
            let (Some(device), Some(point), Some(kind), Some(options)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                odd.get_or_insert_with(|| super::parse::shorten(line));
                return;
            };
            let point = unescape(point);
            let point = roots.unrooted(&point);
            if !kinds.lets_through(kind) || !points.lets_through(point) {
                return;
            }
            if mounts.len() >= MOUNTS_MAX {
                *left_out += 1;
            } else if seen.insert((device.to_owned(), point.to_owned(), kind.to_owned())) {
                mounts.push(Mount {
                    device: unescape(device),
                    point: point.to_owned(),
                    kind: kind.to_owned(),
                    read_only: options.split(',').any(|option| option == "ro"),
                    volume: None,
                });
            }
        })?;
        match odd {
            Some(line) => Err(Blank::odd(table.path(), format!("`{line}` is not a mount"))),
            None => Ok(()),
        }
    }
}

/// The kernel writes blank, tab, line feed, backslash and `#` as three octal digits.
fn unescape(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after.get(..3).filter(|it| is_digits(it));
        match code.and_then(|it| u8::from_str_radix(it, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                plain.push(char::from(byte));
                rest = after.get(3..).unwrap_or_default();
            }
            Some(_) | None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// `node_exporter`'s default: file systems that store nothing.
fn is_excluded_type(kind: &str) -> bool {
    matches!(
        kind,
        "autofs"
            | "binfmt_misc"
            | "bpf"
            | "cgroup"
            | "cgroup2"
            | "configfs"
            | "debugfs"
            | "devpts"
            | "devtmpfs"
            | "erofs"
            | "fusectl"
            | "hugetlbfs"
            | "iso9660"
            | "mqueue"
            | "nsfs"
            | "overlay"
            | "proc"
            | "procfs"
            | "pstore"
            | "rpc_pipefs"
            | "securityfs"
            | "selinuxfs"
            | "squashfs"
            | "sysfs"
            | "tracefs"
    )
}

/// `node_exporter`'s default: `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|`
/// `var/lib/containers/storage/.+)($|/)`.
fn is_excluded_point(point: &str) -> bool {
    let below = |folder: &str| point.strip_prefix(folder);
    ["/dev", "/proc", "/sys"]
        .into_iter()
        .any(|folder| below(folder).is_some_and(|it| it.is_empty() || it.starts_with('/')))
        || ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"]
            .into_iter()
            .any(|folder| below(folder).is_some_and(|it| !it.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_points_odd_letters_are_read() {
        assert_eq!(unescape(r"/a\040b\011c\134d"), "/a b\tc\\d");
        assert_eq!(unescape(r"/a\04"), r"/a\04");
        assert_eq!(unescape(r"/a\999"), r"/a\999");
        assert_eq!(unescape(r"\"), r"\");
    }

    #[test]
    fn mounts_that_store_nothing_are_left_out() {
        for point in ["/dev", "/dev/shm", "/sys/fs/cgroup", "/var/lib/docker/overlay2/x"] {
            assert!(is_excluded_point(point), "{point}");
        }
        for point in ["/", "/device", "/run", "/var/lib/docker", "/home/dev"] {
            assert!(!is_excluded_point(point), "{point}");
        }
    }
}
