//! Dashboards and alerts against what the agent really exports, and against a real Prometheus.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    agent::{node_exporter, power::talkative},
    beside::{self, Beside, ask, get, state, tool, tree, until},
};

/// What Prometheus itself makes.
const NOT_OURS: [&str; 1] = ["up"];

fn dashboards() -> Vec<(String, Value)> {
    let files = fs::read_dir(tree("dashboards")).unwrap().map(|it| it.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap())
    };
    files.filter(|it| it.extension().is_some_and(|it| it == "json")).map(read).collect()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    let all = dashboard["panels"].as_array().unwrap().iter();
    all.filter(|panel| panel["type"] != "row").collect()
}

/// Every expression of a dashboard, with its variables filled in: where it is, and what it says.
fn expressions(name: &str, dashboard: &Value) -> Vec<(String, String)> {
    let fill = |text: &str| {
        let text = text.replace("$__rate_interval", "1m").replace("$__range", "1h");
        text.replace("$job", ".+").replace("$instance", ".+")
    };
    let mut all = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().unwrap() {
            let place = format!("{name}: {}", panel["title"].as_str().unwrap());
            all.push((place, fill(target["expr"].as_str().unwrap())));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        all.push((format!("{name}: annotation"), fill(annotation["expr"].as_str().unwrap())));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["definition"].as_str() {
            let inside = query.strip_prefix("label_values(").unwrap();
            let selector = inside.rsplit_once(", ").unwrap().0;
            all.push((format!("{name}: variable"), fill(selector)));
        }
    }
    all
}

/// The metrics that an expression names.
fn names(expression: &str) -> BTreeSet<String> {
    const WORDS: [&str; 10] = [
        "and",
        "bool",
        "by",
        "group_left",
        "group_right",
        "ignoring",
        "offset",
        "on",
        "or",
        "unless",
    ];
    let mut bare = String::new();
    let (mut braces, mut quote) = (0, false);
    for letter in expression.chars() {
        match letter {
            '"' => quote = !quote,
            _ if quote => {}
            '{' | '[' => braces += 1,
            '}' | ']' => braces -= 1,
            _ if braces > 0 => {}
            letter => bare.push(letter),
        }
    }
    let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    let mut found = BTreeSet::new();
    let mut rest = bare.as_str();
    while let Some(from) = rest.find(is_part) {
        let tail = &rest[from..];
        let to = tail.find(|it| !is_part(it)).unwrap_or(tail.len());
        let (word, after) = tail.split_at(to);
        rest = after;
        if ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&word) {
            let list = after.trim_start().strip_prefix('(').and_then(|it| it.split_once(')'));
            rest = list.map_or(after, |it| it.1);
        } else if !after.trim_start().starts_with('(')
            && !["by ", "without "].iter().any(|it| after.trim_start().starts_with(it))
            && !word.starts_with(|it: char| it.is_ascii_digit())
            && !WORDS.contains(&word)
        {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn the_names_in_an_expression_are_found() {
    let of = |text: &str| names(text).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(of("sum by (a, b) (rate(x_total{c=\"y\"}[5m])) / on (z) w > 0.02"), "w x_total");
    assert_eq!(of("time() - max(t) > 90 * 86400 and on () up == 0"), "t up");
    assert_eq!(of("absent(holdfast_build_info) or vector(0)"), "holdfast_build_info");
}

#[test]
fn every_dashboard_says_what_it_shows_in_which_unit_and_what_an_empty_panel_means() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        let uid = dashboard["uid"].as_str().unwrap();
        assert!(uid.len() <= 40 && uids.insert(uid.to_owned()), "{name}");
        assert!(!dashboard["title"].as_str().unwrap().is_empty());
        assert!(dashboard.get("__inputs").is_none() && dashboard["id"].is_null(), "{name}");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let named: Vec<&str> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(named, ["datasource", "job", "instance"], "{name}");
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}: id");
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(!defaults["unit"].as_str().unwrap().is_empty(), "{title}: unit");
            assert!(!defaults["noValue"].as_str().unwrap().is_empty(), "{title}: noValue");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            for target in panel["targets"].as_array().unwrap() {
                let expr = target["expr"].as_str().unwrap();
                for selector in expr.split('{').skip(1) {
                    let both = selector.contains("job=~\"$job\"")
                        && selector.contains("instance=~\"$instance\"");
                    assert!(both, "{title}: {expr}");
                }
                assert!(!expr.contains("_total{") || expr.contains("[$__rate_interval]"), "{expr}");
            }
        }
        assert!(dashboard["annotations"]["list"][0]["expr"].is_string(), "faults are shaded");
    }
}

#[test]
fn every_metric_that_a_dashboard_names_is_exported() {
    let (_agent, page, _state) = talkative();
    for (name, dashboard) in dashboards() {
        let all = expressions(&name, &dashboard);
        assert!(all.len() > 20, "{name}");
        for (place, expression) in all {
            let named = names(&expression);
            assert!(!named.is_empty(), "{place}: {expression}");
            for metric in named {
                assert!(page.contains_key(&metric), "{place}: `{metric}` is not exported");
            }
        }
    }
}

#[test]
fn every_metric_of_ours_is_explained_and_every_explained_one_is_exported() {
    let (_agent, page, _state) = talkative();
    let text = ["docs/agent.md", "docs/energy.md"].map(|it| fs::read_to_string(tree(it)).unwrap());
    let text = text.concat();
    let explained: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("holdfast_"))
        .collect();
    let ours = page.keys().map(String::as_str).filter(|name| name.starts_with("holdfast_"));
    // The model speaks only where no counters can be read, and reasons only where something is
    // missing; anomalies are told where a file asks for them, and who is idle after some days.
    let rare = [
        "holdfast_anomaly_expected",
        "holdfast_anomaly_score",
        "holdfast_anomaly_seasons",
        "holdfast_anomaly_seen",
        "holdfast_anomaly_sustained_score",
        "holdfast_carbon_unavailable_info",
        "holdfast_energy_coefficients_info",
        "holdfast_energy_meter_unavailable_info",
        "holdfast_idle_since_timestamp_seconds",
    ];
    let ours: BTreeSet<&str> = ours.chain(rare).collect();
    assert_eq!(explained, ours);
}

#[test]
fn promtool_finds_nothing_on_our_names_and_on_the_others_what_it_finds_on_theirs() {
    let Some(promtool) = tool("promtool", "prometheus") else { return };
    let findings = |page: &str| -> BTreeSet<String> {
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 3)), "it cannot read the page: {output:?}");
        String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect()
    };
    let state = state();
    let ours = crate::beside::agent(state.path(), &[]);
    let live = until("power", || {
        let page = get(ours.address, "/metrics").body;
        page.contains("holdfast_power_watts{").then_some(page)
    });
    let ours = findings(&live);
    assert!(ours.iter().all(|it| it.starts_with("node_")), "{ours:#?}");
    let Some(theirs) = tool("prometheus-node-exporter", "prometheus-node-exporter") else { return };
    let theirs = node_exporter(&theirs);
    let theirs = findings(&get(theirs.address, "/metrics").body);
    assert_eq!(ours, theirs.into_iter().filter(|it| it.starts_with("node_")).collect());
}

#[test]
fn the_alerts_fire_when_they_should_and_are_silent_when_they_should_not() {
    let Some(promtool) = tool("promtool", "prometheus") else { return };
    for (verb, file) in [("check", "alerts/holdfast.yml"), ("test", "alerts/holdfast_test.yml")] {
        let output =
            Command::new(&promtool).args([verb, "rules"]).arg(tree(file)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn every_alert_has_a_test_that_it_fires_and_a_runbook() {
    let rules = fs::read_to_string(tree("alerts/holdfast.yml")).unwrap();
    let tests = fs::read_to_string(tree("alerts/holdfast_test.yml")).unwrap();
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 8);
    for alert in &alerts {
        let fires = format!("alertname: {alert}\n        exp_alerts:\n          - ");
        assert!(tests.contains(&fires), "no test sees {alert} fire");
        let runbook = format!("docs/runbooks/{alert}.md");
        assert!(rules.contains(&format!("runbook_url: {runbook}\n")), "{alert}");
        let text = fs::read_to_string(tree(&runbook)).unwrap_or_default();
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let title = format!("# {alert}");
        let expected = [title.as_str(), "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];
        assert_eq!(headings, expected, "{runbook}");
    }
    let runbooks = fs::read_dir(tree("docs/runbooks")).unwrap().count();
    assert_eq!(runbooks, alerts.len(), "a runbook without an alert");
}

struct Prometheus {
    server: Beside,
    _folder: tempfile::TempDir,
    log: PathBuf,
}

/// A server that scrapes these targets each second and evaluates our alerts.
fn prometheus(tool: &Path, targets: &[&Beside]) -> Prometheus {
    let folder = tempfile::tempdir().unwrap();
    let targets: Vec<String> = targets.iter().map(|it| format!("\"{}\"", it.address)).collect();
    let config = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: ['{}']\n\
         scrape_configs:\n  - job_name: holdfast\n    static_configs: [{{targets: [{}]}}]\n",
        tree("alerts/holdfast.yml").display(),
        targets.join(", ")
    );
    let (file, log) = (folder.path().join("prometheus.yml"), folder.path().join("log"));
    fs::write(&file, config).unwrap();
    let server = beside::prometheus(tool, &file, &log);
    Prometheus { server, _folder: folder, log }
}

impl Prometheus {
    fn api(&self, path: &str) -> Value {
        serde_json::from_str(&get(self.server.address, path).body).unwrap()
    }

    /// The result of an instant query, or what is wrong with it.
    fn query(&self, expression: &str) -> Result<Value, String> {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let body = format!("query={}", escape(expression));
        let answer = ask(self.server.address, "POST", "/api/v1/query", &form, &body);
        let said: Value = serde_json::from_str(&answer.body).map_err(|why| why.to_string())?;
        match said["status"].as_str() {
            Some("success") => Ok(said["data"]["result"].clone()),
            _ => Err(said["error"].to_string()),
        }
    }
}

fn escape(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[test]
fn a_real_prometheus_scrapes_us_and_understands_every_expression() {
    let Some(tool) = tool("prometheus", "prometheus") else { return };
    let (agent, page, _state) = talkative();
    let prometheus = prometheus(&tool, &[&agent]);
    until("the target is up", || {
        let targets = prometheus.api("/api/v1/targets");
        (targets["data"]["activeTargets"].get(0)?["health"] == "up").then_some(())
    });
    let value = |expression: &str| -> Option<String> {
        let result = prometheus.query(expression).unwrap();
        Some(result.get(0)?["value"][1].as_str()?.to_owned())
    };
    let stuck = until("our metrics arrive", || value("sum(holdfast_fault_stuck)"));
    assert_eq!(stuck, "1");
    assert_eq!(value("count(node_cpu_seconds_total)").as_deref(), Some("32"));
    for (name, dashboard) in dashboards() {
        for (place, expression) in expressions(&name, &dashboard) {
            assert!(prometheus.query(&expression).is_ok(), "{place}: {expression}");
        }
    }
    let fires = |rules: &[Value], name: &str| {
        rules.iter().any(|it| it["name"] == name && it["state"] == "firing")
    };
    let rules = until("every rule was evaluated, and those fire that should", || {
        let rules = prometheus.api("/api/v1/rules");
        let rules = rules["data"]["groups"].get(0)?["rules"].as_array()?.clone();
        let expected = ["HoldfastFaultStuck", "HoldfastDrillLostWrites", "HoldfastDrillRtoMissed"];
        let done = rules.iter().all(|rule| rule["health"] != "unknown")
            && expected.iter().all(|name| fires(&rules, name));
        done.then_some(rules)
    });
    assert!(!fires(&rules, "HoldfastRunsIndexUnreadable"), "{rules:#?}");
    assert!(rules.len() >= 8);
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        for metric in names(rule["query"].as_str().unwrap()) {
            let known = page.contains_key(&metric) || NOT_OURS.contains(&metric.as_str());
            assert!(known, "{}: `{metric}` is not exported", rule["name"]);
        }
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(rule["annotations"][annotation].is_string(), "{rule:#}");
        }
    }
    let log = fs::read_to_string(&prometheus.log).unwrap();
    let warned = |line: &&str| line.contains("level=warn") || line.contains("level=error");
    assert_eq!(log.lines().find(warned), None, "{log}");
}
