//! What users leave out and let through with patterns, held against `node_exporter`.

use std::collections::BTreeMap;

use super::{node_exporter_at, page, scrape, value};
use crate::beside::{Family, agent, get, machine, parse, state, tool};

/// Patterns that Debian's `node_exporter` knows, too, and what they are about.
const SAID: [(&str, &[&str]); 11] = [
    ("arp", &["--collector.arp.device-exclude=^eth"]),
    ("diskstats", &["--collector.diskstats.device-exclude=^(loop|sd[ab])"]),
    (
        "diskstats",
        &["--collector.diskstats.device-exclude=", "--collector.diskstats.device-include=^s"],
    ),
    ("diskstats", &["--collector.diskstats.ignored-devices=sd"]),
    ("netclass", &["--collector.netclass.ignored-devices=^(lo|bond.*)$"]),
    ("netdev", &["--collector.netdev.device-exclude=o"]),
    // Debian's leaves some out by default.
    (
        "netdev",
        &["--collector.netdev.device-exclude=", "--collector.netdev.device-include=^eth[0-9]$"],
    ),
    ("netstat", &["--collector.netstat.fields=^(Tcp_.*|Udp6?_In\\w+|IpExt_.*)$"]),
    ("netstat", &["--collector.netstat.fields="]),
    ("powersupplyclass", &["--collector.powersupply.ignored-supplies=^BAT\\d$"]),
    ("vmstat", &["--collector.vmstat.fields=^(nr_|pg.*in$)"]),
];

fn rows(page: &BTreeMap<String, Family>) -> Vec<String> {
    let of_node = page.iter().filter(|(name, _)| {
        let own = name.contains("_scrape_") || *name == "node_exporter_build_info";
        // Debian's reads it from netlink only, which knows nothing of this machine.
        name.starts_with("node_") && !own && !name.contains("_nohandler_")
    });
    of_node.flat_map(|(name, it)| it.rows.iter().map(move |row| format!("{name}{row:?}"))).collect()
}

#[test]
fn patterns_choose_what_they_choose_in_node_exporter() {
    let Some(theirs) = tool("prometheus-node-exporter", "prometheus-node-exporter") else { return };
    let (machine, state) = (machine(), state());
    let path = |inside: &str| machine.path().join(inside).display().to_string();
    let roots = [("procfs", "proc"), ("sysfs", "sys"), ("rootfs", "root")];
    let roots = roots.map(|(flag, inside)| format!("--path.{flag}={}", path(inside)));
    for (collector, patterns) in SAID {
        let mut args: Vec<String> = roots.to_vec();
        args.extend(patterns.iter().map(|it| (*it).to_owned()));
        let only = ["--collector.disable-defaults".to_owned(), format!("--collector.{collector}")];
        let ours: Vec<&str> = args.iter().chain(&only).map(String::as_str).collect();
        let ours = agent(state.path(), &ours);
        let ours = rows(&parse(&get(ours.address, "/metrics").body));
        args.push(format!("--collector.{collector}"));
        args.extend(
            ["--no-collector.netdev.netlink".to_owned()]
                .into_iter()
                .filter(|_| collector == "netdev"),
        );
        args.extend(["--path.udev.data".to_owned(), path("root/run/udev/data")]);
        let theirs = node_exporter_at(&mut std::process::Command::new(&theirs), &args);
        let theirs = rows(&parse(&get(theirs.address, "/metrics").body));
        assert!(!theirs.is_empty(), "{patterns:?}");
        assert_eq!(ours, theirs, "{patterns:?}");
    }
}

#[test]
fn what_debians_node_exporter_does_not_know_is_chosen_as_the_newer_one_does() {
    let (machine, state) = (machine(), state());
    let all = parse(&page(&mut scrape(machine.path(), state.path())));
    let path = |inside: &str| machine.path().join(inside).display().to_string();
    let seen = |pattern: &str| {
        let (proc, sys, root) = (path("proc"), path("sys"), path("root"));
        let roots = ["--path.procfs", &proc, "--path.sysfs", &sys, "--path.rootfs", &root];
        let agent = agent(state.path(), &[&roots[..], &[pattern]].concat());
        parse(&get(agent.address, "/metrics").body)
    };
    let labels = |page: &BTreeMap<String, Family>, name: &str| -> Vec<String> {
        page.get(name).map_or_else(Vec::new, |it| it.rows.keys().cloned().collect())
    };
    let points = seen("--collector.filesystem.mount-points-include=^/srv");
    let shown = labels(&points, "node_filesystem_device_error");
    assert!(!shown.is_empty() && shown.iter().all(|it| it.contains("mountpoint=\"/srv")));
    let kinds = seen("--collector.filesystem.fs-types-exclude=^(ext4|xfs|proc|sysfs)$");
    let shown = labels(&kinds, "node_filesystem_device_error");
    assert!(shown.iter().all(|it| !it.contains("fstype=\"ext4\"")), "{shown:?}");
    let chips = labels(&all, "node_hwmon_chip_names");
    let chip = chips[0].split('"').nth(1).unwrap();
    let without = seen(&format!("--collector.hwmon.chip-exclude=^{chip}$"));
    let expected: Vec<_> =
        chips.iter().filter(|it| !it.contains(&format!("\"{chip}\""))).cloned().collect();
    assert_eq!(labels(&without, "node_hwmon_chip_names"), expected);
    let timers = seen("--collector.interrupts.name-include=^LOC;");
    let shown = labels(&timers, "node_interrupts_total");
    assert!(!shown.is_empty() && shown.iter().all(|it| it.contains("type=\"LOC\"")), "{shown:?}");
    assert_eq!(value(&all, "node_load1", ""), value(&timers, "node_load1", ""));
}
