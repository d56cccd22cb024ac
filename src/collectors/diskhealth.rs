//! How disks, arrays and file systems fare, from what the kernel counts of their errors.

use super::class::{Class, Device};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "diskhealth",
        summary: "states and errors of disks, arrays and file systems",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| {
        let (disks, volumes) = (Class::new("block", DISK_FILES), Class::new("fs/ext4", EXT4_FILES));
        Box::new(DiskHealth { disks, volumes })
    },
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[
    Export::of(
        &["holdfast_disk_state_info"],
        &[Origin::Sys("block/*/device/state")],
        "a disk whose driver tells its state, as SCSI, ATA and NVMe disks have it",
    ),
    Export::of(
        &[
            "holdfast_disk_commands_total",
            "holdfast_disk_commands_done_total",
            "holdfast_disk_command_errors_total",
            "holdfast_disk_command_timeouts_total",
        ],
        &[Origin::Sys("block/*/device/iorequest_cnt")],
        "a SCSI or ATA disk (CONFIG_SCSI); the timeouts since Linux 6.3",
    ),
    Export::of(
        &["holdfast_disk_array_degraded", "holdfast_disk_array_mismatches"],
        &[Origin::Sys("block/*/md/degraded")],
        "a software RAID with redundancy (CONFIG_BLK_DEV_MD)",
    ),
    Export::of(
        &[
            "holdfast_disk_filesystem_errors",
            "holdfast_disk_filesystem_last_error_timestamp_seconds",
        ],
        &[Origin::Sys("fs/ext4/*/errors_count")],
        "a mounted ext4 file system; the time only after an error",
    ),
];

#[derive(Debug)]
struct DiskHealth {
    disks: Class,
    volumes: Class,
}

/// The state comes first, then the numbers, in the order of [`DISKS`].
const DISK_FILES: &[&str] = &[
    "device/state",
    "device/iorequest_cnt",
    "device/iodone_cnt",
    "device/ioerr_cnt",
    "device/iotmo_cnt",
    "md/degraded",
    "md/mismatch_cnt",
];
const DISKS: [(&str, &str); 6] = [
    ("holdfast_disk_commands_total", "Commands that a SCSI or ATA disk was sent."),
    ("holdfast_disk_commands_done_total", "Commands that it finished, well or not."),
    ("holdfast_disk_command_errors_total", "Commands that it finished with an error."),
    ("holdfast_disk_command_timeouts_total", "Commands that it did not finish in time."),
    ("holdfast_disk_array_degraded", "Disks that a software RAID lacks."),
    ("holdfast_disk_array_mismatches", "Sectors that the last check of an array found to differ."),
];

const EXT4_FILES: &[&str] = &["errors_count", "last_error_time"];
const EXT4: [(&str, &str); 2] = [
    ("holdfast_disk_filesystem_errors", "Errors that an ext4 file system notes in itself."),
    ("holdfast_disk_filesystem_last_error_timestamp_seconds", "When the last of them was."),
];

impl Collector for DiskHealth {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        // Disks that are files or memory have no health of their own.
        let is_real = |name: &str| !["loop", "ram", "zram"].iter().any(|it| name.starts_with(it));
        let disks = self.disks.look(roots, is_real)?;
        let help = "A disk's state as its driver has it, such as running or offline; always 1.";
        samples.gauge("holdfast_disk_state_info", help);
        for disk in &mut *disks {
            disk.look(0);
            let state = disk.last(0);
            if !state.is_empty() {
                samples.row(&[("device", &disk.name), ("state", state)], 1.0);
            }
        }
        show(disks, (&DISKS, 1), samples)?;
        show(self.volumes.look(roots, |_| true)?, (&EXT4, 0), samples)
    }
}

/// The numbers of all devices, from this file on.
fn show(
    devices: &mut [Device],
    (metrics, from): (&[(&str, &str)], usize),
    samples: &mut Samples,
) -> Result<(), Blank> {
    for (at, (name, help)) in metrics.iter().enumerate() {
        if name.ends_with("_total") {
            samples.counter(name, help);
        } else {
            samples.gauge(name, help);
        }
        for device in &mut *devices {
            // Zero is no time.
            let is_time = name.ends_with("_timestamp_seconds");
            let value = device.number(from + at)?;
            if let Some(value) = value.filter(|it| *it > 0.0 || !is_time) {
                samples.row(&[("device", &device.name)], value);
            }
        }
    }
    Ok(())
}
