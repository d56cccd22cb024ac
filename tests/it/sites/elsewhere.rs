//! Sites elsewhere, by a real Prometheus that scrapes a real agent.

use std::{collections::BTreeMap, fs, path::Path};

use holdfast::{
    journal::{entry::Fact, site::SiteRow},
    world::promql,
};
use serde_json::Value;

use super::{drill, known, near, play, unavailable};
use crate::{
    beside::{self, Beside, free_port, get, state, tool, until},
    ground::Ground,
};

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

/// What `remote` says of them.
fn grams_are_of_the_grid_and_the_building(site: &Value) {
    let [kwh, low, high] = known(&site["incremental_kwh"]);
    let [grams, gram_low, gram_high] = known(&site["incremental_grams"]);
    assert!((grams - kwh * 380.0 * 1.5).abs() < 1e-9);
    let dirty =
        |it: f64, else_: f64| it * if it < 0.0 { 450.0 + 300.0 - else_ } else { else_ } * 1.5;
    assert!((gram_low - dirty(low, 300.0)).abs() < 1e-9);
    assert!((gram_high - dirty(high, 450.0)).abs() < 1e-9);
}

#[test]
fn a_remote_sites_figures_are_what_its_prometheus_says() {
    let Some(tool) = tool("prometheus", "prometheus") else { return };
    let watched = Watched::start(&tool);
    let ground = Ground::new(0);
    let (url, instance) = (watched.server.address.to_string(), watched.agent.address.to_string());
    let sites = remote(&url, &instance) + "  - { name: here, role: primary, host: true }\n";
    let phases = [("baseline", "8s"), ("promote", "1s"), ("verify", "3s")];
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
        // By Prometheus's own numbers: what was scraped before and after both ends.
        let begun = began_us(&ground);
        let covered = |us: &Value| begun.saturating_add_signed(us.as_i64().unwrap());
        let (from, to) = (covered(&window["from_us"]), covered(&window["to_us"]));
        let own: Vec<(u64, f64)> = scrapes
            .iter()
            .map(|(ms, us)| (*us, busy.iter().find(|it| it.0 == *ms).unwrap().1))
            .collect();
        let figure = &phase["scopes"][0]["cpu_seconds"];
        if figure["known"].is_null() {
            // On a machine as busy as this a scrape may come seconds late; that is a gap, then.
            let gap = own.windows(2).any(|it| it[1].0 - it[0].0 > 3_000_000);
            assert!(gap && unavailable(figure) == "no reading covers this stretch", "{phase}");
            continue;
        }
        let [value, low, high] = known(figure);
        let (_, last) = own.last().unwrap();
        let before = |us: u64| own.iter().rev().find(|it| it.0 <= us).unwrap().1;
        let after = |us: u64| own.iter().find(|it| it.0 >= us).map_or(*last, |it| it.1);
        assert!(near(low, (before(to) - after(from)).max(0.0)), "{low}: {phase}");
        assert!(near(high, after(to) - before(from)), "{high}: {phase}");
        assert!(value >= low && value <= high);
    }
    grams_are_of_the_grid_and_the_building(east);
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
