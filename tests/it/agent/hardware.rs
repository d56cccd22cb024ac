//! What this machine lacks, as RAID, fans and batteries: from the fixture machine's files.

use std::collections::BTreeMap;

use super::{metrics, node_exporter_with, page, scrape, value};
use crate::beside::{agent_on, get, machine, parse, state, tool};

/// Collectors that read nothing but the files, in `node_exporter`, too.
const OF_FILES: [&str; 24] = [
    "arp",
    "bonding",
    "conntrack",
    "cpufreq",
    "dmi",
    "edac",
    "entropy",
    "filefd",
    "hwmon",
    "interrupts",
    "mdadm",
    "meminfo",
    "netclass",
    "netstat",
    "os",
    "powersupplyclass",
    "pressure",
    "processes",
    "rapl",
    "schedstat",
    "sockstat",
    "thermal_zone",
    "udp_queues",
    "vmstat",
];

#[test]
fn the_same_files_say_the_same_to_node_exporter() {
    let Some(theirs) = tool("prometheus-node-exporter", "prometheus-node-exporter") else { return };
    let (machine, state) = (machine(), state());
    let roots = [("procfs", "proc"), ("sysfs", "sys"), ("rootfs", "root")];
    let path = |(flag, inside)| format!("--path.{flag}={}", machine.path().join(inside).display());
    let theirs = node_exporter_with(&theirs, &OF_FILES, &roots.map(path));
    let theirs = parse(&get(theirs.address, "/metrics").body);
    let ours = metrics(&agent_on(machine.path(), state.path()));
    let mut compared = 0;
    for (name, family) in theirs.iter().filter(|(name, _)| name.starts_with("node_")) {
        if name == "node_exporter_build_info" || name.contains("_scrape_") {
            continue;
        }
        let mine = ours.get(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(mine.kind, family.kind, "{name}");
        let labels = |rows: &BTreeMap<String, f64>| rows.keys().cloned().collect::<Vec<_>>();
        assert_eq!(labels(&mine.rows), labels(&family.rows), "{name}");
        for (labels, theirs) in &family.rows {
            let mine = mine.rows[labels];
            assert!(
                (mine - theirs).abs() <= 1e-9 * theirs.abs(),
                "{name}{labels}: {mine} {theirs}"
            );
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn connections_are_counted_by_state_and_a_listener_has_no_bytes_to_send() {
    let (machine, state) = (machine(), state());
    let page = parse(&page(&mut scrape(machine.path(), state.path())));
    let states = &page["node_tcp_connection_states"].rows;
    let all: Vec<_> = states.iter().map(|(label, count)| format!("{label} {count}")).collect();
    let expected = [
        "{state=\"established\"} 1",
        "{state=\"listen\"} 2",
        "{state=\"rx_queued_bytes\"} 3",
        "{state=\"syn_recv\"} 1",
        "{state=\"time_wait\"} 1",
        "{state=\"tx_queued_bytes\"} 21",
    ];
    assert_eq!(all, expected);
}

#[test]
fn a_kernel_without_a_feature_is_no_failure() {
    let (machine, state) = (machine(), state());
    let gone = ["proc/pressure", "proc/sys/net", "sys/class/hwmon", "sys/class/thermal"];
    for folder in gone {
        std::fs::remove_dir_all(machine.path().join(folder)).unwrap();
    }
    for file in ["schedstat", "mdstat", "net/snmp6", "net/tcp6", "net/arp", "interrupts"] {
        std::fs::remove_file(machine.path().join("proc").join(file)).unwrap();
    }
    let page = parse(&page(&mut scrape(machine.path(), state.path())));
    let success = &page["node_scrape_collector_success"].rows;
    assert!(success.values().all(|it| *it > 0.5), "{success:?}");
    assert!(!page.contains_key("node_hwmon_chip_names") && !page.contains_key("node_md_disks"));
    assert_eq!(value(&page, "node_netstat_Icmp_OutMsgs", ""), Some(120.0));
}
