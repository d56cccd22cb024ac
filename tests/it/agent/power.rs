//! Energy from the sensors of machines that are folders.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use holdfast::{
    meter::{Energy, Meter},
    meters,
    world::roots::Roots,
};
use tempfile::TempDir;

use super::{metrics, value};
use crate::beside::{
    Beside, Family, agent, agent_on, ask, copy, get, machine, parse, state, tree, until,
};

const TEN: Duration = Duration::from_secs(10);

/// The known machine without RAPL, with these parts of the other.
fn machine_with(part: &str) -> TempDir {
    let machine = machine();
    fs::remove_dir_all(machine.path().join("sys/class/powercap")).unwrap();
    copy(&tree("tests/fixtures/energy-machine").join(part), machine.path());
    machine
}

fn roots(machine: &Path) -> Roots {
    Roots::new(machine.join("proc"), machine.join("sys"), machine.join("root"))
}

fn best(machine: &Path) -> (&'static str, Box<dyn Meter>) {
    let (kind, meter) = meters::best(&roots(machine)).meter.unwrap();
    (kind.about.name, meter)
}

fn write(machine: &Path, file: &str, said: &str) {
    fs::write(machine.join("sys/class").join(file), said).unwrap();
}

fn domains(energy: &Energy) -> Vec<(&str, f64)> {
    energy.domains.iter().map(|it| (it.name.as_str(), (it.joules * 1e6).round() / 1e6)).collect()
}

fn advance_rapl(machine: &Path, psys: &str) {
    write(machine, "powercap/intel-rapl:0/energy_uj", "3000000\n");
    write(machine, "powercap/intel-rapl:0:0/energy_uj", "1500000\n");
    write(machine, "powercap/intel-rapl:0:1/energy_uj", "20000\n");
    write(machine, "powercap/intel-rapl:0:2/energy_uj", "700000\n");
    write(machine, "powercap/intel-rapl:1/energy_uj", psys);
    write(machine, "powercap/intel-rapl-mmio:0/energy_uj", "3000000\n");
}

#[test]
fn zones_that_overlap_are_shown_and_not_added() {
    let machine = machine_with("psys");
    let (method, mut meter) = best(machine.path());
    assert_eq!(method, "rapl");
    advance_rapl(machine.path(), "11000000\n");
    let energy = meter.joules(&roots(machine.path()), TEN).unwrap();
    let parts = [("package-1", 2.0), ("dram-1", 0.5), ("rest-of-platform", 3.5)];
    assert_eq!(domains(&energy), parts, "the sum is what psys counted: 6 J");
    let zones: Vec<_> =
        energy.zones.iter().map(|it| (it.name.as_str(), (it.joules * 1e6).round())).collect();
    let known = [
        ("package-1", 2e6),
        ("package-1/core", 1e6),
        ("package-1/uncore", 1e4),
        ("dram-1", 5e5),
        ("psys", 6e6),
    ];
    assert_eq!(zones, known);
}

#[test]
fn a_platform_counter_that_is_not_wired_takes_nothing_away() {
    let machine = machine_with("psys");
    let (_, mut meter) = best(machine.path());
    advance_rapl(machine.path(), "5000000\n");
    let energy = meter.joules(&roots(machine.path()), TEN).unwrap();
    let parts = [("package-1", 2.0), ("dram-1", 0.5), ("rest-of-platform", 0.0)];
    assert_eq!(domains(&energy), parts);
}

#[test]
fn the_other_way_to_the_same_counters_is_taken_only_where_the_first_is_not_there() {
    let machine = machine_with("psys");
    for zone in ["0", "0:0", "0:1", "0:2", "1"] {
        let folder = machine.path().join(format!("sys/class/powercap/intel-rapl:{zone}"));
        fs::remove_dir_all(folder).unwrap();
    }
    let (method, mut meter) = best(machine.path());
    write(machine.path(), "powercap/intel-rapl-mmio:0/energy_uj", "3000000\n");
    let energy = meter.joules(&roots(machine.path()), TEN).unwrap();
    assert_eq!((method, domains(&energy)), ("rapl", vec![("package-1", 2.0)]));
}

#[test]
fn power_sensors_are_added_only_where_it_is_known_what_they_see() {
    let machine = machine_with("hwmon");
    let (method, mut meter) = best(machine.path());
    assert_eq!(method, "hwmon");
    write(machine.path(), "hwmon/hwmon1/power1_average", "300000000\n");
    let energy = meter.joules(&roots(machine.path()), TEN).unwrap();
    assert_eq!(energy.domains.len(), 1, "the supplies feed the machine: {energy:?}");
    assert!(energy.domains[0].name.starts_with("platform"));
    let bounds = (energy.low, energy.joules, energy.high);
    assert_eq!(bounds, (2000.0, 2500.0, 3000.0), "from 200 W to 300 W in ten seconds");

    fs::remove_dir_all(machine.path().join("sys/class/hwmon/hwmon1")).unwrap();
    let (_, mut meter) = best(machine.path());
    let energy = meter.joules(&roots(machine.path()), TEN).unwrap();
    assert_eq!(energy.domains.len(), 2, "what supplies give is within what they take");
    assert!((energy.joules - 2000.0).abs() < 1e-6, "{energy:?}");

    for supply in ["hwmon2", "hwmon3"] {
        fs::remove_dir_all(machine.path().join("sys/class/hwmon").join(supply)).unwrap();
    }
    let (_, mut meter) = best(machine.path());
    write(machine.path(), "hwmon/hwmon4/energy2_input", "10000000\n");
    let energy = meter.joules(&roots(machine.path()), TEN).unwrap();
    assert_eq!(domains(&energy), [("package-0", 1.0), ("package-1", 0.0)], "cores are within");

    fs::remove_dir_all(machine.path().join("sys/class/hwmon/hwmon4")).unwrap();
    assert_eq!(best(machine.path()).0, "model", "a graphics card is not the machine");
}

#[test]
fn a_battery_tells_what_the_machine_uses_while_it_discharges_and_only_then() {
    let machine = machine_with("battery");
    let (method, mut meter) = best(machine.path());
    assert_eq!(method, "battery");
    write(machine.path(), "power_supply/BAT0/power_now", "-14000000\n");
    let energy = meter.joules(&roots(machine.path()), TEN).unwrap();
    let parts = [("battery-BAT0", 130.0), ("battery-BAT1", 60.0)];
    assert_eq!(domains(&energy), parts, "neither the mouse nor what the UPS feeds");
    assert!((energy.low - 180.0).abs() < 1e-6 && (energy.high - 200.0).abs() < 1e-6);
    write(machine.path(), "power_supply/BAT0/status", "Charging\n");
    let why = meter.joules(&roots(machine.path()), TEN).unwrap_err().to_string();
    assert!(why.contains("on mains it says nothing of the machine"), "{why}");
    assert_eq!(best(machine.path()).0, "model");
    assert!(meters::better(&roots(machine.path()), Some("model")).meter.is_none());
    write(machine.path(), "power_supply/BAT0/status", "Discharging\n");
    let better = meters::better(&roots(machine.path()), Some("model")).meter.unwrap();
    assert_eq!(better.0.about.name, "battery", "a better meter is found when it sees again");
}

#[test]
fn a_meter_that_sees_nothing_says_why_and_figures_are_not_made_up() {
    let machine = machine_with("hwmon");
    for gone in ["sys/class/hwmon", "proc/meminfo"] {
        let path = machine.path().join(gone);
        fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)).unwrap();
    }
    let state = tempfile::tempdir().unwrap();
    let agent = agent_on(machine.path(), state.path());
    let page = until("the meters were tried", || {
        let page = metrics(&agent);
        (page.get("holdfast_energy_meter_unavailable_info")?.rows.len() == 4).then_some(page)
    });
    assert!(!page.contains_key("holdfast_energy_joules_total"));
    assert!(!page.contains_key("holdfast_power_watts"));
    assert_eq!(value(&page, "holdfast_energy_meter_readable", "{method=\"model\"}"), Some(0.0));
    let reasons = &page["holdfast_energy_meter_unavailable_info"].rows;
    let says = |method: &str, word: &str| {
        reasons.keys().any(|it| it.contains(&format!("method=\"{method}\"")) && it.contains(word))
    };
    assert!(says("rapl", "energy counters in"), "{reasons:?}");
    assert!(says("hwmon", "power sensors") && says("battery", "a battery"), "{reasons:?}");
    assert!(says("model", "meminfo"), "{reasons:?}");
}

#[test]
fn what_groups_used_and_idling_are_the_machines_energy_on_the_page() {
    let machine = machine_with("psys");
    copy(&tree("tests/fixtures/energy-machine/v2"), machine.path());
    let state = tempfile::tempdir().unwrap();
    let agent = agent_on(machine.path(), state.path());
    until("a first look", || metrics(&agent).contains_key("holdfast_power_watts").then_some(()));
    // Of 4 s on all processors, 3 s were busy: 2 s of them PostgreSQL, 0.5 s a container.
    let stat = fs::read_to_string(machine.path().join("proc/stat")).unwrap();
    let (first, rest) = stat.split_once('\n').unwrap();
    let mut columns: Vec<u64> =
        first.split_whitespace().skip(1).map(|it| it.parse().unwrap()).collect();
    (columns[0], columns[3]) = (columns[0] + 300, columns[3] + 100);
    let words: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let group = |path: &str, usage: &str| {
        let file = machine.path().join("sys/fs/cgroup").join(path).join("cpu.stat");
        fs::write(file, format!("usage_usec {usage}\n")).unwrap();
    };
    advance_rapl(machine.path(), "11000000\n");
    group("system.slice/postgresql@15-main.service", "42000000");
    group("kubepods/burstable/pod11/4f5e", "7500000");
    fs::write(machine.path().join("proc/stat"), format!("cpu  {}\n{rest}", words.join(" ")))
        .unwrap();
    let share = "holdfast_energy_share_joules_total";
    let page = until("the energy is shared out", || {
        let page = metrics(&agent);
        let used = |page: &BTreeMap<String, Family>| {
            page[share]
                .rows
                .iter()
                .filter(|it| it.0.contains("kind=\"group\""))
                .map(|it| it.1)
                .sum::<f64>()
        };
        (page.contains_key(share) && used(&page) > 0.0).then_some(page)
    });
    for bound in ["", "low_", "high_"] {
        let sum = |name: String| page[&name].rows.values().sum::<f64>();
        let host = sum(format!("holdfast_energy_{bound}joules_total"));
        let shared = sum(format!("holdfast_energy_share_{bound}joules_total"));
        assert!((host - shared).abs() < 1e-9 && host > 0.0, "{bound}: {host} {shared}");
    }
    assert!(!page[share].rows.keys().any(|it| it.contains("workers")), "it is within its unit");
}

/// An agent that has something to say under every name, and its page.
pub(crate) fn talkative() -> (Beside, BTreeMap<String, Family>, [TempDir; 2]) {
    let (state, machine) = (state(), machine());
    copy(&tree("tests/fixtures/energy-machine/v2"), machine.path());
    let path =
        |flag: &str, inside: &str| format!("{flag}={}", machine.path().join(inside).display());
    let process = |ticks: u32| {
        let folder = machine.path().join("proc/77");
        fs::create_dir_all(&folder).unwrap();
        let said = format!("77 (a) S 1 7 7 0 -1 4 9 0 0 0 {ticks} 0 0 0 20 0 3 0 1 1000 9 1\n");
        fs::write(folder.join("stat"), said).unwrap();
    };
    process(1);
    let agent = agent(
        state.path(),
        &[
            &path("--path.procfs", "proc"),
            &path("--path.sysfs", "sys"),
            &path("--path.rootfs", "root"),
            "--energy.pue=1.5",
            "--carbon.intensity-grams-per-kwh=380",
            "--carbon.server-share=0.5",
        ],
    );
    let payment = "{\"events\": [{\"name\": \"holdfast_payment_attempts_total\", \"value\": 1, \
                   \"labels\": {\"rail\": \"card\", \"channel\": \"web\"}}]}";
    assert_eq!(ask(agent.address, "POST", "/v1/events", &[], payment).status, 200);
    drop(get(agent.address, "/metrics"));
    process(2);
    let page = until("power", || {
        let page = parse(&get(agent.address, "/metrics").body);
        let all =
            ["holdfast_power_watts", "holdfast_carbon_sci_grams", "holdfast_top_cpu_seconds_total"];
        all.iter().all(|it| page.contains_key(*it)).then_some(page)
    });
    (agent, page, [state, machine])
}
