//! Business events, well-meant and hostile.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{metrics, value};
use crate::beside::{Family, agent, agent_on, ask, tree, try_ask};

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
    // On a machine of which nothing comes or goes.
    let agent = agent_on(&tree("tests/fixtures/machine"), state.path());
    let name = "holdfast_payment_failures_total";
    let labels = json!({"rail": "card", "channel": "web", "reason_class": "technical"});
    // Without those that come and go with what the machine does.
    let series = |page: &BTreeMap<String, Family>| -> usize {
        page.iter()
            .filter(|(name, _)| {
                ["node_", "_energy_", "_watts", "_carbon_", "_cgroup", "_top_", "_utilisation_"]
                    .iter()
                    .all(|it| !name.contains(it))
            })
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
    let bad = |count: usize| format!("{{\"events\": [{}1]}}", "1,".repeat(count - 1));
    let answer = ask(agent.address, "POST", "/v1/events", &[], &bad(10_000));
    assert!(answer.status == 422 && answer.body.len() < 100_000, "the answer has a bound, too");
    let answer = ask(agent.address, "POST", "/v1/events", &[], &bad(10_001));
    assert_eq!(answer.status, 400, "{}", answer.body);
    let long = " ".repeat((1 << 20) + 1);
    // The server may close before all of it was sent, and then its answer can be lost.
    if let Ok(answer) = try_ask(agent.address, "POST", "/v1/events", &[], &long) {
        assert_eq!(answer.status, 413);
    }
    assert_eq!(metrics(&agent)["node_load1"].rows.len(), 1, "it lives");
}
