//! Counters that the kernel lets step back, and that must not be shown so.

use std::fs;

use super::{page, scrape, value};
use crate::beside::{machine, parse, state};

#[test]
fn idle_time_does_not_step_back_and_a_processor_that_was_gone_begins_anew() {
    let (machine, state) = (machine(), state());
    let mut scrape = scrape(machine.path(), state.path());
    // User, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second.
    let mut look = |cpus: &[(u32, u32, u32, u32)]| -> Vec<[Option<f64>; 3]> {
        let mut text = "cpu  1 1 1 1 1 1 1 1 0 0\n".to_owned();
        for (cpu, user, idle, iowait) in cpus {
            text.push_str("cpu");
            text +=
                &[*cpu, *user, 0, 0, *idle, *iowait, 0, 0, 0].map(|it| it.to_string()).join(" ");
            text.push_str(" 0\n");
        }
        text += "intr 1\nctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n";
        fs::write(machine.path().join("proc/stat"), text).unwrap();
        let page = parse(&page(&mut scrape));
        let of = |cpu: u32, mode: &str| {
            let labels = format!("{{cpu=\"{cpu}\",mode=\"{mode}\"}}");
            value(&page, "node_cpu_seconds_total", &labels)
        };
        (0..3).map(|cpu| ["user", "idle", "iowait"].map(|mode| of(cpu, mode))).collect()
    };
    let some = |user: f64, idle: f64, iowait: f64| [Some(user), Some(idle), Some(iowait)];
    let begun = look(&[(0, 100, 10_000, 500), (1, 200, 20_000, 600), (2, 300, 30_000, 700)]);
    assert_eq!(begun, [some(1., 100., 5.), some(2., 200., 6.), some(3., 300., 7.)]);
    // Steps back of less than three seconds are the kernel's imprecision.
    let seen = look(&[(0, 110, 9_990, 490), (1, 210, 19_701, 600), (2, 310, 30_100, 710)]);
    assert_eq!(seen, [some(1.1, 100., 5.), some(2.1, 200., 6.), some(3.1, 301., 7.1)]);
    // A processor is taken out, and those that come after it stay who they are.
    let seen = look(&[(0, 120, 10_100, 500), (2, 320, 30_050, 705)]);
    assert_eq!(seen, [some(1.2, 101., 5.), [None; 3], some(3.2, 301., 7.1)]);
    // It comes back and counts from zero; so does one whose idle time falls by three seconds.
    let seen = look(&[(0, 10, 9_800, 0), (1, 1, 2, 3), (2, 320, 30_200, 705)]);
    assert_eq!(seen, [some(0.1, 98., 0.), some(0.01, 0.02, 0.03), some(3.2, 302., 7.1)]);
}

#[test]
fn an_energy_counter_that_starts_over_goes_on() {
    let (machine, state) = (machine(), state());
    let zone = machine.path().join("sys/class/powercap/intel-rapl:0");
    let range: f64 =
        fs::read_to_string(zone.join("max_energy_range_uj")).unwrap().trim().parse().unwrap();
    let mut scrape = scrape(machine.path(), state.path());
    let mut look = |micros: f64| -> f64 {
        fs::write(zone.join("energy_uj"), format!("{micros:.0}\n")).unwrap();
        let page = parse(&page(&mut scrape));
        let rows = &page["node_rapl_package_joules_total"].rows;
        *rows.iter().find(|(labels, _)| labels.contains("intel-rapl:0\"")).unwrap().1
    };
    let near = |one: f64, other: f64| assert!((one - other).abs() < 1e-3, "{one} {other}");
    near(look(range - 4e6), range / 1e6 - 4.0);
    near(look(3e6), range / 1e6 + 3.0);
    near(look(9e6), range / 1e6 + 9.0);
    // Set back by hand, far from its end: nothing is lost, and nothing is invented.
    near(look(1e6), range / 1e6 + 10.0);
}
