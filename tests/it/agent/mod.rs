//! The agent, as its users see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backwards;
mod carbon;
mod corners;
mod declared;
mod doctor;
mod energy;
mod events;
mod foresight;
mod forms;
mod groups;
mod hangs;
mod hardware;
mod landing;
mod large;
mod names;
mod netlink;
mod patterns;
pub(crate) mod power;
mod settings;
mod systemd;
mod top;
mod web;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use holdfast::{
    agent::{
        negotiate::Format,
        scrape::{Entry, Filter, Scrape},
    },
    collector::Setup,
    collectors,
    world::roots::Roots,
};

use crate::beside::{Beside, Family, agent, agent_on, ask, get, parse, state, tool, tree, until};

/// What both have.
const COLLECTORS: [&str; 37] = [
    "arp",
    "bonding",
    "conntrack",
    "cpu",
    "cpufreq",
    "diskstats",
    "dmi",
    "edac",
    "entropy",
    "filefd",
    "filesystem",
    "hwmon",
    "interrupts",
    "loadavg",
    "mdadm",
    "meminfo",
    "netclass",
    "netdev",
    "netstat",
    "os",
    "powersupplyclass",
    "pressure",
    "processes",
    "rapl",
    "schedstat",
    "selinux",
    "sockstat",
    "softnet",
    "stat",
    "tcpstat",
    "textfile",
    "thermal_zone",
    "time",
    "timex",
    "udp_queues",
    "uname",
    "vmstat",
];

/// Names of ours that Debian's lacks, and newer ones have.
const NEWER: [&str; 6] = [
    "node_kernel_hung_tasks_total",
    "node_pressure_irq_stalled_seconds_total",
    "node_softnet_backlog_len",
    "node_softnet_cpu_collision_total",
    "node_softnet_flow_limit_count_total",
    "node_softnet_received_rps_total",
];

fn metrics(agent: &Beside) -> BTreeMap<String, Family> {
    let answer = get(agent.address, "/metrics");
    assert_eq!(answer.status, 200, "{}", answer.body);
    parse(&answer.body)
}

fn value(page: &BTreeMap<String, Family>, name: &str, labels: &str) -> Option<f64> {
    page.get(name)?.rows.get(labels).copied()
}

/// A scrape of the family's collectors without a server.
fn scrape(machine: &Path, state: &Path) -> Scrape {
    let setup = Setup { state: state.to_owned(), ..Setup::default() };
    let entries = collectors::ALL.iter().map(|kind| Entry::of(kind, &setup)).collect();
    let roots = Roots::new(machine.join("proc"), machine.join("sys"), machine.join("root"));
    Scrape::new(entries, roots, Duration::from_secs(20)).unwrap()
}

fn page(scrape: &mut Scrape) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let page = runtime.block_on(scrape.page(&Filter::All, Format::Text));
    page.unwrap().to_owned()
}

/// The page without what differs from machine to machine and from moment to moment.
fn masked(page: &str) -> String {
    let varies = |series: &str| {
        let name = series.split('{').next().unwrap_or_default();
        name.starts_with("process_")
            || name.starts_with("node_filesystem_") && !name.ends_with("_error")
            || name.starts_with("node_timex_")
            || name.starts_with("holdfast_idle_watched_")
            || matches!(name, "node_time_seconds" | "node_scrape_collector_duration_seconds")
    };
    let builds = [
        format!("version=\"{}\"", env!("CARGO_PKG_VERSION")),
        format!("{{arch=\"{}\"", std::env::consts::ARCH),
        "goarch=\"amd64\"".to_owned(),
        "goarch=\"arm64\"".to_owned(),
    ];
    let mut masked = String::new();
    // The energy counters' rows say where they are.
    let page = page.replace(&tree("tests/fixtures/machine").display().to_string(), "");
    for line in page.lines() {
        match line.rsplit_once(' ') {
            Some((series, _)) if !line.starts_with('#') && varies(series) => {
                masked.extend([series, " *\n"]);
            }
            _ => masked.extend([line, "\n"]),
        }
    }
    builds.iter().fold(masked, |page, build| {
        let (label, _) = build.split_once('"').unwrap();
        page.replace(build, &format!("{label}\"*\""))
    })
}

#[test]
fn the_page_of_a_known_machine_is_known_to_the_letter() {
    let state = state();
    let agent = agent_on(&tree("tests/fixtures/machine"), state.path());
    // The meter's first look comes right after the start.
    until("a first look at the energy", || {
        metrics(&agent).contains_key("holdfast_energy_joules_total").then_some(())
    });
    let page = until("a second look at the energy", || {
        let page = get(agent.address, "/metrics").body;
        page.contains("holdfast_power_watts{").then_some(page)
    });
    let file = tree("tests/golden/metrics.txt");
    let page = masked(&page);
    if std::env::var_os("HOLDFAST_GOLDEN").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let golden = fs::read_to_string(&file).unwrap();
    for (at, (ours, known)) in page.lines().zip(golden.lines()).enumerate() {
        assert_eq!(ours, known, "line {} (HOLDFAST_GOLDEN=1 writes it anew)", at + 1);
    }
    assert_eq!(page.lines().count(), golden.lines().count());
}

#[test]
fn names_types_labels_and_values_are_those_of_node_exporter() {
    let Some(theirs) = tool("prometheus-node-exporter", "prometheus-node-exporter") else { return };
    let state = tempfile::tempdir().unwrap();
    let ours = agent(state.path(), &[]);
    let theirs = node_exporter(&theirs);
    let series = |page: &BTreeMap<String, Family>| -> Vec<String> {
        let of = |(name, family): (&String, &Family)| {
            family.rows.keys().map(|labels| format!("{name}{labels}")).collect::<Vec<_>>()
        };
        let names = page.iter().filter(|(name, _)| name.starts_with("node_") && !is_fleeting(name));
        names.flat_map(of).collect()
    };
    // The machine is not ours alone: devices and mounts may come and go between two looks.
    let (before, theirs, after) = until("a moment in which nothing comes or goes", || {
        let before = metrics(&ours);
        let theirs = parse(&get(theirs.address, "/metrics").body);
        let after = metrics(&ours);
        (series(&before) == series(&after)).then_some((before, theirs, after))
    });
    let of_node = |page: &BTreeMap<String, Family>| -> Vec<(String, String)> {
        let names = page.iter().filter(|(name, _)| name.starts_with("node_"));
        let names = names.filter(|(name, _)| !NEWER.contains(&name.as_str()));
        names.map(|(name, family)| (name.clone(), family.kind.clone())).collect()
    };
    assert_eq!(of_node(&before), of_node(&theirs));
    for (name, family) in theirs.iter().filter(|(name, _)| name.starts_with("node_")) {
        let is_own = name == "node_exporter_build_info" || name.contains("_scrape_");
        if is_own || is_fleeting(name) {
            continue;
        }
        let (first, last) = (&before[name].rows, &after[name].rows);
        let labels = |rows: &BTreeMap<String, f64>| rows.keys().cloned().collect::<Vec<_>>();
        assert_eq!(labels(first), labels(&family.rows), "{name}");
        for (labels, theirs) in &family.rows {
            let (first, last) = (first[labels], last[labels]);
            if family.kind == "counter" || family.kind == "untyped" && first < last {
                let said = format!("{name}{labels}: {first} {theirs} {last}");
                // Theirs may have rounded a digit away, or to one more.
                let slack = 1e-9 * theirs.abs();
                assert!(first - slack <= *theirs && *theirs <= last + slack, "{said}");
            } else if first.to_bits() == last.to_bits() && is_steady(name) {
                assert!((first - theirs).abs() <= 1e-9 * theirs.abs(), "{name}{labels}");
            }
        }
    }
}

/// Their labels are states, which are there only as long as something is in them.
fn is_fleeting(name: &str) -> bool {
    matches!(
        name,
        "node_processes_state" | "node_processes_threads_state" | "node_tcp_connection_states"
    )
}

/// Gauges that do not move within a moment.
fn is_steady(name: &str) -> bool {
    name.ends_with("_info")
        || name.starts_with("node_network_")
        || name.starts_with("node_processes_max_")
        || name.ends_with("_size_bytes")
        || name.ends_with("_offset_seconds")
        || matches!(
            name,
            "node_boot_time_seconds"
                | "node_entropy_pool_size_bits"
                | "node_filefd_maximum"
                | "node_nf_conntrack_entries_limit"
                | "node_os_version"
                | "node_selinux_enabled"
                | "node_memory_MemTotal_bytes"
                | "node_memory_HugePages_Total"
                | "node_filesystem_files"
                | "node_filesystem_readonly"
                | "node_filesystem_device_error"
        )
}

/// Debian's, with our collectors and today's upstream excludes.
pub(crate) fn node_exporter(tool: &Path) -> Beside {
    node_exporter_with(tool, &COLLECTORS, &[])
}

fn node_exporter_with(tool: &Path, collectors: &[&str], args: &[String]) -> Beside {
    let mut all: Vec<String> = collectors.iter().map(|it| format!("--collector.{it}")).collect();
    all.push("--collector.netdev.device-exclude=".to_owned());
    all.push("--collector.textfile.directory=".to_owned());
    let disks = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$";
    all.push(format!("--collector.diskstats.device-exclude={disks}"));
    // Today's, and what dashboards ask for beyond it.
    let fields = "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|\
                  Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|\
                  TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|\
                  PassiveOpens|RetransSegs|CurrEstab|MaxConn)|Udp6?_(InDatagrams|OutDatagrams|\
                  NoPorts|RcvbufErrors|SndbufErrors))$";
    all.push(format!("--collector.netstat.fields={fields}"));
    let points = "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|\
                  var/lib/containers/storage/.+)($|/)";
    all.push(format!("--collector.filesystem.mount-points-exclude={points}"));
    all.extend(args.iter().cloned());
    node_exporter_at(&mut Command::new(tool), &all)
}

/// Debian's, as it is told, on a port of its own.
fn node_exporter_at(command: &mut Command, args: &[String]) -> Beside {
    use std::io::{BufRead as _, BufReader};
    command.args(["--web.listen-address=127.0.0.1:0", "--collector.disable-defaults"]).args(args);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    let address = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        log.push_str(&line);
        let said = line.contains("Listening on").then(|| line.rsplit_once("address=").unwrap().1);
        said.map(|it| it.parse().unwrap())
    });
    // Its log has a reader as long as it lives.
    std::thread::spawn(move || lines.count());
    Beside { child, address: address.expect(&log) }
}

#[test]
fn openmetrics_and_text_say_the_same() {
    let state = state();
    let machine = tree("tests/fixtures/machine");
    let agent = agent_on(&machine, state.path());
    let path = "/metrics?exclude[]=energy&exclude[]=time&exclude[]=utilisation";
    let form = |accept: &str| ask(agent.address, "GET", path, &[("Accept", accept)], "");
    let (text, open) = (form("text/plain"), form("application/openmetrics-text;version=1.0.0"));
    assert!(text.headers.contains("text/plain; version=0.0.4; charset=utf-8"), "{}", text.headers);
    assert!(open.headers.contains("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.body.ends_with("# EOF\n") && !text.body.contains("# EOF"));
    let rows = |page: &str| -> Vec<String> {
        let rows = page.lines().filter(|it| !it.starts_with('#') && !it.contains("_seconds{coll"));
        rows.filter(|it| !it.starts_with("process_") && !it.contains("_free"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(rows(&masked(&text.body)), rows(&masked(&open.body)));
}

#[test]
fn a_client_may_choose_collectors_but_not_ones_that_do_not_exist() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    let page = parse(&get(agent.address, "/metrics?collect[]=loadavg&collect[]=stat").body);
    assert!(page.contains_key("node_load1") && page.contains_key("node_forks_total"));
    assert!(!page.contains_key("node_cpu_seconds_total"));
    assert_eq!(page["node_scrape_collector_success"].rows.len(), 2);
    let page = parse(&get(agent.address, "/metrics?exclude%5B%5D=filesystem").body);
    assert!(!page.contains_key("node_filesystem_size_bytes") && page.contains_key("node_load1"));
    for query in ["collect[]=nope", "exclude[]=nope", "collect[]=cpu&exclude[]=stat"] {
        let answer = get(agent.address, &format!("/metrics?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.starts_with("could not "), "{}", answer.body);
    }
}

#[test]
fn the_small_pages_are_there() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    assert_eq!(get(agent.address, "/-/healthy").status, 200);
    let landing = get(agent.address, "/");
    assert!(landing.status == 200 && landing.body.contains("href=\"metrics\""));
    assert_eq!(get(agent.address, "/nope").status, 404);
    let head = ask(agent.address, "HEAD", "/metrics", &[], "");
    assert!(head.status == 200 && head.body.is_empty(), "{head:?}");
    assert_eq!(ask(agent.address, "POST", "/metrics", &[], "").status, 405);
    assert_eq!(get(agent.address, "/v1/events").status, 405);
}

#[test]
fn a_port_that_is_taken_is_refused_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("--state")
        .arg(state.path())
        .args(["agent", "--web.listen-address", &address])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("could not listen on {address}: ")), "{said}");
    assert!(said.contains("help: ") && output.stdout.is_empty(), "{said}");
}

#[test]
fn a_signal_ends_the_agent_even_while_a_client_dawdles() {
    let state = tempfile::tempdir().unwrap();
    for name in ["TERM", "INT"] {
        let mut agent = agent(state.path(), &[]);
        let mut dawdler = std::net::TcpStream::connect(agent.address).unwrap();
        dawdler.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        let pid = agent.child.id().to_string();
        let kill = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(kill.success());
        assert!(agent.child.wait().unwrap().success(), "{name}");
    }
}
