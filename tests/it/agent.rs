//! The agent, as its users see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use holdfast::{
    about::About,
    agent::{
        negotiate::Format,
        scrape::{Entry, Filter, Scrape},
    },
    collector::{Blank, Collector, CollectorKind, Samples, Setup},
    collectors, meters,
    world::roots::Roots,
};
use serde_json::{Value, json};

use crate::beside::{
    Beside, Family, agent, agent_by, agent_on, ask, get, machine, parse, state, tool, tree,
    try_ask, until,
};

const COLLECTORS: [&str; 9] =
    ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "stat", "time", "uname"];

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
    let setup = Setup { state: state.to_owned() };
    let entries = collectors::ALL.iter().map(|kind| Entry::of(kind, &setup)).collect();
    let roots = Roots::new(machine.join("proc"), machine.join("sys"), machine.join("root"));
    Scrape::new(entries, roots, Duration::from_secs(20)).unwrap()
}

fn page(scrape: &mut Scrape) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let page = runtime.block_on(scrape.page(&Filter::All, Format::Text));
    page.unwrap().to_owned()
}

/// What differs from machine to machine and from moment to moment.
fn masked(page: &str) -> String {
    let varies = |name: &str| {
        name.starts_with("process_")
            || name.starts_with("node_filesystem_") && !name.contains("error")
            || matches!(name, "node_time_seconds" | "node_scrape_collector_duration_seconds")
    };
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') && varies(series) => format!("{series} *\n"),
        _ => format!("{}\n", line.replace(version, "version=\"*\"")),
    };
    let series_of = |it: &str| it.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let arch = std::env::consts::ARCH;
    page.lines()
        .map(|it| if varies(&series_of(it)) { mask_value(it) } else { line(it) })
        .collect::<String>()
        .replace(&format!("arch=\"{arch}\""), "arch=\"*\"")
        .replace("goarch=\"amd64\"", "goarch=\"*\"")
        .replace("goarch=\"arm64\"", "goarch=\"*\"")
}

fn mask_value(line: &str) -> String {
    line.rsplit_once(' ').map(|(series, _)| format!("{series} *\n")).unwrap_or_default()
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
    let before = metrics(&ours);
    let theirs = parse(&get(theirs.address, "/metrics").body);
    let after = metrics(&ours);
    let of_node = |page: &BTreeMap<String, Family>| -> Vec<(String, String)> {
        let names = page.iter().filter(|(name, _)| name.starts_with("node_"));
        names.map(|(name, family)| (name.clone(), family.kind.clone())).collect()
    };
    assert_eq!(of_node(&before), of_node(&theirs));
    for (name, family) in theirs.iter().filter(|(name, _)| name.starts_with("node_")) {
        if matches!(name.as_str(), "node_exporter_build_info") || name.contains("_scrape_") {
            continue;
        }
        let (first, last) = (&before[name].rows, &after[name].rows);
        let labels = |rows: &BTreeMap<String, f64>| rows.keys().cloned().collect::<Vec<_>>();
        assert_eq!(labels(first), labels(&family.rows), "{name}");
        for (labels, theirs) in &family.rows {
            let (first, last) = (first[labels], last[labels]);
            if family.kind == "counter" {
                assert!(first <= *theirs && *theirs <= last, "{name}{labels}: {first} {theirs}");
            } else if first.to_bits() == last.to_bits() && is_steady(name) {
                assert!((first - theirs).abs() <= 1e-9 * theirs.abs(), "{name}{labels}");
            }
        }
    }
}

/// Gauges that do not move within a moment.
fn is_steady(name: &str) -> bool {
    name.ends_with("_info")
        || name.ends_with("_size_bytes")
        || name.ends_with("_offset_seconds")
        || matches!(
            name,
            "node_boot_time_seconds"
                | "node_memory_MemTotal_bytes"
                | "node_memory_HugePages_Total"
                | "node_filesystem_files"
                | "node_filesystem_readonly"
                | "node_filesystem_device_error"
        )
}

/// Debian's, with our collectors and today's upstream excludes.
pub(crate) fn node_exporter(tool: &Path) -> Beside {
    use std::io::{BufRead as _, BufReader};
    let mut command = Command::new(tool);
    command.args(["--web.listen-address=127.0.0.1:0", "--collector.disable-defaults"]);
    command.args(COLLECTORS.map(|name| format!("--collector.{name}")));
    command.arg("--collector.netdev.device-exclude=");
    let disks = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$";
    command.arg(format!("--collector.diskstats.device-exclude={disks}"));
    let points = "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|\
                  var/lib/containers/storage/.+)($|/)";
    command.arg(format!("--collector.filesystem.mount-points-exclude={points}"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = lines.by_ref().find_map(|line| {
        let line = line.unwrap();
        let said = line.contains("Listening on").then(|| line.rsplit_once("address=").unwrap().1);
        said.map(|it| it.parse().unwrap())
    });
    // Its log has a reader as long as it lives.
    std::thread::spawn(move || lines.count());
    Beside { child, address: address.unwrap() }
}

#[test]
fn openmetrics_and_text_say_the_same() {
    let state = state();
    let machine = tree("tests/fixtures/machine");
    let agent = agent_on(&machine, state.path());
    let path = "/metrics?exclude[]=energy&exclude[]=time";
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

#[test]
fn payments_that_are_posted_are_counted() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    let attempts = "holdfast_payment_attempts_total";
    let zero = metrics(&agent);
    assert_eq!(zero[attempts].rows.len(), 12, "every allowed pair shows a zero from the start");
    assert!(zero[attempts].rows.values().all(|it| *it == 0.0));
    let event = |value: f64| json!({"name": attempts, "labels": {"rail": "instant", "channel": "api"}, "value": value});
    let body = json!({"events": [event(1.0), event(2.5), event(0.0)]}).to_string();
    let answer = ask(agent.address, "POST", "/v1/events", &[], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let receipt: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(receipt["accepted"], 3);
    let page = metrics(&agent);
    assert_eq!(value(&page, attempts, "{channel=\"api\",rail=\"instant\"}"), Some(3.5));
    assert_eq!(value(&page, "holdfast_events_accepted_total", ""), Some(3.0));
}

#[test]
fn hostile_events_are_refused_one_by_one_and_make_no_series() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    let name = "holdfast_payment_failures_total";
    let labels = json!({"rail": "card", "channel": "web", "reason_class": "technical"});
    let series = |page: &BTreeMap<String, Family>| -> usize {
        page.iter()
            .filter(|(name, _)| !name.contains("_energy_") && !name.contains("_watts"))
            .map(|it| it.1.rows.len())
            .sum()
    };
    let before = series(&metrics(&agent));
    let bad = json!([
        {"name": "node_load1", "labels": {}, "value": 1},
        {"name": "evil\n# TYPE x gauge", "labels": {}},
        {"name": name, "labels": {"rail": "card"}},
        {"name": name, "labels": {"rail": "card", "channel": "web", "reason_class": "technical", "x": "y"}},
        {"name": name, "labels": {"rail": "card\"} 1\n", "channel": "web", "reason_class": "technical"}},
        {"name": name, "labels": labels, "value": -1},
        {"name": name, "labels": labels, "value": 1e308, "at": 5},
        {"name": name, "labels": labels, "value": "1"},
        {"name": name, "labels": [], "value": 1},
        null, 7, "x", [],
    ]);
    let count = bad.as_array().unwrap().len();
    let mut events = bad.as_array().unwrap().clone();
    events.push(json!({"name": name, "labels": labels}));
    let body = json!({ "events": events }).to_string();
    let answer = ask(agent.address, "POST", "/v1/events", &[], &body);
    assert_eq!(answer.status, 422);
    let receipt: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&receipt["accepted"], &receipt["rejected_count"]), (&json!(1), &json!(count)));
    let told = receipt["rejected"].as_array().unwrap();
    assert_eq!(told.iter().map(|it| it["index"].as_u64().unwrap()).max(), Some(count as u64 - 1));
    let page = metrics(&agent);
    assert_eq!(series(&page), before, "no stranger makes a series");
    let refused: f64 = page["holdfast_events_rejected_total"].rows.values().sum();
    assert_eq!(refused.to_string(), count.to_string());

    for body in ["", "{", "[]", "{\"events\": {}}", "\u{0}", "{\"events\": [{\"value\": NaN}]}"] {
        assert_eq!(ask(agent.address, "POST", "/v1/events", &[], body).status, 400, "{body:?}");
    }
    let deep = format!("{{\"events\": [{}]}}", "[".repeat(100_000));
    assert_eq!(ask(agent.address, "POST", "/v1/events", &[], &deep).status, 400);
    let many = format!("{{\"events\": [{}1]}}", "1,".repeat(400_000));
    let answer = ask(agent.address, "POST", "/v1/events", &[], &many);
    assert!(answer.status == 422 && answer.body.len() < 100_000, "the answer has a bound, too");
    let long = " ".repeat((1 << 20) + 1);
    // The server may close before all of it was sent, and then its answer can be lost.
    if let Ok(answer) = try_ask(agent.address, "POST", "/v1/events", &[], &long) {
        assert_eq!(answer.status, 413);
    }
    assert_eq!(metrics(&agent)["node_load1"].rows.len(), 1, "it lives");
}

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
    let spoilt: [(&str, &str, &str); 8] = [
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
fn files_cut_anywhere_or_full_of_noise_never_break_the_page() {
    let state = state();
    let files = ["stat", "meminfo", "loadavg", "diskstats", "net/dev", "1/mounts"];
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
        }
    }
}

struct Panics(u32);

impl Collector for Panics {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.0 += 1;
        samples.gauge("half_written", "Half.").row(&[("calls", &self.0.to_string())], 1.0);
        assert_eq!(self.0, 1, "the second call of each one panics");
        Ok(())
    }
}

static PANICS: CollectorKind = CollectorKind {
    about: &About { name: "panics", summary: "panics", needs: &[], example: "" },
    blocks: false,
    health: None,
    make: |_| Box::new(Panics(0)),
};

static LOAD: &CollectorKind = &collectors::loadavg::KIND;

#[test]
fn a_panic_costs_its_collector_one_scrape_and_nothing_else() {
    let machine = machine();
    let roots = Roots::new(machine.path().join("proc"), "/sys", "/");
    let entries = [&PANICS, LOAD].map(|kind| Entry::of(kind, &Setup::default()));
    let mut scrape = Scrape::new(entries.into(), roots, Duration::from_secs(1)).unwrap();
    let at = "{collector=\"panics\"}";
    for expected in [1.0, 0.0, 1.0, 0.0] {
        let page = parse(&page(&mut scrape));
        assert_eq!(value(&page, "node_scrape_collector_success", at), Some(expected));
        assert_eq!(page.contains_key("half_written"), expected > 0.5);
        assert!(page.contains_key("node_load1"));
    }
}

static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

struct Hangs(u32);

impl Collector for Hangs {
    fn collect(&mut self, _: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let open = GATE.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(GATE.1.wait_while(open, |it| !*it).unwrap_or_else(PoisonError::into_inner));
        self.0 += 1;
        samples.gauge("calls", "Calls.").row(&[], f64::from(self.0));
        Ok(())
    }
}

static HANGS: CollectorKind = CollectorKind {
    about: &About { name: "hangs", summary: "hangs", needs: &[], example: "" },
    blocks: true,
    health: None,
    make: |_| Box::new(Hangs(0)),
};

#[test]
fn a_call_that_hangs_is_left_out_and_what_it_finds_late_is_not_passed_off_as_new() {
    let machine = machine();
    let roots = Roots::new(machine.path().join("proc"), "/sys", "/");
    let entries = [&HANGS, LOAD].map(|kind| Entry::of(kind, &Setup::default()));
    let mut scrape = Scrape::new(entries.into(), roots, Duration::from_millis(50)).unwrap();
    let at = "{collector=\"hangs\"}";
    for _ in 0..3 {
        let page = parse(&page(&mut scrape));
        assert_eq!(value(&page, "node_scrape_collector_success", at), Some(0.0));
        assert!(page.contains_key("node_load1") && !page.contains_key("calls"));
    }
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    let calls = until("the thread comes back", || value(&parse(&page(&mut scrape)), "calls", ""));
    assert!(calls >= 2.0, "the hung call's own finding is stale, and is thrown away");
}

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
    assert_eq!((kind.about.name, best.blind.len()), ("model", 1));
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
