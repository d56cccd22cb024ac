//! Machines that are large, and machines whose files are spoilt.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use holdfast::collectors;
use proptest::prelude::*;

use super::{page, scrape, value};
use crate::beside::{Family, agent_with, get, machine, parse, state, tree};

const CPUS: u32 = 96;
const DISKS: u32 = 300;
const DEVICES: u32 = 400;
const CHIPS: u32 = 40;
const ARRAYS: u32 = 20;

fn put(file: PathBuf, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Makes the known machine large. What counts, counts from one up.
fn grow(machine: &Path) {
    let (mut stat, mut disks) = ("cpu  0 0 0 0 0 0 0 0 0 0\n".to_owned(), String::new());
    for cpu in 0..CPUS {
        writeln!(stat, "cpu{cpu} {}00 0 0 0 0 0 0 0 0 0", cpu + 1).unwrap();
    }
    stat += "intr 1\nctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n";
    put(machine.join("proc/stat"), &stat);
    for disk in 0..DISKS {
        writeln!(disks, "259 {disk} nvme{disk}n1 {} 0 0 0 0 0 0 0 0 0 0", disk + 1).unwrap();
        put(machine.join(format!("sys/block/nvme{disk}n1/device/state")), "live\n");
    }
    put(machine.join("proc/diskstats"), &disks);
    let mut devices = "heading\nheading\n".to_owned();
    for device in 0..DEVICES {
        let name = format!("net{device}");
        writeln!(devices, "{name}: {} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", device + 1).unwrap();
        put(machine.join(format!("sys/class/net/{name}/operstate")), "up\n");
        put(machine.join(format!("sys/class/net/{name}/mtu")), "9000\n");
    }
    put(machine.join("proc/net/dev"), &devices);
    for chip in 0..CHIPS {
        let folder = machine.join(format!("sys/class/hwmon/hwmon{}", chip + 100));
        put(folder.join("name"), &format!("chip{chip}\n"));
        put(folder.join("temp1_input"), &format!("{}000\n", chip + 1));
    }
    let mut arrays = "Personalities : [raid1]\n".to_owned();
    for array in 0..ARRAYS {
        writeln!(arrays, "md{array} : active raid1 sdb1[1] sda1[0]").unwrap();
        arrays += "      1000 blocks [2/2] [UU]\n\n";
    }
    put(machine.join("proc/mdstat"), &arrays);
}

#[test]
fn a_large_machine_is_told_whole() {
    let (machine, state) = (machine(), state());
    grow(machine.path());
    let mut scrape = scrape(machine.path(), state.path());
    let up_to = |count: u32| f64::from((1..=count).sum::<u32>());
    for _ in 0..2 {
        let page = parse(&page(&mut scrape));
        let success = &page["node_scrape_collector_success"].rows;
        assert!(success.values().all(|it| *it > 0.5), "{success:?}");
        let of = |name: &str, which: &str| -> (u32, f64) {
            let rows = page[name].rows.iter().filter(|(labels, _)| labels.contains(which));
            rows.fold((0, 0.0), |(count, sum), (_, value)| (count + 1, sum + value))
        };
        assert_eq!(of("node_cpu_seconds_total", "mode=\"user\""), (CPUS, up_to(CPUS)));
        assert_eq!(of("node_disk_reads_completed_total", "nvme"), (DISKS, up_to(DISKS)));
        assert_eq!(of("holdfast_disk_state_info", "live").0, DISKS);
        let received = of("node_network_receive_bytes_total", "\"net");
        assert_eq!(received, (DEVICES, up_to(DEVICES)));
        assert_eq!(of("node_network_up", "\"net"), (DEVICES, f64::from(DEVICES)));
        assert_eq!(of("node_network_mtu_bytes", "\"net"), (DEVICES, 9000.0 * f64::from(DEVICES)));
        assert_eq!(of("node_hwmon_chip_names", "chip_name=\"chip").0, CHIPS);
        assert_eq!(of("node_hwmon_temp_celsius", "chip=\"chip"), (CHIPS, up_to(CHIPS)));
        let active = of("node_md_disks", "state=\"active\"");
        assert_eq!(active, (ARRAYS, 2.0 * f64::from(ARRAYS)));
    }
}

#[test]
fn a_hundred_thousand_mounts_cost_no_more_than_ten_thousand() {
    let (machine, state) = (machine(), state());
    let mut mounts = String::new();
    for at in 0..100_000 {
        writeln!(mounts, "/dev/m{at} /nowhere/{at} ext4 rw,relatime 0 0").unwrap();
    }
    fs::write(machine.path().join("proc/1/mounts"), mounts).unwrap();
    // What is shown is what they cost, and not how soon a busy machine has looked at them.
    let patient = state.path().join("agent.yml");
    fs::write(&patient, "limits: {filesystem: {deadline: 30s}}\n").unwrap();
    let agent =
        agent_with(machine.path(), state.path(), &["--config.file", patient.to_str().unwrap()]);
    let mut after = Vec::new();
    for _ in 0..6 {
        let page = parse(&get(agent.address, "/metrics").body);
        assert_eq!(page["node_filesystem_device_error"].rows.len(), 10_000);
        assert_eq!(value(&page, "holdfast_filesystem_mounts_left_out", ""), Some(90_000.0));
        after.push(agent.kilobytes("RssAnon"));
    }
    assert!(after.iter().all(|it| *it < 64 << 10), "{after:?} kB");
    assert!(after[5] < after[2] + (8 << 10), "it grows: {after:?} kB");
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut all, mut queue) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = queue.pop() {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            queue.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}

/// What can become of a file.
#[derive(Debug, Clone)]
enum Spoil {
    Gone,
    Empty,
    Folder,
    Cut(prop::sample::Index),
    Twice,
    Byte(prop::sample::Index, u8),
    Insert(prop::sample::Index, String),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<prop::sample::Index>;
    let words = prop::sample::select(vec![
        "-1",
        "1e999",
        "nan",
        "0x",
        "\n",
        " ",
        ":",
        "\u{0}",
        "99999999999999999999999",
        "é",
        "/",
        "[",
        "\t\t",
        "18446744073709551616",
    ]);
    prop_oneof![
        Just(Spoil::Gone),
        Just(Spoil::Empty),
        Just(Spoil::Folder),
        at().prop_map(Spoil::Cut),
        Just(Spoil::Twice),
        (at(), any::<u8>()).prop_map(|(at, byte)| Spoil::Byte(at, byte)),
        (at(), words).prop_map(|(at, word)| Spoil::Insert(at, word.to_owned())),
    ]
}

impl Spoil {
    fn apply(&self, file: &Path) {
        let mut bytes = fs::read(file).unwrap_or_default();
        let length = bytes.len();
        match self {
            Self::Gone => return drop(fs::remove_file(file)),
            Self::Folder => {
                drop(fs::remove_file(file));
                return drop(fs::create_dir(file));
            }
            Self::Empty => bytes.clear(),
            Self::Cut(at) => bytes.truncate(at.index(length + 1)),
            Self::Twice => bytes.extend_from_within(..),
            Self::Byte(at, byte) => {
                let place = bytes.get_mut(at.index(length.max(1)));
                if let Some(place) = place {
                    *place = *byte;
                }
            }
            Self::Insert(at, word) => {
                let at = at.index(length + 1);
                drop(bytes.splice(at..at, word.bytes()));
            }
        }
        drop(fs::write(file, bytes));
    }
}

fn is_finite(family: &Family) -> bool {
    family.rows.values().all(|it| it.is_finite())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_becomes_of_its_files_every_collector_leaves_the_page_whole(
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), spoil()), 1..12),
    ) {
        let (machine, state) = (machine(), state());
        let all: Vec<PathBuf> =
            ["proc", "sys", "root"].iter().flat_map(|it| files(&machine.path().join(it))).collect();
        let mut scrape = scrape(machine.path(), state.path());
        // Some were seen whole before, and some at once as they are.
        let (before, after) = spoilt.split_at(spoilt.len() / 2);
        for some in [before, after] {
            for (which, how) in some {
                let file: &PathBuf = which.get(&all);
                how.apply(file);
            }
            let page = parse(&page(&mut scrape));
            let success = &page["node_scrape_collector_success"].rows;
            prop_assert_eq!(success.len(), collectors::ALL.len());
            let odd = page.iter().find(|(name, it)| name.starts_with("node_") && !is_finite(it));
            prop_assert!(odd.is_none(), "{:?}", odd);
        }
        prop_assert!(tree("tests/fixtures/machine").exists());
    }
}
