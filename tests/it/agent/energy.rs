//! Energy, measured and estimated.

use std::{fs, time::Duration};

use holdfast::{meters, world::roots::Roots};

use super::metrics;
use crate::beside::{agent, machine, until};

#[test]
fn energy_goes_on_when_a_counter_starts_over() {
    let machine = machine();
    let zone = |name: &str| machine.path().join("sys/class/powercap").join(name).join("energy_uj");
    let path = |inside: &str| machine.path().join(inside);
    let roots = Roots::new(path("proc"), path("sys"), path("root"));
    let best = meters::best(&roots);
    let (kind, mut meter) = best.meter.unwrap();
    assert_eq!(kind.about.name, "rapl");
    // 328850 µJ to the end of the round, and 671150 after it.
    fs::write(zone("intel-rapl:0"), "671150\n").unwrap();
    fs::write(zone("intel-rapl:0:0"), "999999999\n").unwrap();
    fs::write(zone("intel-rapl:1"), "3500000\n").unwrap();
    let energy = meter.joules(&roots, Duration::from_secs(1)).unwrap();
    let of = |name: &str| {
        energy.domains.iter().find(|it| it.name == name).map(|it| (it.joules * 1e6).round())
    };
    assert_eq!(of("package-0"), Some(1_000_000.0));
    assert_eq!(of("package-1"), Some(2_500_000.0));
    assert_eq!(of("dram-0"), Some(0.0));
    assert_eq!(energy.domains.len(), 3, "core is within its package, mmio repeats it");
    assert!((energy.joules - 3.5).abs() < 1e-9 && energy.method == "rapl");
    assert!((energy.low - energy.high).abs() < 1e-9, "a measurement has no bounds");
}

#[test]
fn without_energy_counters_the_model_estimates_with_bounds() {
    let machine = machine();
    fs::remove_dir_all(machine.path().join("sys/class/powercap")).unwrap();
    let path = |inside: &str| machine.path().join(inside);
    let roots = Roots::new(path("proc"), path("sys"), path("root"));
    let best = meters::best(&roots);
    let (kind, mut meter) = best.meter.unwrap();
    assert_eq!((kind.about.name, best.blind.len()), ("model", 3));
    let stat = fs::read_to_string(path("proc/stat")).unwrap();
    let mut columns: Vec<u64> = stat
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .skip(1)
        .map(|it| it.parse().unwrap())
        .collect();
    (columns[0], columns[3]) = (columns[0] + 300, columns[3] + 700);
    let words: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let rest = stat.split_once('\n').unwrap().1;
    fs::write(path("proc/stat"), format!("cpu  {}\n{rest}", words.join(" "))).unwrap();
    let energy = meter.joules(&roots, Duration::from_secs(10)).unwrap();
    // Skylake's three rows at 30 %, four vCPUs, ten seconds; 270.2 GB beyond two chips' allowance.
    let watts = [(0.613, 4.1042), (0.613, 3.8679), (0.6446, 4.1934)]
        .map(|(min, max): (f64, f64)| min + 0.3 * (max - min));
    let cpu = &energy.domains[0];
    assert!((cpu.joules - 40.0 * watts.iter().sum::<f64>() / 3.0).abs() < 1e-6, "{cpu:?}");
    assert!((cpu.low - 40.0 * watts[1]).abs() < 1e-6 && (cpu.high - 40.0 * watts[2]).abs() < 1e-6);
    let memory = &energy.domains[1];
    let gigabytes = 263_856_128.0 * 1024.0 / 1e9;
    let allowance = 2.0 * (75.1 + 75.1 + 80.4) / 3.0;
    assert!((memory.joules - 10.0 * 0.392 * (gigabytes - allowance)).abs() < 1e-6, "{memory:?}");
    assert!(energy.low <= energy.joules && energy.joules <= energy.high);
}

#[test]
fn energy_counters_only_grow() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    let sum = |name: &str| -> Option<f64> { Some(metrics(&agent).get(name)?.rows.values().sum()) };
    let name = "holdfast_energy_high_joules_total";
    let first = until("energy", || sum(name));
    let mut last = first;
    until("energy grows without a scrape in between being needed", || {
        let now = sum(name)?;
        assert!(now >= last, "{now} after {last}");
        last = now;
        (now > first).then_some(())
    });
}
