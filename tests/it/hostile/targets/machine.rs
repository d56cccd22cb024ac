//! Collectors and meters on a machine one of whose files says anything at all.
//!
//! An input is one byte that chooses the file, and what that file says. All others stay sane.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use holdfast::{
    agent::{exposition::Exposition, negotiate::Format, text_form},
    collector::{Blank, Collector, CollectorKind, Samples, Setup},
    collectors,
    meter::MeterKind,
    meters,
    world::roots::{Roots, Unread, Volume},
};
use tempfile::TempDir;

use super::{Play, Target, beneath, hold_complaint, read, scratch, tree};

/// A corner of the machine: who reads it (a collector's name, or a meter's after `meter_`), on
/// which machine of `tests/fixtures`, and which files it reads there.
type Corner = (&'static str, &'static str, &'static [&'static str]);

const WHOLE: &str = "machine";

const CORNERS: &[Corner] = &[
    ("arp", WHOLE, &["proc/net/arp"]),
    ("bonding", WHOLE, &["sys/class/net/bonding_masters", "sys/class/net/bond0/bonding"]),
    ("cgroups", "energy-machine/v1", &["sys/fs/cgroup"]),
    ("cgroups_v2", "energy-machine/v2", &["sys/fs/cgroup"]),
    ("conntrack", WHOLE, &["proc/net/stat/nf_conntrack", "proc/sys/net/netfilter"]),
    ("cpu", WHOLE, &["proc/stat", "sys/devices/system/cpu"]),
    ("cpufreq", WHOLE, &["sys/devices/system/cpu"]),
    ("diskhealth", WHOLE, &["sys/block", "sys/fs/ext4"]),
    ("diskstats", WHOLE, &["proc/diskstats", "root/run/udev"]),
    ("dmi", WHOLE, &["sys/class/dmi"]),
    ("edac", WHOLE, &["sys/devices/system/edac"]),
    ("entropy", WHOLE, &["proc/sys/kernel/random"]),
    ("filefd", WHOLE, &["proc/sys/fs/file-nr"]),
    ("filesystem", WHOLE, &["proc/1/mounts"]),
    ("hwmon", WHOLE, &["sys/class/hwmon"]),
    ("interrupts", WHOLE, &["proc/interrupts"]),
    ("kernel_hung", WHOLE, &["proc/sys/kernel/hung_task_detect_count"]),
    ("loadavg", WHOLE, &["proc/loadavg"]),
    ("mdadm", WHOLE, &["proc/mdstat"]),
    ("meminfo", WHOLE, &["proc/meminfo"]),
    ("meminfo_numa", WHOLE, &["sys/devices/system/node"]),
    ("netclass", WHOLE, &["sys/class/net"]),
    ("netdev", WHOLE, &["proc/net/dev", "sys/class/net/eth0/statistics"]),
    ("netstat", WHOLE, &["proc/net/netstat", "proc/net/snmp", "proc/net/snmp6"]),
    ("nvme", WHOLE, &["sys/class/nvme"]),
    ("os", WHOLE, &["root/etc/os-release"]),
    ("powersupplyclass", WHOLE, &["sys/class/power_supply"]),
    ("pressure", WHOLE, &["proc/pressure"]),
    ("processes", WHOLE, &["proc/1", "proc/17", "proc/23", "proc/sys/kernel"]),
    ("rapl", WHOLE, &["sys/class/powercap"]),
    ("runs", "index.json", &["state/index.json"]),
    ("schedstat", WHOLE, &["proc/schedstat"]),
    ("selinux", WHOLE, &["sys/fs/selinux/enforce", "root/etc/selinux/config"]),
    ("sockstat", WHOLE, &["proc/net/sockstat", "proc/net/sockstat6"]),
    ("softnet", WHOLE, &["proc/net/softnet_stat"]),
    ("stat", WHOLE, &["proc/stat"]),
    ("systemd", "energy-machine/v2", &["sys/fs/cgroup"]),
    ("tcpstat", WHOLE, &["proc/net/tcp", "proc/net/tcp6"]),
    ("thermal_zone", WHOLE, &["sys/class/thermal"]),
    ("time", WHOLE, &["sys/devices/system/clocksource", "root/etc/localtime"]),
    ("top", WHOLE, &["proc/1", "proc/17", "proc/23", "proc/stat"]),
    ("udp_queues", WHOLE, &["proc/net/udp", "proc/net/udp6"]),
    ("uname", WHOLE, &["proc/sys/kernel"]),
    ("vmstat", WHOLE, &["proc/vmstat"]),
    ("meter_battery", "energy-machine/battery", &["sys/class/power_supply"]),
    ("meter_hwmon", "energy-machine/hwmon", &["sys/class/hwmon"]),
    ("meter_model", WHOLE, &["proc/cpuinfo", "proc/meminfo", "proc/stat"]),
    ("meter_rapl", WHOLE, &["sys/class/powercap"]),
];

/// They read no file: they ask the kernel.
const WITHOUT: [&str; 1] = ["timex"];

pub(super) fn names() -> impl Iterator<Item = String> {
    CORNERS.iter().map(|it| it.0.to_owned())
}

/// Every collector and every meter has a corner.
#[cfg(test)]
#[test]
fn every_collector_and_every_meter_meets_hostile_files() {
    let meters = meters::ALL.iter().map(|it| format!("meter_{}", it.about.name));
    let all = collectors::ALL.iter().map(|it| it.about.name.to_owned()).chain(meters);
    let missing: Vec<String> = all
        .filter(|it| !WITHOUT.contains(&it.as_str()) && CORNERS.iter().all(|(name, ..)| name != it))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

pub(super) fn target(name: &str) -> Option<Target> {
    let (name, machine, files) = CORNERS.iter().find(|it| it.0 == name)?;
    let mut machine = Machine::new(machine, files);
    let seeds = machine.seeds();
    let play: Play = if let Some(meter) = name.strip_prefix("meter_") {
        let kind = meters::ALL.iter().find(|it| it.about.name == meter).expect("a meter's name");
        Box::new(move |input| machine.spoilt(input, |roots, _| measure(kind, roots)))
    } else {
        let known = |it: &&CollectorKind| {
            *name == it.about.name || *name == "cgroups_v2" && it.about.name == "cgroups"
        };
        let kind = collectors::ALL.iter().find(known).expect("a collector's name");
        Box::new(move |input| machine.spoilt(input, |roots, at| collect(kind, roots, at)))
    };
    Some(Target { name: (*name).to_owned(), seeds, writes: true, play })
}

/// A copy of a machine, some of whose files are to be spoilt.
struct Machine {
    folder: TempDir,
    roots: Roots,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Machine {
    fn new(from: &str, files: &[&str]) -> Self {
        let (folder, from) = (scratch(), tree("tests/fixtures").join(from));
        let path = |inside: &str| folder.path().join(inside);
        let roots = Roots::new(path("proc"), path("sys"), path("root"));
        for inside in files {
            copy(&from.join(inside), &path(inside));
            if from.is_file() {
                copy(&from, &path(inside));
            }
        }
        // What is hostile need not be there on a good day.
        for inside in files.iter().filter(|it| !path(it).exists()) {
            fs::create_dir_all(path(inside).parent().expect("a folder")).expect("room");
            fs::write(path(inside), "").expect("room");
        }
        let all = files.iter().flat_map(|it| beneath(&path(it)));
        let files = all.map(|it| (it.clone(), read(&it))).collect();
        Self { folder, roots, files }
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let seed = |(at, said): (u8, &Vec<u8>)| [&[at][..], said].concat();
        (0..).zip(self.files.iter().map(|it| &it.1)).map(seed).collect()
    }

    /// Lets somebody look while one file says something else.
    fn spoilt(&mut self, input: &[u8], look: impl FnOnce(&Roots, &Path)) {
        let Some((at, said)) = input.split_first() else { return };
        let file = self.files.get(usize::from(*at) % self.files.len());
        let (path, good) = file.expect("a corner has files");
        fs::write(path, said).expect("room");
        look(&self.roots, self.folder.path());
        fs::write(path, good).expect("room");
    }
}

/// Copies a file or a folder; where a link leads to is copied in its place.
fn copy(from: &Path, to: &Path) {
    for file in beneath(from) {
        let inside = file.strip_prefix(from).expect("it is beneath");
        let to = if inside.as_os_str().is_empty() { to.to_owned() } else { to.join(inside) };
        fs::create_dir_all(to.parent().expect("a folder")).expect("room");
        fs::copy(&file, &to).expect("room");
    }
}

/// Nobody asks a real file system here.
#[expect(clippy::unnecessary_wraps, reason = "a real one can fail")]
fn volume(_: &Path) -> Result<Volume, Unread> {
    Ok(Volume { size: 4096.0, free: 2048.0, avail: 1024.0, files: 8.0, files_free: 4.0 })
}

fn collect(kind: &CollectorKind, roots: &Roots, folder: &Path) {
    let mut collector =
        (kind.make)(&Setup { state: folder.join("state"), volume, ..Setup::default() });
    let mut samples = Samples::default();
    // The second look meets what the first one has kept.
    for _ in 0..2 {
        match collector.collect(roots, &mut samples) {
            Ok(()) => hold_lines(&mut samples),
            Err(why) => {
                let said = why.to_string();
                hold_complaint(&said);
                let place = folder.to_str().expect("a path of ours");
                assert!(!matches!(why, Blank::Odd { .. }) || said.contains(place), "{said}");
            }
        }
        samples.clear();
    }
}

/// What was collected makes a page each line of which others can read. The kernel's tables do not
/// repeat themselves, and each scrape would have to pay for looking whether they do: of what comes
/// twice, Prometheus takes the first.
fn hold_lines(samples: &mut Samples) {
    assert!(samples.series() <= 200_000, "{} series", samples.series());
    let mut exposition = Exposition::default();
    let page = exposition.page(samples, Format::Text).expect("a page");
    assert!(page.is_empty() || page.ends_with('\n'), "half a line");
    // The agent's own name, which no file may use.
    let own = |line: &&str| line.contains("node_textfile_");
    for line in page.split_inclusive('\n').filter(|it| !own(it)) {
        let read = text_form::parse(line);
        assert!(read.is_ok(), "{read:?}: {line}");
    }
}

/// What was collected makes a page that others can read, and nothing comes twice in it.
pub(super) fn hold_page(samples: &mut Samples) {
    hold_lines(samples);
    let mut exposition = Exposition::default();
    let page = exposition.page(samples, Format::Text).expect("a page");
    let others = |line: &&str| !line.contains("node_textfile_");
    let others: String = page.split_inclusive('\n').filter(others).collect();
    let read = text_form::parse(&others);
    assert!(read.is_ok(), "{read:?} of\n{others}");
}

fn measure(kind: &MeterKind, roots: &Roots) {
    let second = Duration::from_secs(1);
    let outcome = (kind.open)(roots).and_then(|mut meter| {
        meter.joules(roots, Duration::ZERO)?;
        meter.joules(roots, second)
    });
    match outcome {
        Ok(it) => {
            assert!(it.joules.is_finite() && it.low >= 0.0, "{it:?}");
            assert!(it.low <= it.joules && it.joules <= it.high, "{it:?}");
        }
        Err(why) => hold_complaint(&why.to_string()),
    }
}

/// A collector of the agent's own, on nothing.
pub(super) fn collect_own(mut collector: impl Collector) {
    let mut samples = Samples::default();
    let outcome = collector.collect(&Roots::default(), &mut samples);
    assert!(outcome.is_ok(), "{outcome:?}");
    hold_page(&mut samples);
}
