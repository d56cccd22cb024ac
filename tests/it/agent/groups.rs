//! Control groups of both versions, from folders.

use std::{fs, path::Path};

use holdfast::{
    collector::{Collector as _, Samples},
    collectors::cgroups::{Cgroups, GROUPS_MAX},
    world::roots::Roots,
};

use super::{page, scrape, value};
use crate::beside::{copy, machine, parse, state, tree};

const DATABASE: &str =
    "cgroup=\"/system.slice/postgresql@15-main.service\",unit=\"postgresql@15-main.service\"";

#[test]
fn both_versions_tell_the_same_of_a_unit() {
    for version in ["v1", "v2"] {
        let (machine, state) = (machine(), state());
        copy(&tree("tests/fixtures/energy-machine").join(version), machine.path());
        let page = parse(&page(&mut scrape(machine.path(), state.path())));
        let is = |name: &str, known: f64| {
            let said = value(&page, &format!("holdfast_cgroup_{name}"), &format!("{{{DATABASE}}}"));
            assert_eq!(said, Some(known), "{version}: {name}");
        };
        let cpu = |mode: &str| {
            let (cgroup, unit) = DATABASE.split_once(',').unwrap();
            let labels = format!("{{{cgroup},mode=\"{mode}\",{unit}}}");
            value(&page, "holdfast_cgroup_cpu_seconds_total", &labels)
        };
        assert_eq!((cpu("user"), cpu("system")), (Some(25.0), Some(15.0)), "{version}");
        is("cpu_throttled_seconds_total", 2.5);
        is("memory_bytes", 805_306_368.0);
        is("memory_limit_bytes", 1_073_741_824.0);
        is("oom_kills_total", 2.0);
        is("io_read_bytes_total", 4_096_512.0);
        is("io_written_bytes_total", 81_920_000.0);
        is("io_reads_total", 1001.0);
        is("io_writes_total", 20_000.0);
        is("tasks", 12.0);
        let limits = &page["holdfast_cgroup_memory_limit_bytes"].rows;
        assert_eq!(limits.len(), 2, "{version}: no limit is not shown as one: {limits:?}");
    }
}

#[test]
fn groups_that_are_shown_do_not_overlap() {
    for (version, known) in [
        (
            "v1",
            [
                "/batch/night",
                "/docker/4f5e",
                "/system.slice/postgresql@15-main.service",
                "/system.slice/ssh.service",
            ],
        ),
        (
            "v2",
            [
                "/kubepods/burstable/pod11/4f5e",
                "/system.slice/postgresql@15-main.service",
                "/system.slice/ssh.service",
                "/user.slice/user-1000.slice/session-7.scope",
            ],
        ),
    ] {
        let (machine, state) = (machine(), state());
        copy(&tree("tests/fixtures/energy-machine").join(version), machine.path());
        let page = parse(&page(&mut scrape(machine.path(), state.path())));
        let rows = page["holdfast_cgroup_memory_bytes"].rows.keys();
        let shown: Vec<&str> = rows.map(|it| it.split('"').nth(1).unwrap()).collect();
        assert_eq!(shown, known, "{version}");
        assert_eq!(value(&page, "holdfast_cgroups_shown", ""), Some(4.0));
        assert_eq!(value(&page, "holdfast_cgroups_overflowed_total", ""), Some(0.0));
    }
}

fn group(machine: &Path, name: &str) {
    let folder = machine.join("sys/fs/cgroup").join(name);
    fs::create_dir_all(&folder).unwrap();
    let said = "usage_usec 3\nuser_usec 2000000\nsystem_usec 1\n";
    fs::write(folder.join("cpu.stat"), said).unwrap();
}

#[test]
fn more_groups_than_there_is_room_for_are_counted_and_not_shown() {
    let (machine, state) = (machine(), state());
    copy(&tree("tests/fixtures/energy-machine/v2"), machine.path());
    for at in 0..GROUPS_MAX {
        group(machine.path(), &format!("system.slice/a-{at}.service"));
    }
    let page = parse(&page(&mut scrape(machine.path(), state.path())));
    assert_eq!(value(&page, "holdfast_cgroups_shown", ""), Some(100.0));
    assert_eq!(value(&page, "holdfast_cgroups_refused", ""), Some(4.0));
    assert_eq!(value(&page, "holdfast_cgroups_overflowed_total", ""), Some(4.0));
    assert_eq!(page["holdfast_cgroup_cpu_seconds_total"].rows.len(), 2 * GROUPS_MAX);
}

#[test]
fn a_group_that_vanishes_costs_its_own_rows_alone() {
    let (machine, state) = (machine(), state());
    copy(&tree("tests/fixtures/energy-machine/v2"), machine.path());
    let mut scrape = scrape(machine.path(), state.path());
    assert_eq!(parse(&page(&mut scrape))["holdfast_cgroup_tasks"].rows.len(), 4);
    let gone = machine.path().join("sys/fs/cgroup/kubepods/burstable/pod11/4f5e");
    // A group's files cannot be read any more once it is gone; those of a folder still can, by who
    // has them open. So the file says nothing, which is the same to a reader.
    fs::write(gone.join("pids.current"), "").unwrap();
    fs::remove_dir_all(&gone).unwrap();
    let page = parse(&page(&mut scrape));
    assert_eq!(page["holdfast_cgroup_tasks"].rows.len(), 3);
    let success = "node_scrape_collector_success";
    assert_eq!(value(&page, success, "{collector=\"cgroups\"}"), Some(1.0));
}

#[test]
fn descriptors_and_groups_are_bounded_however_many_groups_there_are() {
    let machine = machine();
    copy(&tree("tests/fixtures/energy-machine/v2"), machine.path());
    for at in 0..1000 {
        group(machine.path(), &format!("many/g{at}"));
    }
    let path = |inside: &str| machine.path().join(inside);
    let roots = Roots::new(path("proc"), path("sys"), path("root"));
    let mut cgroups = Cgroups::new(700);
    let mut samples = Samples::default();
    cgroups.collect(&roots, &mut samples).unwrap();
    // Tests beside this one open others.
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = open.filter_map(|it| fs::read_link(it.path()).ok());
    let open = open.filter(|it| it.starts_with(machine.path())).count();
    assert!((256..=616).contains(&open), "{open} descriptors");
    let of = |name: &str| {
        let mut families = samples.families();
        families.find(|it| it.name() == name).and_then(|it| it.rows().next()).map(|it| it.value())
    };
    assert_eq!(of("holdfast_cgroups_shown"), Some(700.0));
    assert_eq!(of("holdfast_cgroups_refused"), Some(304.0));
}
