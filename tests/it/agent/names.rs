//! The names that public dashboards and alerts ask for, against what is exported.

use std::{collections::BTreeMap, fs};

use super::{page, scrape, systemd};
use crate::beside::{Family, agent, get, machine, parse, state, tool, tree, until};

/// Names that no machine of ours exports, and why.
const NOT_FOR_US: [(&str, &str); 7] = [
    (
        "node_kernel_hung_tasks",
        "a slip of the dashboard: node_exporter calls it node_kernel_hung_tasks_total, and so do we",
    ),
    ("node_memory_available_bytes", "of AIX"),
    ("node_memory_compressed_bytes", "of macOS"),
    ("node_memory_internal_bytes", "of macOS"),
    ("node_memory_purgeable_bytes", "of macOS"),
    ("node_memory_total_bytes", "of AIX and macOS"),
    ("node_memory_wired_bytes", "of macOS"),
];

/// Those that are the agent's own, and need one that runs.
const OF_THE_AGENT: [&str; 7] = [
    "node_textfile_scrape_error",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
    "node_exporter_build_info",
];

/// Name and type.
fn asked() -> Vec<(String, String)> {
    let text = fs::read_to_string(tree("tests/fixtures/asked_names.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let words = lines.map(|line| line.split_once(' ').unwrap());
    words.map(|(name, it)| (name.to_owned(), it.split(' ').next().unwrap().to_owned())).collect()
}

#[test]
fn every_name_that_dashboards_ask_for_is_exported_by_a_known_machine() {
    let (machine, state) = (machine(), state());
    let bus = tool("dbus-daemon", "dbus-daemon").map(|it| systemd::on(&it, machine.path()));
    let mut known = parse(&page(&mut scrape(machine.path(), state.path())));
    let running = agent(state.path(), &[]);
    let own = parse(&get(running.address, "/metrics").body);
    known.extend(own.into_iter().filter(|(name, _)| OF_THE_AGENT.contains(&name.as_str())));
    let asked = asked();
    assert!(asked.len() > 230, "{}", asked.len());
    let mut missing: Vec<&str> = Vec::new();
    for (name, kind) in &asked {
        match known.get(name) {
            Some(family) => assert_eq!(&family.kind, kind, "{name}"),
            None if name.starts_with("node_systemd_") && bus.is_none() => {}
            None => missing.push(name),
        }
    }
    assert_eq!(missing, NOT_FOR_US.map(|it| it.0), "also what is there in spite of its reason");
}

/// This machine lacks some hardware and kernel options; whatever it has must be told.
#[test]
fn every_name_that_this_machine_has_files_for_is_exported_here() {
    let state = state();
    let running = agent(state.path(), &[]);
    let has = asked().into_iter().map(|it| it.0).filter(|it| is_here(it)).collect::<Vec<_>>();
    assert!(has.len() > 100, "{has:?}");
    until("all of them are exported", || {
        let page: BTreeMap<String, Family> = parse(&get(running.address, "/metrics").body);
        let missing: Vec<_> = has.iter().filter(|name| !page.contains_key(*name)).collect();
        if !missing.is_empty() {
            eprintln!("missing: {missing:?}");
        }
        missing.is_empty().then_some(())
    });
}

/// Whether this machine has the file that tells it.
fn is_here(name: &str) -> bool {
    let there = |file: &str| fs::read(file).is_ok_and(|it| !it.is_empty());
    let some = |folder: &str| fs::read_dir(folder).is_ok_and(|it| it.count() > 0);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    match name {
        it if NOT_FOR_US.iter().any(|(name, _)| *name == it) => false,
        it if it.starts_with("node_memory_") => {
            let field = it.trim_start_matches("node_memory_").trim_end_matches("_bytes");
            let field = match field.strip_suffix("_anon").or(field.strip_suffix("_file")) {
                Some(stem) => format!("\n{stem}({})", &field[stem.len() + 1..]),
                None => format!("\n{field}"),
            };
            format!("\n{meminfo}").contains(&format!("{field}:"))
        }
        it if it.starts_with("node_pressure_irq") => there("/proc/pressure/irq"),
        it if it.starts_with("node_pressure_") => there("/proc/pressure/cpu"),
        it if it.starts_with("node_schedstat_") => there("/proc/schedstat"),
        it if it.starts_with("node_nf_conntrack_") => {
            there("/proc/sys/net/netfilter/nf_conntrack_count")
        }
        it if it.starts_with("node_cpu_") || it.starts_with("node_load") => {
            !it.contains("_scaling_") && there("/proc/stat")
        }
        it if it.starts_with("node_network_") => !it.contains("_speed_") && some("/sys/class/net"),
        it if it.starts_with("node_vmstat_") => {
            let field = it.trim_start_matches("node_vmstat_");
            let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
            text.lines().any(|line| line.split(' ').next() == Some(field))
        }
        it if it.starts_with("node_timex_") || it.starts_with("process_") => true,
        it if it.starts_with("node_filefd_") => there("/proc/sys/fs/file-nr"),
        _ => false,
    }
}
