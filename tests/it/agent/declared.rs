//! What the agent's file declares: business metrics, limits, what is kept and watched.

use std::{fs, path::Path, process::Command};

use super::{metrics, value};
use crate::beside::{Beside, agent, agent_on, ask, until};

fn with(state: &Path, text: &str, more: &[&str]) -> Beside {
    let file = state.join("agent.yml");
    fs::write(&file, text).unwrap();
    let path = file.display().to_string();
    agent(state, &[&["--config.file", &path, "--web.enable-lifecycle"], more].concat())
}

fn refused(state: &Path, text: &str) -> String {
    let file = state.join("bad.yml");
    fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("--state")
        .arg(state)
        .args(["agent", "--web.listen-address=127.0.0.1:0", "--config.file"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    String::from_utf8(output.stderr).unwrap()
}

const BUSINESS: &str = "
business:
  standard: off
  metrics:
    - name: orders_accepted_total
      type: counter
      help: Orders that were accepted.
      labels:
        desk: {values: [bonds, equities]}
        venue: {values_max: 2}
    - name: trades_total
      type: counter
      help: Trades.
      labels: {desk: {values: [bonds, equities]}}
    - name: queue_oldest_age_seconds
      type: gauge
      unit: seconds
      help: Age of the oldest order that waits.
sci: {per: orders_accepted_total}
";

fn tell(agent: &Beside, body: &str) -> (u16, String) {
    let answer = ask(agent.address, "POST", "/v1/events", &[], body);
    (answer.status, answer.body)
}

fn order(desk: &str, venue: &str) -> String {
    format!(
        "{{\"events\": [{{\"name\": \"orders_accepted_total\", \
         \"labels\": {{\"desk\": \"{desk}\", \"venue\": \"{venue}\"}}}}]}}"
    )
}

#[test]
fn business_metrics_are_what_the_file_declares_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let agent = with(state.path(), BUSINESS, &[]);
    let page = metrics(&agent);
    assert!(!page.contains_key("holdfast_payment_attempts_total"), "it is switched off");
    assert_eq!(value(&page, "trades_total", "{desk=\"bonds\"}"), Some(0.0), "zero from the start");
    assert!(!page.contains_key("queue_oldest_age_seconds"), "nobody said that it is zero");
    for venue in ["x", "y", "z", "w"] {
        assert_eq!(tell(&agent, &order("bonds", venue)).0, 200, "{venue}");
    }
    assert_eq!(tell(&agent, &order("coffee", "x")).0, 422);
    let age = |age: &str| {
        format!("{{\"events\": [{{\"name\": \"queue_oldest_age_seconds\", \"value\": {age}}}]}}")
    };
    assert_eq!(tell(&agent, &age("7")).0, 200);
    assert_eq!(tell(&agent, &age("2.5")).0, 200);
    let page = metrics(&agent);
    let orders = &page["orders_accepted_total"].rows;
    assert_eq!(orders["{desk=\"bonds\",venue=\"other\"}"].to_bits(), 2.0_f64.to_bits());
    assert_eq!(orders.len(), 3, "{orders:?}");
    assert_eq!(value(&page, "queue_oldest_age_seconds", ""), Some(2.5));
    assert_eq!(page["queue_oldest_age_seconds"].kind, "gauge");
    assert_eq!(value(&page, "holdfast_events_overflowed_total", ""), Some(2.0));
    // A reload that changes something else loses nothing.
    fs::write(state.path().join("agent.yml"), format!("{BUSINESS}labels: {{site: a}}\n")).unwrap();
    assert_eq!(ask(agent.address, "POST", "/-/reload", &[], "").status, 200);
    let page = metrics(&agent);
    let key = "{desk=\"bonds\",venue=\"x\",site=\"a\"}";
    assert_eq!(value(&page, "orders_accepted_total", key), Some(1.0), "{page:?}");
}

#[test]
fn grams_are_told_for_each_unit_of_the_counter_that_the_file_names() {
    let state = tempfile::tempdir().unwrap();
    let more =
        ["--energy.pue=1.4", "--carbon.intensity-grams-per-kwh=400", "--carbon.server-share=0.1"];
    let agent = with(state.path(), BUSINESS, &more);
    tell(&agent, &order("bonds", "x"));
    until("grams for each order", || {
        let page = metrics(&agent);
        let key = "{bound=\"estimate\",unit=\"orders_accepted_total\"}";
        value(&page, "holdfast_carbon_sci_grams", key).filter(|it| *it > 0.0)
    });
}

#[test]
fn every_mistake_of_the_file_is_told_at_its_place() {
    let state = tempfile::tempdir().unwrap();
    let cases = [
        ("labels: {a: b}\ncolectors: {}\n", "bad.yml:2:1", "`colectors`"),
        ("collectors: {netdev: of}\n", "bad.yml:1:22", "`of`"),
        ("limits: {netdef: {}}\n", "bad.yml:1:18", "did you mean `netdev`"),
        ("limits: {netdev: {deadline: 2h}}\n", "bad.yml:1:29", "no scrape waits longer"),
        ("limits: {netdev: {serie_max: 3}}\n", "bad.yml:1:19", "`serie_max`"),
        ("sci: {per: trades_total}\n", "bad.yml:1:12", "declared counter"),
        ("idle: {days: -1}\n", "bad.yml:1:14", "days"),
        ("foresight: [{series: 'a{b=\"c\"}'}]\n", "bad.yml:1:22", "labels go under"),
        ("business: {metrics: [{name: a, type: counter, help: A}]}\n", "bad.yml:1:29", "`_total`"),
        (
            "business: {metrics: [{name: node_a_total, type: counter, help: A}]}\n",
            "bad.yml:1:29",
            "the agent's own",
        ),
        (
            "business: {metrics: [{name: a_total, type: counter, help: A, unit: bytes}]}\n",
            "bad.yml:1:68",
            "does not say the unit",
        ),
        (
            "business: {metrics: [{name: a_total, type: counter, help: A, labels: {b: {}}}]}\n",
            "bad.yml:1:74",
            "one of the two",
        ),
        (
            "business: {metrics: [{name: a_total, type: counter, help: A, series_max: 1, \
             labels: {b: {values: [x, y]}}}]}\n",
            "bad.yml:1:29",
            "allow 2 series",
        ),
        ("labels:\n  site: \"her", "bad.yml:2", "not YAML"),
    ];
    for (text, place, what) in cases {
        let said = refused(state.path(), text);
        assert!(said.contains(place) && said.contains(what), "{text}: {said}");
    }
}

#[test]
fn a_collector_may_have_fewer_series_than_others() {
    let state = tempfile::tempdir().unwrap();
    let agent = with(state.path(), "limits: {loadavg: {series_max: 1}}\n", &[]);
    let page = metrics(&agent);
    assert!(page.contains_key("node_load1") && !page.contains_key("node_load15"));
    let left_out = value(&page, "holdfast_series_left_out_total", "{collector=\"loadavg\"}");
    assert!(left_out >= Some(2.0), "{left_out:?}");
    assert!(page.contains_key("node_forks_total"));
}

fn end(agent: &mut Beside) {
    let pid = agent.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(agent.child.wait().unwrap().success());
}

fn joules(agent: &Beside) -> Option<f64> {
    let page = metrics(agent);
    let rows = &page.get("holdfast_energy_joules_total")?.rows;
    Some(rows.values().sum::<f64>()).filter(|it| *it > 0.0)
}

#[test]
fn energy_goes_on_after_a_restart_if_it_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let keep = "energy: {keep: true}\n";
    let mut first = with(state.path(), keep, &[]);
    let before = until("some energy was used", || joules(&first));
    end(&mut first);
    drop(first);
    let mut second = with(state.path(), keep, &[]);
    let after = until("the sums are there again", || joules(&second));
    assert!(after >= before, "{after} is less than {before}");
    end(&mut second);
    drop(second);
    fs::write(state.path().join("agent-energy.json"), "{\"version\":1,").unwrap();
    // A file that is cut off costs the sums, and nothing else.
    let third = with(state.path(), keep, &[]);
    assert!(metrics(&third).contains_key("node_load1"));
}

#[test]
fn utilisation_is_told_and_since_when_idlers_are_watched_survives_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let began = "holdfast_idle_watched_since_timestamp_seconds";
    let mut first = with(state.path(), "idle: {days: 3}\n", &[]);
    let since = until("idlers are watched", || value(&metrics(&first), began, ""));
    let page = until("utilisation is known", || {
        let page = metrics(&first);
        value(&page, "holdfast_utilisation_ratio", "{resource=\"cpu\"}").map(|_| page)
    });
    for resource in ["cpu", "memory"] {
        let key = format!("{{resource=\"{resource}\"}}");
        let used = value(&page, "holdfast_utilisation_ratio", &key).unwrap();
        assert!((0.0..=1.0).contains(&used), "{resource}: {used}");
    }
    assert_eq!(value(&page, "holdfast_idle_after_seconds", ""), Some(3.0 * 86_400.0));
    assert!(!page.contains_key("holdfast_idle_since_timestamp_seconds"), "nobody is, so soon");
    end(&mut first);
    drop(first);
    let second = with(state.path(), "idle: {days: 3}\n", &[]);
    let again = until("idlers are watched", || value(&metrics(&second), began, ""));
    // A number in a file may lose its last bit.
    assert!((again - since).abs() < 0.001, "{again} is not {since}");
}

#[test]
fn a_machine_that_did_nothing_for_long_enough_is_listed() {
    let state = tempfile::tempdir().unwrap();
    let machine = crate::beside::machine();
    let boot = machine.path().join("proc/sys/kernel/random/boot_id");
    fs::write(&boot, "one\n").unwrap();
    fs::write(machine.path().join("proc/uptime"), "900000.00 1.00\n").unwrap();
    // A ledger that was kept a month ago, by an agent that was down since: the counters stand.
    let stat = fs::read_to_string(machine.path().join("proc/stat")).unwrap();
    let ticks: Vec<u64> = stat
        .lines()
        .next()
        .unwrap()
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .map(|it| it.parse().unwrap())
        .collect();
    let busy = (ticks.iter().sum::<u64>() - ticks[3] - ticks[4] - ticks[7]) * 10_000;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let then = now.as_secs() - 30 * 86_400;
    let ledger = format!(
        "{{\"began\":{then}.0,\"boot\":\"one\",\"members\":{{\"\":{{\"busy\":{then}.0,\
         \"used\":{busy},\"at\":{then}.0}}}}}}"
    );
    fs::write(state.path().join("agent-idle.json"), ledger).unwrap();
    let agent = agent_on(machine.path(), state.path());
    let key = "{cgroup=\"\",kind=\"host\",unit=\"\"}";
    let since = until("the machine is listed", || {
        value(&metrics(&agent), "holdfast_idle_since_timestamp_seconds", key)
    });
    assert!((since - f64::from(u32::try_from(then).unwrap())).abs() < 1.0, "{since}");
}

#[test]
fn a_mistake_in_the_web_configuration_never_tells_a_hash() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("web.yml");
    let hash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";
    let cases = [
        format!("basic_auth_users:\n  alice: {hash}\n  bob: nonsense-{hash}\n"),
        format!("basic_auth_users: {{alice: {hash}}}\nbasic_auth_user: {{bob: {hash}}}\n"),
        format!("basic_auth_users: {hash}\n"),
        format!("basic_auth_users: [{hash}]\n"),
        format!("basic_auth_users: {{{hash}: alice}}\n"),
        format!("basic_auth_users: {{alice: {hash}, {hash}}}}}\n"),
        "basic_auth_users: hunter2\n".to_owned(),
        "tls_server_config: {cert: hunter2, key: hunter2}\n".to_owned(),
    ];
    for text in cases {
        fs::write(&file, &text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .arg("--state")
            .arg(state.path())
            .args(["agent", "--web.listen-address=127.0.0.1:0", "--web.config.file"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("web.yml:"), "{said}");
        assert!(!said.contains("QOauhQNbBCuQ") && !said.contains("hunter2"), "{said}");
    }
}
