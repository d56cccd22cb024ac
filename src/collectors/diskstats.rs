//! Traffic of disks, from `/proc/diskstats`, and what udev knows of them.

use std::{collections::BTreeMap, path::Path};

use super::parse::{is_digits, number, shorten};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples, Type},
    export::{Export, Origin},
    pattern::Sieve,
    world::roots::{self, Kept, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "diskstats",
        summary: "reads, writes and time of disks",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |setup| {
        let sieve = setup.patterns.sieve("diskstats.device", Some(is_excluded));
        Box::new(Diskstats {
            table: None,
            disks: Vec::new(),
            known: BTreeMap::new(),
            scrapes: 0,
            sieve,
        })
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &[
            "node_disk_reads_completed_total",
            "node_disk_reads_merged_total",
            "node_disk_read_bytes_total",
            "node_disk_read_time_seconds_total",
            "node_disk_writes_completed_total",
            "node_disk_writes_merged_total",
            "node_disk_written_bytes_total",
            "node_disk_write_time_seconds_total",
            "node_disk_io_now",
            "node_disk_io_time_seconds_total",
            "node_disk_io_time_weighted_seconds_total",
            "node_disk_info",
        ],
        &[Origin::Proc("diskstats")],
        "a disk that is neither loop nor memory (CONFIG_BLOCK)",
    ),
    Export::of(&["node_disk_discard*"], &[Origin::Proc("diskstats")], "a disk, and Linux 4.18"),
    Export::of(&["node_disk_flush_*"], &[Origin::Proc("diskstats")], "a disk, and Linux 5.5"),
    Export::of(
        &["node_disk_ata_*"],
        &[Origin::Root("run/udev/data/b*")],
        "an ATA disk, and udev's data below /run/udev/data",
    ),
    Export::of(
        &["node_disk_filesystem_info"],
        &[Origin::Root("run/udev/data/b*")],
        "a file system right on a disk, and udev's data below /run/udev/data",
    ),
    Export::of(
        &["node_disk_device_mapper_info"],
        &[Origin::Root("run/udev/data/b*")],
        "a volume of LVM, LUKS or multipath, and udev's data below /run/udev/data",
    ),
];

/// The kernel's sectors, whatever the disk's own are.
const SECTOR_BYTES: f64 = 512.0;
const MILLISECOND: f64 = 1.0 / 1000.0;

/// The kernel's columns after the device's name: metric, help, type, scale.
const COLUMNS: [(&str, &str, Type, f64); 17] = [
    (
        "node_disk_reads_completed_total",
        "The total number of reads completed successfully.",
        Type::Counter,
        1.0,
    ),
    ("node_disk_reads_merged_total", "The total number of reads merged.", Type::Counter, 1.0),
    (
        "node_disk_read_bytes_total",
        "The total number of bytes read successfully.",
        Type::Counter,
        SECTOR_BYTES,
    ),
    (
        "node_disk_read_time_seconds_total",
        "The total number of seconds spent by all reads.",
        Type::Counter,
        MILLISECOND,
    ),
    (
        "node_disk_writes_completed_total",
        "The total number of writes completed successfully.",
        Type::Counter,
        1.0,
    ),
    ("node_disk_writes_merged_total", "The number of writes merged.", Type::Counter, 1.0),
    (
        "node_disk_written_bytes_total",
        "The total number of bytes written successfully.",
        Type::Counter,
        SECTOR_BYTES,
    ),
    (
        "node_disk_write_time_seconds_total",
        "This is the total number of seconds spent by all writes.",
        Type::Counter,
        MILLISECOND,
    ),
    ("node_disk_io_now", "The number of I/Os currently in progress.", Type::Gauge, 1.0),
    (
        "node_disk_io_time_seconds_total",
        "Total seconds spent doing I/Os.",
        Type::Counter,
        MILLISECOND,
    ),
    (
        "node_disk_io_time_weighted_seconds_total",
        "The weighted # of seconds spent doing I/Os.",
        Type::Counter,
        MILLISECOND,
    ),
    (
        "node_disk_discards_completed_total",
        "The total number of discards completed successfully.",
        Type::Counter,
        1.0,
    ),
    ("node_disk_discards_merged_total", "The total number of discards merged.", Type::Counter, 1.0),
    (
        "node_disk_discarded_sectors_total",
        "The total number of sectors discarded successfully.",
        Type::Counter,
        1.0,
    ),
    (
        "node_disk_discard_time_seconds_total",
        "This is the total number of seconds spent by all discards.",
        Type::Counter,
        MILLISECOND,
    ),
    (
        "node_disk_flush_requests_total",
        "The total number of flush requests completed successfully",
        Type::Counter,
        1.0,
    ),
    (
        "node_disk_flush_requests_time_seconds_total",
        "This is the total number of seconds spent by all flush requests.",
        Type::Counter,
        MILLISECOND,
    ),
];

/// Kernels before 4.18 have eleven columns, those before 5.5 fifteen.
const COLUMNS_MIN: usize = 11;
/// udev's knowledge hardly changes: it is read again at every so many scrapes.
const UDEV_EVERY: u32 = 64;

#[derive(Debug)]
struct Diskstats {
    table: Option<Kept>,
    disks: Vec<Disk>,
    known: BTreeMap<(String, String), Udev>,
    scrapes: u32,
    sieve: Sieve,
}

#[derive(Debug, Default)]
struct Disk {
    name: String,
    number: (String, String),
    counts: [f64; COLUMNS.len()],
    columns: usize,
}

/// A device's properties, by udev's names.
type Udev = BTreeMap<String, String>;

impl Collector for Diskstats {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.read_table(roots)?;
        self.ask_udev(roots);
        self.show_info(samples);
        for (column, (name, help, kind, scale)) in COLUMNS.iter().enumerate() {
            samples.family(name, help, *kind);
            for disk in self.disks.iter().filter(|disk| disk.columns > column) {
                let count = disk.counts.get(column).copied().unwrap_or_default();
                samples.row(&[("device", &disk.name)], count * scale);
            }
        }
        Ok(())
    }
}

impl Diskstats {
    fn read_table(&mut self, roots: &Roots) -> Result<(), Blank> {
        let path = roots.proc("diskstats");
        let table = self.table.get_or_insert_with(|| Kept::brief(path.clone()));
        let mut used = 0;
        for line in table.read()?.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(major), Some(minor), Some(name)) = (words.next(), words.next(), words.next())
            else {
                return Err(Blank::odd(path, "a line is too short"));
            };
            if !self.sieve.lets_through(name) {
                continue;
            }
            if used == self.disks.len() {
                self.disks.push(Disk::default());
            }
            let Some(disk) = self.disks.get_mut(used) else { break };
            used += 1;
            disk.fill(&path, (major, minor, name), words)?;
        }
        self.disks.truncate(used);
        Ok(())
    }

    fn ask_udev(&mut self, roots: &Roots) {
        if self.scrapes.is_multiple_of(UDEV_EVERY) {
            self.known.clear();
        }
        self.scrapes = self.scrapes.wrapping_add(1);
        for disk in &self.disks {
            if !self.known.contains_key(&disk.number) {
                let (major, minor) = &disk.number;
                let file = roots.rooted(&format!("run/udev/data/b{major}:{minor}"));
                let text = roots::read(&file).unwrap_or_default();
                self.known.insert(disk.number.clone(), properties(&text));
            }
        }
    }

    fn show_info(&self, samples: &mut Samples) {
        let nothing = Udev::new();
        let udev = |disk: &Disk| self.known.get(&disk.number).unwrap_or(&nothing);
        samples.gauge("node_disk_info", "Info of /sys/block/<block_device>.");
        for disk in &self.disks {
            let known = udev(disk);
            let said = |name: &str| known.get(name).map(String::as_str).unwrap_or_default();
            let serial = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT"];
            let serial = serial.into_iter().map(said).find(|it| !it.is_empty());
            let labels = [
                ("device", disk.name.as_str()),
                ("major", &disk.number.0),
                ("minor", &disk.number.1),
                ("model", said("ID_MODEL")),
                ("path", said("ID_PATH")),
                ("revision", said("ID_REVISION")),
                ("serial", serial.unwrap_or_default()),
                ("wwn", said("ID_WWN")),
            ];
            samples.row(&labels, 1.0);
        }
        samples.gauge("node_disk_filesystem_info", "Info about disk filesystem.");
        for disk in &self.disks {
            let known = udev(disk);
            let said = |name: &str| known.get(name).map(String::as_str).unwrap_or_default();
            if !said("ID_FS_TYPE").is_empty() {
                let labels = [
                    ("device", disk.name.as_str()),
                    ("type", said("ID_FS_TYPE")),
                    ("usage", said("ID_FS_USAGE")),
                    ("uuid", said("ID_FS_UUID")),
                    ("version", said("ID_FS_VERSION")),
                ];
                samples.row(&labels, 1.0);
            }
        }
        samples.gauge("node_disk_device_mapper_info", "Info about disk device mapper.");
        for disk in &self.disks {
            let known = udev(disk);
            let said = |name: &str| known.get(name).map(String::as_str).unwrap_or_default();
            if !said("DM_NAME").is_empty() {
                let labels = [
                    ("device", disk.name.as_str()),
                    ("lv_layer", said("DM_LV_LAYER")),
                    ("lv_name", said("DM_LV_NAME")),
                    ("name", said("DM_NAME")),
                    ("uuid", said("DM_UUID")),
                    ("vg_name", said("DM_VG_NAME")),
                ];
                samples.row(&labels, 1.0);
            }
        }
        self.show_ata(samples);
    }

    fn show_ata(&self, samples: &mut Samples) {
        const GAUGES: [(&str, &str, &str); 3] = [
            (
                "ID_ATA_ROTATION_RATE_RPM",
                "node_disk_ata_rotation_rate_rpm",
                "ATA disk rotation rate in RPMs (0 for SSDs).",
            ),
            ("ID_ATA_WRITE_CACHE", "node_disk_ata_write_cache", "ATA disk has a write cache."),
            (
                "ID_ATA_WRITE_CACHE_ENABLED",
                "node_disk_ata_write_cache_enabled",
                "ATA disk has its write cache enabled.",
            ),
        ];
        for (property, name, help) in GAUGES {
            samples.gauge(name, help);
            for disk in &self.disks {
                let known = self.known.get(&disk.number);
                let value = known.filter(|it| it.contains_key("ID_ATA"));
                let value = value.and_then(|it| it.get(property)?.parse::<f64>().ok());
                let value = value.filter(|it| it.is_finite());
                if let Some(value) = value {
                    samples.row(&[("device", &disk.name)], value);
                }
            }
        }
    }
}

impl Disk {
    fn fill<'a>(
        &mut self,
        path: &Path,
        (major, minor, name): (&str, &str, &str),
        words: impl Iterator<Item = &'a str>,
    ) -> Result<(), Blank> {
        name.clone_into(&mut self.name);
        major.clone_into(&mut self.number.0);
        minor.clone_into(&mut self.number.1);
        self.columns = 0;
        for (count, word) in self.counts.iter_mut().zip(words) {
            *count = number(path, Some(word))?;
            self.columns += 1;
        }
        if self.columns < COLUMNS_MIN {
            return Err(Blank::odd(path, format!("the line of `{}` is too short", shorten(name))));
        }
        Ok(())
    }
}

/// Lines such as `E:ID_MODEL=X`.
fn properties(text: &str) -> Udev {
    let pairs = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
    pairs.map(|(name, said)| (name.to_owned(), said.to_owned())).collect()
}

/// `node_exporter`'s default, `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`: memory, loops,
/// floppies and partitions.
fn is_excluded(device: &str) -> bool {
    let stem = device.trim_end_matches(|it: char| it.is_ascii_digit());
    if stem.len() == device.len() {
        return false;
    }
    let is_partition_of = |kind: &str| {
        let letter = stem.strip_prefix(kind).map(str::as_bytes);
        matches!(letter, Some([b'a'..=b'z']))
    };
    let is_nvme_partition = || {
        let inside = stem.strip_prefix("nvme").and_then(|it| it.strip_suffix('p'));
        inside.and_then(|it| it.split_once('n')).is_some_and(|(a, b)| is_digits(a) && is_digits(b))
    };
    matches!(stem, "ram" | "zram" | "loop" | "fd")
        || ["hd", "sd", "vd", "xvd"].into_iter().any(is_partition_of)
        || is_nvme_partition()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_memory_disks_are_left_out() {
        for device in ["loop0", "zram0", "ram12", "fd0", "sda1", "vdb12", "xvda1", "nvme0n1p2"] {
            assert!(is_excluded(device), "{device}");
        }
        for device in ["sda", "vda", "nvme0n1", "dm-0", "md127", "mmcblk0p1", "sdaa1", "sr0"] {
            assert!(!is_excluded(device), "{device}");
        }
    }
}
