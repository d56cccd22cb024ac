//! Corners that cannot be read, and what costs only its collector.

use std::{fs, path::Path, process::Command};

use holdfast::collectors;

use super::{metrics, page, scrape, value};
use crate::beside::{agent_by, machine, parse, state, tree};

#[test]
fn runs_faults_and_drills_are_told_from_the_index() {
    let (machine, state) = (machine(), state());
    let page = parse(&page(&mut scrape(machine.path(), state.path())));
    let value = |name: &str, labels: &str| value(&page, name, labels);
    assert_eq!(value("holdfast_runs_total", "{kind=\"scenario\",verdict=\"pass\"}"), Some(3.0));
    assert_eq!(value("holdfast_runs_total", "{kind=\"drill\",verdict=\"pass\"}"), Some(0.0));
    let pause = "{fault=\"process_pause\",run=\"r-0007\"}";
    assert_eq!(value("holdfast_fault_active", pause), Some(2.0));
    assert_eq!(value("holdfast_fault_stuck", pause), Some(1.0));
    let since = "holdfast_fault_active_since_timestamp_seconds";
    assert_eq!(value(since, pause), Some(1_700_000_105.0));
    let last = "holdfast_run_last_verdict";
    assert_eq!(value(last, "{kind=\"drill\",verdict=\"fail\"}"), Some(1.0));
    assert_eq!(value(last, "{kind=\"drill\",verdict=\"pass\"}"), Some(0.0));
    assert_eq!(value("holdfast_drill_last_rto_seconds", "{bound=\"high\"}"), Some(5.02));
    assert_eq!(value("holdfast_drill_last_lost_writes", ""), Some(12.0));
    assert_eq!(value("holdfast_runs_index_readable", ""), Some(1.0));
}

#[test]
fn a_drill_that_measured_nothing_does_not_borrow_the_figures_of_an_earlier_one() {
    let (machine, state) = (machine(), state());
    let file = state.path().join("index.json");
    let mut index: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let aborted = serde_json::json!({
        "run": "r-0008", "kind": "drill", "title": "Aborted", "verdict": "inconclusive",
        "began": 1_700_000_000.0, "ended": 1_700_000_001.0,
    });
    index["last"].as_array_mut().unwrap().push(aborted);
    fs::write(&file, index.to_string()).unwrap();
    let page = parse(&page(&mut scrape(machine.path(), state.path())));
    let verdict = "{kind=\"drill\",verdict=\"inconclusive\"}";
    assert_eq!(value(&page, "holdfast_run_last_verdict", verdict), Some(1.0));
    assert!(page.keys().all(|name| !name.starts_with("holdfast_drill_last_")));
}

#[test]
fn no_index_means_no_runs_but_an_index_that_makes_no_sense_means_nothing() {
    let (machine, state) = (machine(), tempfile::tempdir().unwrap());
    let mut scrape = scrape(machine.path(), state.path());
    let zero = parse(&page(&mut scrape));
    assert_eq!(zero["holdfast_runs_total"].rows.len(), 6);
    assert!(zero["holdfast_runs_total"].rows.values().all(|it| *it == 0.0));
    assert!(!zero.contains_key("holdfast_run_last_verdict"));
    let index = state.path().join("index.json");
    let whole = fs::read_to_string(tree("tests/fixtures/index.json")).unwrap();
    let truncated = &whole[..whole.len() / 2];
    let newer = whole.replace("\"version\": 1", "\"version\": 2");
    for bad in ["", "{}", "null", "\u{0}\u{1}", truncated, &newer, &" ".repeat(2 << 20)] {
        fs::write(&index, bad).unwrap();
        let page = parse(&page(&mut scrape));
        assert_eq!(value(&page, "holdfast_runs_index_readable", ""), Some(0.0), "{bad:.20}");
        let success = value(&page, "node_scrape_collector_success", "{collector=\"runs\"}");
        assert_eq!(success, Some(0.0));
        assert!(!page.contains_key("holdfast_runs_total"), "zeros would be a lie");
        assert!(page.contains_key("node_load1"), "the rest is whole");
    }
    // As the runner writes it: whole, by rename.
    let next = state.path().join("next");
    fs::write(&next, &whole).unwrap();
    fs::rename(&next, &index).unwrap();
    let again = parse(&page(&mut scrape));
    assert_eq!(value(&again, "holdfast_runs_index_readable", ""), Some(1.0));
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    let folder = parse(&page(&mut scrape));
    assert_eq!(value(&folder, "holdfast_runs_index_readable", ""), Some(0.0));
}

#[test]
fn an_agent_that_may_read_the_index_alone_needs_no_more() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    let (folder, state) = (tempfile::tempdir().unwrap(), state());
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let runs = state.path().join("runs");
    fs::create_dir(&runs).unwrap();
    mode(&runs, 0o700);
    mode(&state.path().join("index.json"), 0o644);
    mode(state.path(), 0o711);
    mode(folder.path(), 0o755);
    // A copy that others may run: the build folder may be nobody else's business.
    let program = folder.path().join("holdfast");
    fs::copy(env!("CARGO_BIN_EXE_holdfast"), &program).unwrap();
    mode(&program, 0o755);
    let mut command = Command::new(&program);
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        command.uid(65534).gid(65534);
    }
    let agent = agent_by(command, state.path(), &[]);
    let page = metrics(&agent);
    assert_eq!(value(&page, "holdfast_runs_index_readable", ""), Some(1.0));
    assert_eq!(value(&page, "holdfast_drill_last_lost_writes", ""), Some(12.0));
    mode(&state.path().join("index.json"), 0o000);
    let page = metrics(&agent);
    assert_eq!(value(&page, "holdfast_runs_index_readable", ""), Some(0.0), "known is not seen");
    assert!(!page.contains_key("holdfast_fault_active"));
}

#[test]
fn a_file_that_makes_no_sense_costs_its_collector_and_nothing_else() {
    let state = state();
    let spoilt: [(&str, &str, &str); 30] = [
        ("proc/vmstat", "pgfault many\n", "vmstat"),
        ("proc/net/snmp", "Tcp: InSegs OutSegs\nTcp: 1\n", "netstat"),
        ("proc/net/netstat", "IpExt: InOctets\n", "netstat"),
        ("proc/net/snmp6", "Ip6InOctets\n", "netstat"),
        ("proc/net/sockstat", "TCP: inuse\n", "sockstat"),
        ("proc/pressure/io", "some avg10=0.00\n", "pressure"),
        ("proc/sys/fs/file-nr", "1024\n", "filefd"),
        ("proc/sys/kernel/random/poolsize", "\n", "entropy"),
        ("proc/sys/net/netfilter/nf_conntrack_max", "all\n", "conntrack"),
        ("proc/net/stat/nf_conntrack", "entries found\n0 zz\n", "conntrack"),
        ("proc/net/softnet_stat", "00015c73\n", "softnet"),
        ("proc/schedstat", "cpu0 1 2 3\n", "schedstat"),
        ("proc/net/arp", "heading\nnonsense\n", "arp"),
        ("proc/net/udp", "heading\n0: 0 0 7 q\n", "udp_queues"),
        ("proc/net/tcp", "heading\n0: 0 0 FF 0:0\n", "tcpstat"),
        ("proc/sys/kernel/pid_max", "-\n", "processes"),
        ("proc/interrupts", "CPU0 CPU1\n0: 1 x PIC timer\n", "interrupts"),
        ("proc/sys/kernel/hung_task_detect_count", "few\n", "kernel_hung"),
        ("proc/mdstat", "md0 : sleeping raid1\n", "mdadm"),
        ("sys/class/net/eth0/mtu", "wide\n", "netclass"),
        ("sys/class/thermal/thermal_zone0/temp", "hot\n", "thermal_zone"),
        ("sys/devices/system/edac/mc/mc0/ce_count", "some\n", "edac"),
        ("proc/stat", "cpu  x", "stat"),
        ("proc/stat", "", "cpu"),
        ("proc/meminfo", "MemTotal: many kB\n", "meminfo"),
        ("proc/loadavg", "0.1 0.2\n", "loadavg"),
        ("proc/diskstats", "8 0 sda 1 2 3\n", "diskstats"),
        ("proc/net/dev", "a\nb\neth0: 1 2 3\n", "netdev"),
        ("proc/1/mounts", "nonsense\n", "filesystem"),
        ("sys/devices/system/cpu/isolated", "all of them\n", "cpu"),
    ];
    for (file, text, collector) in spoilt {
        let machine = machine();
        let mut scrape = scrape(machine.path(), state.path());
        assert!(page(&mut scrape).contains("node_load1 "));
        fs::write(machine.path().join(file), text).unwrap();
        let page = parse(&page(&mut scrape));
        let success = &page["node_scrape_collector_success"].rows;
        let at = format!("{{collector=\"{collector}\"}}");
        assert_eq!(success.get(&at), Some(&0.0), "{file}");
        let failed = success.values().filter(|it| **it == 0.0).count();
        assert!(failed <= if file == "proc/stat" { 2 } else { 1 }, "{file}: {success:?}");
        assert!(page.contains_key("node_uname_info") && page.contains_key("holdfast_build_info"));
    }
}

#[test]
fn devices_that_vanish_are_gone_from_the_page_and_may_come_back() {
    let (machine, state) = (machine(), state());
    let mut scrape = scrape(machine.path(), state.path());
    let file = |inside: &str| machine.path().join("proc").join(inside);
    let all: Vec<(&str, String)> = ["net/dev", "net/arp", "diskstats", "1/mounts"]
        .map(|it| (it, fs::read_to_string(file(it)).unwrap()))
        .into();
    let mut seen = || {
        let page = page(&mut scrape);
        let names = ["\"eth0\"", "\"sda\"", "\"/srv/gone\""];
        names.map(|name| page.lines().filter(|line| line.contains(name)).count())
    };
    let before = seen();
    assert_eq!(before, [37, 26, 1]);
    let class = machine.path().join("sys/class");
    let disk = [machine.path().join("sys/block/sda"), machine.path().join("sda")];
    fs::rename(class.join("net/eth0"), class.join("eth0")).unwrap();
    fs::rename(&disk[0], &disk[1]).unwrap();
    for (inside, text) in &all {
        let kept = |line: &&str| !["eth0", " sda ", "/srv/gone"].iter().any(|it| line.contains(it));
        let rest: Vec<&str> = text.lines().filter(kept).collect();
        fs::write(file(inside), rest.join("\n") + "\n").unwrap();
    }
    assert_eq!(seen(), [0, 0, 0]);
    fs::rename(class.join("eth0"), class.join("net/eth0")).unwrap();
    fs::rename(&disk[1], &disk[0]).unwrap();
    for (inside, text) in &all {
        fs::write(file(inside), text).unwrap();
    }
    assert_eq!(seen(), before);
}

#[test]
fn files_cut_anywhere_or_full_of_noise_never_break_the_page() {
    let state = state();
    let files = [
        "1/mounts",
        "17/stat",
        "diskstats",
        "interrupts",
        "loadavg",
        "mdstat",
        "meminfo",
        "net/dev",
        "net/netstat",
        "net/snmp",
        "net/snmp6",
        "net/sockstat",
        "net/softnet_stat",
        "net/stat/nf_conntrack",
        "net/tcp",
        "net/udp",
        "pressure/io",
        "schedstat",
        "stat",
        "vmstat",
    ];
    for file in files {
        let machine = machine();
        let path = machine.path().join("proc").join(file);
        let whole = fs::read(&path).unwrap();
        let mut scrape = scrape(machine.path(), state.path());
        let mut noise: u64 = 0x9e37_79b9_7f4a_7c15;
        for at in 0..40 {
            let mut bytes = whole[..whole.len() * at / 40].to_vec();
            for _ in 0..at {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (place, byte) = ((noise >> 33) as usize, noise.to_le_bytes()[5]);
                let length = bytes.len().max(1);
                if let Some(it) = bytes.get_mut(place % length) {
                    *it = byte;
                }
            }
            fs::write(&path, &bytes).unwrap();
            let page = parse(&page(&mut scrape));
            assert_eq!(page["node_scrape_collector_success"].rows.len(), collectors::ALL.len());
            let finite = page.iter().filter(|(name, _)| name.starts_with("node_"));
            let rows = finite.flat_map(|(_, family)| &family.rows);
            rows.for_each(|(labels, it)| assert!(it.is_finite(), "{file}: {labels} {it}"));
        }
    }
}
