//! Software RAID, from `/proc/mdstat`.

use super::{
    file::{File, Text},
    parse::{is_digits, number},
};
use crate::{
    about::About,
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::Roots,
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "mdadm",
        summary: "disks and state of software RAID",
        needs: &[],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Mdadm { file: File::proc_of_long_lines("mdstat"), arrays: Vec::new() }),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &[
        "node_md_state",
        "node_md_disks",
        "node_md_disks_required",
        "node_md_blocks",
        "node_md_blocks_synced",
    ],
    &[Origin::Proc("mdstat")],
    "the module `md_mod` (CONFIG_MD), and a software RAID",
)];

#[derive(Debug)]
struct Mdadm {
    file: File,
    arrays: Vec<Array>,
}

#[derive(Debug, Default, PartialEq)]
struct Array {
    name: String,
    state: &'static str,
    /// Active, failed and spare.
    disks: [f64; 3],
    required: f64,
    blocks: f64,
    synced: f64,
}

const STATES: [&str; 5] = ["active", "inactive", "recovering", "resync", "check"];
const DISKS: [&str; 3] = ["active", "failed", "spare"];

impl Collector for Mdadm {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let Some(said) = self.file.read_if_there(roots)? else { return Ok(()) };
        self.arrays.clear();
        let mut lines = said.text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((name, rest)) = line.split_once(" : ").filter(|(it, _)| is_array(it)) else {
                continue;
            };
            let mut array = Array::of(said, name, rest)?;
            while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
                array.learn(said, line.trim())?;
            }
            self.arrays.push(array);
        }
        self.show(samples);
        Ok(())
    }
}

impl Mdadm {
    fn show(&self, samples: &mut Samples) {
        samples.gauge("node_md_state", "Indicates the state of md-device.");
        for array in &self.arrays {
            for state in STATES {
                let is = f64::from(u8::from(array.state == state));
                samples.row(&[("device", &array.name), ("state", state)], is);
            }
        }
        samples.gauge("node_md_disks", "Number of active/failed/spare disks of device.");
        for array in &self.arrays {
            for (state, count) in DISKS.iter().zip(array.disks) {
                samples.row(&[("device", &array.name), ("state", state)], count);
            }
        }
        let mut gauge = |name: &str, help: &str, value: fn(&Array) -> f64| {
            samples.gauge(name, help);
            for array in &self.arrays {
                samples.row(&[("device", &array.name)], value(array));
            }
        };
        gauge("node_md_disks_required", "Total number of disks of device.", |it| it.required);
        gauge("node_md_blocks", "Total number of blocks on device.", |it| it.blocks);
        gauge("node_md_blocks_synced", "Number of blocks synced on device.", |it| it.synced);
    }
}

impl Array {
    /// From `active raid1 sdb1[1] sda1[0](F)`.
    fn of(said: Text<'_>, name: &str, rest: &str) -> Result<Self, Blank> {
        let mut words = rest.split_ascii_whitespace();
        let state = match words.next() {
            Some("active") => "active",
            Some("inactive") => "inactive",
            Some(_) | None => return Err(said.odd("an array is neither active nor inactive")),
        };
        let disks = words.filter(|word| word.contains('['));
        let [mut all, mut failed, mut spare] = [0.0; 3];
        for disk in disks {
            all += 1.0;
            failed += f64::from(u8::from(disk.contains("(F)")));
            spare += f64::from(u8::from(disk.contains("(S)")));
        }
        // Arrays that cannot lose a disk do not say how many they have and need: all.
        let active = if state == "active" { all } else { 0.0 };
        let (disks, name) = ([active, failed, spare], name.to_owned());
        Ok(Self { name, state, disks, required: active, blocks: 0.0, synced: 0.0 })
    }

    /// From `1048000 blocks super 1.2 [2/1] [U_]`, or how far a repair is.
    fn learn(&mut self, said: Text<'_>, line: &str) -> Result<(), Blank> {
        if let Some((blocks, rest)) = line.split_once(" blocks") {
            self.blocks = number(said.path, Some(blocks))?;
            self.synced = self.blocks;
            let pairs = rest.split('[').filter_map(|it| it.split_once(']')?.0.split_once('/'));
            for (required, active) in pairs.filter(|(one, two)| is_digits(one) && is_digits(two)) {
                self.required = number(said.path, Some(required))?;
                if let Some(count) = self.disks.first_mut() {
                    *count = number(said.path, Some(active))?;
                }
            }
            return Ok(());
        }
        let repairs = [("recovery", "recovering"), ("resync", "resync"), ("check", "check")];
        let repair = repairs.iter().find(|(word, _)| line.contains(word));
        if let Some((_, state)) = repair.or(line.contains("reshape").then_some(&("", "recovering")))
        {
            self.state = state;
            let done = line.split_once('(').and_then(|(_, rest)| rest.split_once('/'));
            self.synced = done.map_or(Ok(0.0), |(done, _)| number(said.path, Some(done)))?;
        }
        Ok(())
    }
}

fn is_array(name: &str) -> bool {
    name.starts_with("md") && !name.contains(' ')
}
