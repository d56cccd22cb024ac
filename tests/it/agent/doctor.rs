//! What the agent says of itself: which names it can bring, and why some are missing here.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Output},
};

use holdfast::{
    agent::{
        negotiate::Format,
        scrape::{Entry, Filter, Scrape},
    },
    collector::Setup,
    collectors,
    export::fits,
    world::roots::Roots,
};
use serde_json::Value;

use crate::beside::{copy, machine, state, tree};

fn look(state: &Path, what: &[&str], machine: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("--state").arg(state).arg("agent").args(what);
    if let Some(machine) = machine {
        for (flag, inside) in [("procfs", "proc"), ("sysfs", "sys"), ("rootfs", "root")] {
            command.arg(format!("--path.{flag}")).arg(machine.join(inside));
        }
    }
    command.output().unwrap()
}

fn doctor(state: &Path, machine: Option<&Path>, more: &[&str]) -> (Option<i32>, Value) {
    let what = [&["doctor", "--json"], more].concat();
    let output = look(state, &what, machine);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let findings = serde_json::from_slice(&output.stdout);
    assert!(findings.is_ok(), "{findings:?}: {said}");
    (output.status.code(), findings.unwrap())
}

/// Why a name is missing, what gives it, and how things stand.
fn about<'a>(findings: &'a Value, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let missing = findings["missing"].as_array().unwrap();
    let has = |it: &&Value| it["names"].as_array().unwrap().iter().any(|it| it == name);
    let it = missing.iter().find(has)?;
    let text = |key: &str| it[key].as_str().unwrap();
    Some((text("why"), text("takes"), text("state")))
}

#[test]
fn the_doctor_of_a_known_machine_says_of_each_missing_name_what_gives_it() {
    let (machine, state) = (machine(), state());
    let meminfo = machine.path().join("proc/meminfo");
    let said = fs::read_to_string(&meminfo).unwrap();
    let less = said.split_inclusive('\n').filter(|it| !it.starts_with("HardwareCorrupted"));
    fs::write(&meminfo, less.collect::<String>()).unwrap();
    let (code, whole) = doctor(state.path(), Some(machine.path()), &[]);
    assert_eq!(code, Some(0), "{whole:#}");
    assert_eq!(about(&whole, "node_pressure_irq_stalled_seconds_total"), None, "it is there");
    let (why, takes, state_of) = about(&whole, "node_memory_HardwareCorrupted_bytes").unwrap();
    assert!(why.contains("meminfo` has no `HardwareCorrupted`"), "{why}");
    assert!(takes.contains("CONFIG_MEMORY_FAILURE") && state_of == "absent", "{takes}");
    let gone = [
        ("proc/pressure/irq", "node_pressure_irq_stalled_seconds_total", "IRQ_TIME_ACCOUNTING"),
        ("proc/schedstat", "node_schedstat_running_seconds_total", "CONFIG_SCHEDSTATS"),
        ("proc/net/snmp6", "node_netstat_Ip6_InOctets", "ipv6.disable"),
        ("proc/sys/kernel/hung_task_detect_count", "node_kernel_hung_tasks_total", "Linux 6.13"),
    ];
    for (file, name, gives) in gone {
        fs::remove_file(machine.path().join(file)).unwrap();
        let (_, findings) = doctor(state.path(), Some(machine.path()), &[]);
        let found = about(&findings, name);
        assert!(found.is_some(), "{name} is there");
        let (why, takes, _) = found.unwrap();
        let named = file.rsplit_once('/').unwrap().1;
        assert!(why.contains("there is no") && why.contains(named), "{name}: {why}");
        assert!(takes.contains(gives), "{name}: {takes}");
    }
    fs::remove_dir_all(machine.path().join("sys/class/hwmon")).unwrap();
    let (_, findings) = doctor(state.path(), Some(machine.path()), &[]);
    let (why, takes, _) = about(&findings, "node_hwmon_temp_celsius").unwrap();
    assert!(why.contains("class/hwmon") && takes.contains("virtual machines"), "{why} {takes}");
}

#[test]
fn what_cannot_be_read_is_amiss_and_what_was_switched_off_says_so() {
    let (machine, state) = (machine(), state());
    // A file that says nothing of the kind, for whoever reads it: root may read everything.
    fs::write(machine.path().join("proc/loadavg"), "nonsense\n").unwrap();
    let off = ["--no-collector.cpu"];
    let (code, findings) = doctor(state.path(), Some(machine.path()), &off);
    assert_eq!(code, Some(1));
    let (why, _, how) = about(&findings, "node_load1").unwrap();
    assert!(why.starts_with("the collector failed: could not ") && how == "amiss", "{why}");
    let (why, takes, how) = about(&findings, "node_cpu_seconds_total").unwrap();
    assert_eq!((why, how), ("it is switched off", "off"));
    assert!(takes.contains("--no-collector.cpu"), "{takes}");
    let file = state.path().join("agent.yml");
    fs::write(&file, "collectors: {netdev: off}\n").unwrap();
    let path = file.display().to_string();
    let more = ["--config.file", &path];
    let (_, findings) = doctor(state.path(), Some(machine.path()), &more);
    let (_, _, how) = about(&findings, "node_network_receive_bytes_total").unwrap();
    assert_eq!(how, "off");
    fs::write(&file, "collectors: {netdef: off}\n").unwrap();
    let refused = look(state.path(), &["doctor", "--config.file", &path], Some(machine.path()));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("agent.yml:1:") && said.contains("did you mean `netdev`"), "{said}");
}

#[test]
fn the_doctor_sees_this_machine_with_its_meters() {
    let state = state();
    let (code, findings) = doctor(state.path(), None, &[]);
    // A machine where something may not be read, or hangs, is not ours to put right.
    assert!(matches!(code, Some(0 | 1 | 4)), "{code:?}");
    assert!(findings["families"].as_u64().unwrap() > 100, "{findings:#}");
    let meters: Vec<&str> = findings["meters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["method"].as_str().unwrap())
        .collect();
    assert_eq!(meters, ["rapl", "hwmon", "battery", "model"]);
    let words = look(state.path(), &["doctor"], None);
    let text = String::from_utf8(words.stdout).unwrap();
    assert!(text.contains("energy meters") && text.contains("it takes: "), "{text}");
}

#[test]
fn every_collector_is_listed_with_its_names_and_settings() {
    let state = state();
    let file = state.path().join("agent.yml");
    let text =
        "collectors: {netdev: off}\nlimits: {filesystem: {deadline: 250ms, series_max: 9}}\n";
    fs::write(&file, text).unwrap();
    let path = file.display().to_string();
    let output = look(state.path(), &["collectors", "--json", "--config.file", &path], None);
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| all.iter().find(|it| it["name"] == name).unwrap();
    assert!(all.iter().all(|it| !it["summary"].as_str().unwrap().is_empty()));
    assert!(all.iter().all(|it| !it["exports"].as_array().unwrap().is_empty()), "{all:#?}");
    assert_eq!(of("netdev")["on"], false);
    assert_eq!(of("filesystem")["deadline_ms"], 250);
    assert_eq!(of("filesystem")["series_max"], 9);
    assert_eq!(of("loadavg")["exports"][0], "node_load1");
    let words = look(state.path(), &["collectors"], None);
    let text = String::from_utf8(words.stdout).unwrap();
    assert!(text.contains("loadavg (on): ") && text.contains("  node_load1 node_load5"), "{text}");
}

/// The families that one collector brings on a machine.
fn brought(name: &str, machine: Option<&Path>, state: &Path) -> BTreeSet<String> {
    let setup = Setup { state: state.to_owned(), ..Setup::default() };
    let kind = collectors::ALL.iter().find(|it| it.about.name == name).unwrap();
    let roots = machine.map_or_else(Roots::default, |it| {
        Roots::new(it.join("proc"), it.join("sys"), it.join("root"))
    });
    let patience = crate::beside::PATIENCE;
    let mut scrape = Scrape::new(vec![Entry::of(kind, &setup)], roots, patience).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..2 {
        runtime.block_on(scrape.page(&Filter::All, Format::Text)).unwrap();
    }
    let is_theirs = |it: &String| {
        let ours =
            ["process_", "node_scrape_", "holdfast_build", "node_exporter_", "holdfast_series"];
        !ours.iter().any(|start| it.starts_with(start))
    };
    scrape.samples().families().map(|it| it.name().to_owned()).filter(is_theirs).collect()
}

#[test]
fn no_collector_brings_a_name_that_it_does_not_declare() {
    let state = state();
    let groups = tempfile::tempdir().unwrap();
    copy(&tree("tests/fixtures/energy-machine/v2"), groups.path());
    let machines = [None, Some(tree("tests/fixtures/machine")), Some(groups.path().to_owned())];
    let mut undeclared = Vec::new();
    for kind in collectors::ALL {
        let names: Vec<&str> = kind.exports.iter().flat_map(|it| it.names).copied().collect();
        assert!(!names.is_empty(), "{}", kind.about.name);
        for machine in &machines {
            for name in brought(kind.about.name, machine.as_deref(), state.path()) {
                if !names.iter().any(|it| fits(it, &name)) {
                    undeclared.push(format!("{}: {name}", kind.about.name));
                }
            }
        }
    }
    assert_eq!(undeclared, Vec::<String>::new());
}

#[test]
fn no_two_collectors_declare_the_same_name() {
    let all: Vec<(&str, &str)> = collectors::ALL
        .iter()
        .flat_map(|kind| {
            kind.exports.iter().flat_map(|it| it.names).map(|it| (*it, kind.about.name))
        })
        .collect();
    // The machine may say fields of `meminfo` that nobody knows yet; a narrower pattern is not one.
    let is_wider = |it: &str, than: &str| it == "node_memory_*" && than == "node_memory_numa_*";
    for (name, whose) in &all {
        let others = all
            .iter()
            .filter(|(other, by)| by != whose && fits(other, name) && !is_wider(other, name));
        assert_eq!(others.count(), 0, "{name} of {whose}");
    }
}
