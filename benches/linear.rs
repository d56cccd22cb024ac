//! What a scrape costs on machines with 10, 100, 1,000 and 4,000 disks, interfaces, mounts, control
//! groups and processes: it must grow with their number, and not with its square.
//!
//! `cargo bench --bench linear`
//!
//! The machines are folders made for this. Their network devices are files, of which there are two
//! dozen each; a real kernel tells most of that over netlink.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench is outside the wall, and prints"
)]

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, sync::Arc, time::Duration};

use holdfast::{
    agent::{
        negotiate::Format,
        scrape::{Entry, Filter, Scrape},
    },
    collector::Setup,
    collectors::{
        self,
        cgroups::{self, Cgroups},
    },
    export::Card,
    world::roots::Roots,
};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

const NUMBERS: [usize; 4] = [10, 100, 1_000, 4_000];
const ROUNDS: u32 = 9;
/// A round takes about so long, whatever a scrape takes.
const ROUND: Duration = Duration::from_millis(60);
const DEADLINE: Duration = Duration::from_secs(10);

/// What there are many of, who looks at them, and how a machine with so many is made.
type Subject = (&'static str, &'static [&'static str], fn(&Path, usize));

const SUBJECTS: [Subject; 5] = [
    ("disks", &["diskstats"], disks),
    ("interfaces", &["netclass", "netdev"], interfaces),
    ("mounts", &["filesystem"], mounts),
    ("control groups", &["cgroups"], groups),
    ("processes", &["processes", "top"], processes),
];

fn main() {
    println!("| | collectors | 10 | 100 | 1,000 | 4,000 | each, to 100 | to 1,000 | to 4,000 |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, names, make) in SUBJECTS {
        let [ten, hundred, thousand, four] = NUMBERS.map(|number| {
            let machine = tempfile::tempdir().expect("a temporary folder");
            make(machine.path(), number);
            figure(&machine, number, names)
        });
        let ms = |it: f64| format!("{:.2} ms", it * 1e3);
        let each = |more: f64, number: f64| format!("{:.1} µs", more * 1e6 / number);
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
            names.join(", "),
            ms(ten),
            ms(hundred),
            ms(thousand),
            ms(four),
            each(hundred - ten, 90.0),
            each(thousand - hundred, 900.0),
            each(four - thousand, 3_000.0),
        );
    }
}

/// Seconds of processor time a scrape: the median of the rounds.
fn figure(machine: &TempDir, number: usize, names: &[&str]) -> f64 {
    let path = |inside: &str| machine.path().join(inside);
    let roots = Roots::new(path("proc"), path("sys"), path("root"));
    let mut entries: Vec<Entry> = collectors::ALL
        .iter()
        .filter(|kind| kind.about.name != "cgroups" && names.contains(&kind.about.name))
        .map(|kind| Entry::of(kind, &Setup::default()))
        .collect();
    if names.contains(&"cgroups") {
        // As many as there are; an agent shows a hundred at most.
        let card = Card { about: cgroups::KIND.about, exports: cgroups::KIND.exports };
        entries.push(Entry::own(card, move || Cgroups::new(number)));
    }
    let names: BTreeSet<String> = names.iter().map(|it| (*it).to_owned()).collect();
    let filter = Filter::Only(names);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = Arc::new(runtime.expect("a runtime"));
    let mut scrape = Scrape::new(entries, roots, DEADLINE).expect("threads");
    let mut page = || {
        let page = runtime.block_on(scrape.page(&filter, Format::Text)).expect("a page");
        assert!(!page.contains("_success{collector=\"") || !page.contains("\"} 0\n"), "{page}");
    };
    let mut measure = |times: u32| {
        let before = seconds();
        (0..times).for_each(|_| page());
        (seconds() - before) / f64::from(times)
    };
    let one = measure(1).min(measure(1)).min(measure(1)).max(1e-6);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 60,000")]
    let times = (ROUND.as_secs_f64() / one).clamp(1.0, 10_000.0) as u32;
    let mut all: Vec<f64> = (0..ROUNDS).map(|_| measure(times)).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Processor time of all threads of this process.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let time = Duration::try_from(time).expect("a process has not lived for less than no time");
    time.as_secs_f64()
}

fn put(machine: &Path, file: &str, text: &str) {
    let file = machine.join(file);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(file, text).expect("a file");
}

fn disks(machine: &Path, number: usize) {
    let mut table = String::new();
    for n in 0..number {
        let name = format!("nvme{n}n1");
        let counts = "900100 12 72008000 81000 500200 99 40016000 62000 0 70111 143000 1 2 3 4 5 6";
        writeln!(table, " 259 {n} {name} {counts}").expect("a string takes all");
        let udev = "E:ID_MODEL=Model_of_a_disk\nE:ID_SERIAL_SHORT=S000000\nE:ID_REVISION=1\n";
        put(machine, &format!("root/run/udev/data/b259:{n}"), udev);
    }
    put(machine, "proc/diskstats", &table);
}

fn interfaces(machine: &Path, number: usize) {
    let mut table = "Inter-|   Receive\n face |bytes\n".to_owned();
    let numbers = [
        "addr_assign_type",
        "carrier",
        "carrier_changes",
        "carrier_up_count",
        "dormant",
        "dev_id",
        "carrier_down_count",
        "flags",
        "iflink",
        "link_mode",
        "mtu",
        "name_assign_type",
        "netdev_group",
        "speed",
        "tx_queue_len",
        "type",
        "statistics/rx_nohandler",
    ];
    let words = [
        ("operstate", "up"),
        ("address", "02:00:00:00:00:01"),
        ("broadcast", "ff:ff:ff:ff:ff:ff"),
        ("duplex", "full"),
        ("ifalias", ""),
    ];
    for n in 0..number {
        let folder = format!("sys/class/net/veth{n}");
        for file in numbers {
            put(machine, &format!("{folder}/{file}"), "1\n");
        }
        for (file, said) in words {
            put(machine, &format!("{folder}/{file}"), &format!("{said}\n"));
        }
        put(machine, &format!("{folder}/ifindex"), &format!("{n}\n"));
        let counts = "35194 53 0 0 0 0 0 0 35194 53 0 0 0 0 0 0";
        writeln!(table, "veth{n}: {counts}").expect("a string takes all");
    }
    put(machine, "proc/net/dev", &table);
}

fn mounts(machine: &Path, number: usize) {
    let mut table = String::new();
    for n in 0..number {
        writeln!(table, "/dev/sd{n} /srv/{n} ext4 rw,relatime 0 0").expect("a string takes all");
        fs::create_dir_all(machine.join(format!("root/srv/{n}"))).expect("a folder");
    }
    put(machine, "proc/1/mounts", &table);
}

fn groups(machine: &Path, number: usize) {
    put(machine, "sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
    for n in 0..number {
        let folder = format!("sys/fs/cgroup/system.slice/unit{n}.service");
        let cpu = "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nthrottled_usec 0\n";
        let io = "8:0 rbytes=1000 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n";
        for (file, said) in [
            ("cpu.stat", cpu),
            ("memory.current", "4096\n"),
            ("memory.max", "max\n"),
            ("memory.events", "oom 0\noom_kill 0\n"),
            ("io.stat", io),
            ("pids.current", "7\n"),
        ] {
            put(machine, &format!("{folder}/{file}"), said);
        }
    }
}

fn processes(machine: &Path, number: usize) {
    for n in 1..=number {
        let stat = format!("{n} (program{}) S 1 1 1 0 -1 4 9 0 0 0 31 12 0 0 20 0", n % 50);
        let stat = format!("{stat} 1 0 4242 1000000 250 1\n");
        put(machine, &format!("proc/{n}/stat"), &stat);
    }
    put(machine, "proc/sys/kernel/pid_max", "4194304\n");
    put(machine, "proc/sys/kernel/threads-max", "100000\n");
}
