//! Sites: what a drill tells of the places where a service runs is what others count there.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use holdfast::{
    journal::{
        chain,
        entry::Fact,
        site::{Resource, SiteRow, SiteRows},
    },
    world::{clock::Clock as _, linux::clock::LinuxClock, promql},
};
use serde_json::Value;

use crate::{
    beside::{self, Beside, free_port, get, state, tool, until},
    ground::{Done, Ground},
};

const TALK: &str = "title: x\nexercise: { type: tabletop }\n\
                    objectives: { rto: 1m, lost_writes: 0 }\n";

/// A drill that looks at sites, and changes nothing.
fn drill(sites: &str, phases: &[(&str, &str)]) -> String {
    let phases = phases
        .iter()
        .map(|(name, length)| format!("  - phase: {name}\n    steps: [{{ pause: {length} }}]\n"));
    format!("{TALK}sites:\n{sites}phases:\n{}", phases.collect::<String>())
}

struct Played {
    done: Done,
    report: Value,
    rows: BTreeMap<(String, String), Vec<SiteRow>>,
    facts: Vec<SiteRows>,
}

fn play(ground: &Ground, text: &str) -> Played {
    let file = ground.file("x.yaml", text).display().to_string();
    let done = ground.run(&["drill", "run", &file]);
    let journals = ground.journals();
    let (id, journal) = journals.last().unwrap_or_else(|| panic!("{done:?}"));
    let entries = chain::read(journal).unwrap().entries;
    let facts: Vec<SiteRows> = entries
        .into_iter()
        .filter_map(|it| if let Fact::Site(it) = it.fact { Some(*it) } else { None })
        .collect();
    let mut rows: BTreeMap<_, Vec<SiteRow>> = BTreeMap::new();
    for it in &facts {
        let key = (it.site.clone(), it.process.clone());
        rows.entry(key).or_default().extend(it.rows.clone());
    }
    let folder = ground.state().join("runs").join(id);
    let report = fs::read_to_string(folder.join("report.json")).unwrap();
    for (form, heading) in [
        ("report.txt", "Sites: energy"),
        ("report.md", "各站点能耗"),
        ("report.html", "各站点能耗"),
    ] {
        let text = fs::read_to_string(folder.join(form)).unwrap();
        assert!(text.contains(heading), "{form}");
    }
    Played { done, report: serde_json::from_str(&report).unwrap(), rows, facts }
}

/// A figure's value and bounds.
fn known(figure: &Value) -> [f64; 3] {
    let it = &figure["known"];
    let number = |name: &str| it[name].as_f64().unwrap_or_else(|| panic!("{name}: {figure}"));
    assert!(it["method"].as_str().is_some_and(|it| !it.is_empty()), "{figure}");
    assert!(it["basis"] == "measured" || it["basis"] == "modelled", "{figure}");
    assert!((0.0..=1.0).contains(&number("covered_ratio")), "{figure}");
    let [value, low, high] = ["value", "low", "high"].map(number);
    assert!(low <= value && value <= high, "{figure}");
    [value, low, high]
}

fn unavailable(figure: &Value) -> String {
    let why = figure["unavailable"]["why"].as_str();
    why.unwrap_or_else(|| panic!("{figure}")).to_owned()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs().max(1.0)
}

/// Processor time of a process in seconds, as its parent's children add it up, and by when.
fn used(pid: u32) -> (u64, f64) {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    (LinuxClock.now_us(), ticks / 100.0)
}

#[test]
fn a_busy_process_has_the_processor_time_that_we_read_ourselves() {
    let mut ground = Ground::new(1);
    let tag = format!("{}-busy", ground.tag());
    let busy = ground.victim("sh", &["-c", "while :; do :; done", &tag]);
    let sites = "  - { name: north, role: primary, processes: { spinner: { cmdline: TAG-busy } } }\n  \
                 - { name: south, role: standby, processes: { sleeper: { cmdline: sleep TAG } } }\n";
    let sites = sites.replace("TAG-busy", &tag);
    let text = drill(&sites, &[("baseline", "4500ms"), ("promote", "1s"), ("verify", "2s")]);
    let stop = Arc::new(AtomicBool::new(false));
    let looks = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut all = vec![used(busy)];
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
                all.push(used(busy));
            }
            all
        }
    });
    let played = play(&ground, &text);
    stop.store(true, Ordering::Relaxed);
    let looks = looks.join().unwrap();
    assert_eq!(played.done.code, Some(0), "{:?}", played.done);
    let rows = &played.rows[&("north".to_owned(), "spinner".to_owned())];
    assert!(rows.len() >= 7, "{rows:?}");
    // Two ticks of the clock, which is all that may be told apart.
    let tick = 0.021;
    let first = &rows[0];
    for row in rows {
        let gained = row.cpu_seconds.unwrap() - first.cpu_seconds.unwrap();
        let at = |us: u64| {
            let after = looks.partition_point(|it| it.0 < us);
            (looks[after.saturating_sub(1)].1, looks[after.min(looks.len() - 1)].1)
        };
        let (from, to) = (at(first.at_us), at(row.at_us));
        let (least, most) = (to.0 - from.1 - tick, to.1 - from.0 + tick);
        assert!(least <= gained && gained <= most, "{gained}: {least} to {most}");
        assert_eq!(row.processes, Some(1));
    }
    let each = &played.report["sites"]["each"];
    let whole = &each[0]["whole"]["scopes"][0];
    let [seconds, ..] = known(&whole["cpu_seconds"]);
    let gained = rows.last().unwrap().cpu_seconds.unwrap() - rows[0].cpu_seconds.unwrap();
    assert!(seconds > 1.0 && near(seconds, gained), "{seconds}, {gained}");
    known(&whole["memory_bytes"]);
    known(&whole["disk_written_bytes"]);
    assert_eq!(
        unavailable(&whole["network_received_bytes"]),
        "the kernel counts no network bytes by process"
    );
    let [idle, ..] = known(&each[1]["whole"]["scopes"][0]["cpu_seconds"]);
    assert!(idle < 0.1, "{idle}");
    // A part of a machine's energy is a model's, whatever counted the whole.
    let energy = &each[0]["whole"]["joules"];
    let [north, ..] = known(energy);
    let [south, ..] = known(&each[1]["whole"]["joules"]);
    assert!(north > 10.0 * south, "{north}, {south}");
    assert_eq!(energy["known"]["basis"], "modelled");
    // It slept before as after: that cannot be told apart, and is said.
    assert_eq!(each[1]["indistinguishable"], true, "{}", each[1]["incremental_kwh"]);
    known(&each[1]["idle_year_kwh"]);
    let room = &each[1]["headroom"];
    let [cpu, ..] = known(&room["cpu"]);
    let [least, ..] = known(&room["cpu_least"]);
    assert!((0.0..1.0).contains(&cpu) && least <= cpu + 1e-9, "{room}");
    known(&room["memory"]);
    known(&played.report["sites"]["peak_dual_watts"]);
    assert_eq!(unavailable(&each[0]["grams"]), "no grid's intensity is named");
}

#[test]
fn what_a_run_uses_on_top_of_its_baseline_is_told_from_nothing() {
    let mut ground = Ground::new(0);
    let (tag, go) = (format!("{}-late", ground.tag()), ground.path().join("go"));
    let waits = format!("while ! [ -e {} ]; do sleep 0.1; done; while :; do :; done", go.display());
    ground.victim("sh", &["-c", &waits, &tag]);
    let sites =
        format!("  - {{ name: a, role: standby, processes: {{ late: {{ cmdline: {tag} }} }} }}\n");
    let text = drill(&sites, &[("baseline", "5s"), ("verify", "3s")]).replace(
        "  - phase: verify\n    steps: [",
        "  - phase: verify\n    steps: [{ command: { run: [touch, GROUND/go] } }, ",
    );
    let played = play(&ground, &text);
    assert_eq!(played.done.code, Some(0), "{:?}", played.done);
    let it = &played.report["sites"]["each"][0];
    let [value, low, _] = known(&it["incremental_kwh"]);
    assert!(low > 0.0, "{it}");
    assert_eq!(it["indistinguishable"], false);
    // Nearly all of it came on top: the baseline only looked for a file.
    let [joules, ..] = known(&it["whole"]["joules"]);
    assert!(value * 3.6e6 > joules / 2.0 && value * 3.6e6 <= joules, "{it}");
}

#[test]
fn a_process_that_is_replaced_is_followed_and_what_its_end_hid_is_not_covered() {
    let mut ground = Ground::new(0);
    let short =
        ["-c", "i=0; while [ $i -lt 3 ]; do sh -c 'sleep 2.2; :' GROUPTAG; i=$((i+1)); done"];
    let tag = format!("{}-group", ground.tag());
    let short = short.map(|it| it.replace("GROUPTAG", &tag));
    ground.victim("sh", &[&short[0], &short[1]]);
    let sites = format!(
        "  - {{ name: a, role: other, processes: {{ it: {{ cmdline: 'sleep 2.2; : {tag}' }}, none: {{ name: no-such-one }} }} }}\n"
    );
    let played = play(&ground, &drill(&sites, &[("baseline", "6s")]));
    let rows = &played.rows[&("a".to_owned(), "it".to_owned())];
    let gone: u32 = rows.iter().map(|it| it.vanished).sum();
    assert!(gone >= 1, "{rows:?}");
    let scopes = &played.report["sites"]["each"][0]["whole"]["scopes"];
    let covered = scopes[0]["cpu_seconds"]["known"]["covered_ratio"].as_f64().unwrap();
    assert!(covered < 0.9, "{scopes}");
    assert_eq!(unavailable(&scopes[1]["cpu_seconds"]), "no process ever fitted");
}

/// A Prometheus that scrapes an agent each second.
struct Watched {
    server: Beside,
    agent: Beside,
    _folder: tempfile::TempDir,
    _state: tempfile::TempDir,
}

impl Watched {
    fn start(tool: &Path) -> Self {
        let (folder, state) = (tempfile::tempdir().unwrap(), state());
        let agent = beside::agent(state.path(), &[]);
        let config = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: holdfast\n    \
             static_configs: [{{ targets: ['{}'] }}]\n",
            agent.address
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let server = beside::prometheus(tool, &file, &folder.path().join("log"));
        let it = Self { server, agent, _folder: folder, _state: state };
        until("energy arrives", || {
            (it.raw("holdfast_energy_joules_total").len() > 2).then_some(())
        });
        it
    }

    /// What was scraped in the last minutes: the sum over series by instant, in order.
    fn raw(&self, selector: &str) -> Vec<(i64, f64)> {
        let query = format!("{selector}[10m]");
        let query = promql::encoded(&query);
        let said = get(self.server.address, &format!("/api/v1/query?query={query}")).body;
        let said: Value = serde_json::from_str(&said).unwrap();
        let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
        for series in said["data"]["result"].as_array().unwrap() {
            for point in series["values"].as_array().unwrap() {
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds fit")]
                let at = (point[0].as_f64().unwrap() * 1e3).round() as i64;
                let value: f64 = point[1].as_str().unwrap().parse().unwrap();
                *sums.entry(at).or_default() += value;
            }
        }
        sums.into_iter().collect()
    }
}

fn remote(url: &str, instance: &str) -> String {
    format!(
        "  - name: east\n    role: standby\n    prometheus: {{ url: 'http://{url}', instance: '{instance}', timeout: 5s }}\n    \
         grid: {{ grams_per_kwh: 380, low: 300, high: 450, source: a test }}\n    \
         pue: {{ factor: 1.5, source: a test }}\n"
    )
}

#[test]
fn a_remote_sites_figures_are_what_its_prometheus_says() {
    let Some(tool) = tool("prometheus", "prometheus") else { return };
    let watched = Watched::start(&tool);
    let ground = Ground::new(0);
    let (url, instance) = (watched.server.address.to_string(), watched.agent.address.to_string());
    let sites = remote(&url, &instance) + "  - { name: here, role: primary, host: true }\n";
    let phases = [("baseline", "5s"), ("promote", "1s"), ("verify", "3s")];
    let played = play(&ground, &drill(&sites, &phases));
    assert_eq!(played.done.code, Some(0), "{:?}", played.done);
    let rows = &played.rows[&("east".to_owned(), String::new())];
    // Each row is one scrape, with the very values that Prometheus keeps of it.
    let follows = |raw: &[(i64, f64)], of: fn(&SiteRow) -> Option<f64>| {
        let mut raw = raw.iter();
        let mut scrapes = Vec::new();
        for row in rows {
            let value = of(row).unwrap();
            let found = raw.find(|it| near(it.1, value));
            scrapes
                .push((found.unwrap_or_else(|| panic!("{value} was never scraped")).0, row.at_us));
        }
        scrapes
    };
    let busy = watched.raw("node_cpu_seconds_total{mode!~\"idle|iowait\"}");
    let scrapes = follows(&busy, |it| it.cpu_seconds);
    follows(&watched.raw("holdfast_energy_joules_total"), |it| {
        it.energy.as_ref().map(|it| it.joules)
    });
    follows(&watched.raw("node_memory_MemTotal_bytes"), |it| it.memory_total_bytes);
    follows(&watched.raw("node_network_receive_bytes_total{device=\"eth0\"}"), |it| {
        it.network_received_bytes
    });
    // The instants are those of the scrapes, by one offset between the clocks, to their error.
    let offsets: Vec<i64> = scrapes.iter().map(|(ms, us)| us.cast_signed() - ms * 1_000).collect();
    let error = played.facts.iter().filter_map(|it| it.clock_error_us).max().unwrap();
    let spread = offsets.iter().max().unwrap() - offsets.iter().min().unwrap();
    assert!(spread <= 2 * error.cast_signed() + 2_000, "{spread} µs apart, {error} µs told");
    let east = &played.report["sites"]["each"][0];
    for phase in east["phases"].as_array().unwrap() {
        assert!(
            phase["scopes"][0]["cpu_seconds"]["known"].is_object(),
            "{phase} {rows:#?} {}",
            began_us(&ground)
        );
        let window = &phase["window"];
        let [value, low, high] = known(&phase["scopes"][0]["cpu_seconds"]);
        // By Prometheus's own numbers: what was scraped before and after both ends.
        let begun = began_us(&ground);
        let covered = |us: &Value| begun.saturating_add_signed(us.as_i64().unwrap());
        let (from, to) = (covered(&window["from_us"]), covered(&window["to_us"]));
        let own: Vec<(u64, f64)> = scrapes
            .iter()
            .map(|(ms, us)| (*us, busy.iter().find(|it| it.0 == *ms).unwrap().1))
            .collect();
        let (_, last) = own.last().unwrap();
        let before = |us: u64| own.iter().rev().find(|it| it.0 <= us).unwrap().1;
        let after = |us: u64| own.iter().find(|it| it.0 >= us).map_or(*last, |it| it.1);
        assert!(near(low, (before(to) - after(from)).max(0.0)), "{low}: {phase}");
        assert!(near(high, after(to) - before(from)), "{high}: {phase}");
        assert!(value >= low && value <= high);
    }
    let [kwh, low, high] = known(&east["incremental_kwh"]);
    let [grams, gram_low, gram_high] = known(&east["incremental_grams"]);
    assert!((grams - kwh * 380.0 * 1.5).abs() < 1e-9);
    let dirty =
        |it: f64, else_: f64| it * if it < 0.0 { 450.0 + 300.0 - else_ } else { else_ } * 1.5;
    assert!((gram_low - dirty(low, 300.0)).abs() < 1e-9);
    assert!((gram_high - dirty(high, 450.0)).abs() < 1e-9);
    known(&east["idle_year_kwh"]);
    known(&east["headroom"]["cpu"]);
    known(&east["headroom"]["memory"]);
    // Both sites are this machine, read in two ways, and by the same meter.
    known(&played.report["sites"]["each"][1]["incremental_kwh"]);
    known(&played.report["sites"]["peak_dual_watts"]);
}

/// When the run began, by its journal.
fn began_us(ground: &Ground) -> u64 {
    let (_, lines) = ground.journal();
    let found = lines.entries.iter().find(|it| matches!(it.fact, Fact::Began(_)));
    found.unwrap().at_us
}

#[test]
fn a_prometheus_that_is_down_makes_every_figure_unavailable_and_none_of_them_zero() {
    let ground = Ground::new(0);
    let url = format!("127.0.0.1:{}", free_port());
    let sites = remote(&url, "somewhere:9100") + "  - { name: here, role: primary, host: true }\n";
    let played = play(&ground, &drill(&sites, &[("baseline", "1s")]));
    assert_eq!(played.done.code, Some(0), "a measurement that is missing stops no drill");
    let east = &played.report["sites"]["each"][0];
    let scope = &east["whole"]["scopes"][0];
    for name in
        ["cpu_seconds", "cpu_ratio", "memory_bytes", "disk_read_bytes", "network_sent_bytes"]
    {
        assert!(unavailable(&scope[name]).contains("no connection"), "{name}: {scope}");
    }
    for name in ["incremental_kwh", "grams", "idle_year_kwh", "incremental_grams"] {
        assert!(unavailable(&east[name]).contains("no connection"), "{name}: {east}");
    }
    assert!(unavailable(&played.report["sites"]["peak_dual_watts"]).starts_with("east: "));
    assert!(played.facts.iter().any(|it| it.blind.is_some()));
    let host = &played.report["sites"]["each"][1]["whole"]["scopes"][0];
    known(&host["cpu_seconds"]);
}

#[test]
fn a_prometheus_that_does_not_know_the_site_says_which_series_are_missing() {
    let Some(tool) = tool("prometheus", "prometheus") else { return };
    let watched = Watched::start(&tool);
    let ground = Ground::new(0);
    let url = watched.server.address.to_string();
    let played = play(&ground, &drill(&remote(&url, "elsewhere:1"), &[("baseline", "1s")]));
    let scope = &played.report["sites"]["each"][0]["whole"]["scopes"][0];
    let why = unavailable(&scope["cpu_seconds"]);
    assert!(why.contains("no series") && why.contains("elsewhere:1"), "{why}");
}

#[test]
fn wrong_sites_are_each_told_with_a_way_out() {
    let ground = Ground::new(0);
    let sites = "  - { name: a, role: primary }\n  \
                 - { name: a, role: standby, host: true, prometheus: { url: 'http://x', instance: y } }\n  \
                 - { name: b, role: standby, host: true, grid: { grams_per_kwh: 9000, source: '' } }\n  \
                 - { name: c, role: other, prometheus: { url: 'http://x' }, pue: { factor: 0.5, source: x } }\n  \
                 - { name: d, role: spare, hosts: true }\n";
    let file = ground.file("x.yaml", &drill(sites, &[("baseline", "1s")])).display().to_string();
    let done = ground.run(&["check", &file]);
    assert_eq!(done.code, Some(2), "{done:?}");
    for it in [
        "nothing is read of this site",
        "two sites are called “a”",
        "either on this machine or known to a Prometheus",
        "two sites cannot both be this machine",
        "no intensity of a grid",
        "without its source",
        "every host that this Prometheus knows would be added up",
        "0.5 is no PUE",
        "hosts",
        "spare",
    ] {
        assert!(done.err.contains(it), "{it}: {}", done.err);
    }
    // A figure and its resource are told together.
    assert!(serde_json::to_string(&Resource::Energy).unwrap().contains("energy"));
}
