//! Carbon: nothing is assumed that nobody said.

use std::{fs, process::Command};

use serde_json::json;

use super::{metrics, value};
use crate::beside::{agent, ask, until};

#[test]
fn without_a_grid_there_are_no_emissions_and_the_page_says_why() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    let why = "holdfast_carbon_unavailable_info";
    let page = until("the reasons", || {
        let page = metrics(&agent);
        (page.get(why)?.rows.len() == 2).then_some(page)
    });
    let reasons: Vec<&String> = page[why].rows.keys().collect();
    assert!(reasons[0].contains("no share is set") || reasons[1].contains("no share is set"));
    assert!(reasons.iter().any(|it| it.contains("scope=\"operational\"")), "{reasons:?}");
    // UDP has datagrams.
    let ours = |it: &&String| it.starts_with("holdfast_");
    assert!(!page.keys().filter(ours).any(|it| it.contains("grams") || it.contains("pue")));
}

#[test]
fn a_file_with_the_grids_intensity_is_read_anew_when_it_changes() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("grid");
    let shown = file.display().to_string();
    let agent = agent(state.path(), &["--carbon.intensity-file", &shown]);
    let why = "holdfast_carbon_unavailable_info";
    let operational = |it: &str| it.contains("scope=\"operational\"");
    let reason = || metrics(&agent).get(why)?.rows.keys().find(|it| operational(it)).cloned();
    let said = until("a complaint about the file", reason);
    assert!(said.contains("there is no such file"), "{said}");
    let intensity = |bound: &str| {
        let page = metrics(&agent);
        value(&page, "holdfast_carbon_intensity_grams_per_kwh", &format!("{{bound=\"{bound}\"}}"))
    };
    fs::write(&file, "# Monday\n400 300 500\n").unwrap();
    until("the first intensity", || (intensity("low") == Some(300.0)).then_some(()));
    let page = until("emissions", || {
        let page = metrics(&agent);
        let grams = page.get("holdfast_carbon_grams_total")?;
        (grams.rows.values().sum::<f64>() > 0.0).then_some(page)
    });
    let sum = |name: &str| page[name].rows.values().sum::<f64>();
    let (low, best) = (sum("holdfast_carbon_low_grams_total"), sum("holdfast_carbon_grams_total"));
    assert!(low <= best && best <= sum("holdfast_carbon_high_grams_total"));
    assert!(page["holdfast_carbon_grams_total"].rows.keys().all(|it| operational(it)));
    fs::write(&file, "250\n# Tuesday, and windy\n").unwrap();
    until("the second intensity", || (intensity("high") == Some(250.0)).then_some(()));
    fs::write(&file, "77000000\n").unwrap();
    let said = until("a complaint about the number", reason);
    assert!(said.contains("from 0 to 3000"), "{said}");
    assert_eq!(intensity("estimate"), None, "an old intensity is not passed off as new");
}

#[test]
fn with_grid_building_and_server_known_there_are_grams_for_each_payment() {
    let state = tempfile::tempdir().unwrap();
    let flags = [
        "--carbon.intensity-grams-per-kwh=380 300 450",
        "--energy.pue=1.5",
        "--carbon.server-share=0.25",
    ];
    let agent = agent(state.path(), &flags);
    let attempts = "holdfast_payment_attempts_total";
    let sci = "holdfast_carbon_sci_grams";
    until("emissions", || {
        let page = metrics(&agent);
        (page.get("holdfast_carbon_grams_total")?.rows.len() == 3).then_some(())
    });
    assert!(!metrics(&agent).contains_key(sci), "nothing was paid yet");
    let labels = json!({"rail": "instant", "channel": "api"});
    let body = json!({"events": [{"name": attempts, "labels": labels, "value": 4}]}).to_string();
    assert_eq!(ask(agent.address, "POST", "/v1/events", &[], &body).status, 200);
    let page = until("grams for each payment", || {
        let page = metrics(&agent);
        let grams = page.get("holdfast_carbon_grams_total")?.rows.values();
        (page.contains_key(sci) && grams.into_iter().all(|it| *it > 0.0)).then_some(page)
    });
    let sum = |name: &str| page[name].rows.values().sum::<f64>();
    for (bound, name) in [
        ("low", "holdfast_carbon_low_grams_total"),
        ("estimate", "holdfast_carbon_grams_total"),
        ("high", "holdfast_carbon_high_grams_total"),
    ] {
        let labels = format!("{{bound=\"{bound}\",unit=\"{attempts}\"}}");
        let each = value(&page, sci, &labels).unwrap();
        assert!((each - sum(name) / 4.0).abs() <= 1e-9 * each, "{bound}: {each}");
    }
    let scope = |scope: &str| {
        let rows = &page["holdfast_carbon_grams_total"].rows;
        rows.iter().find(|it| it.0.contains(&format!("scope=\"{scope}\""))).unwrap().1
    };
    assert!((scope("overhead") - scope("operational") * 0.5).abs() < 1e-9);
    assert_eq!(value(&page, "holdfast_energy_pue_ratio", ""), Some(1.5));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_a_way_out() {
    for (flag, way) in [
        ("--energy.pue=0.9", "as in 1.4"),
        ("--carbon.intensity-grams-per-kwh=0.38kg", "as in 380"),
        ("--carbon.server-share=64", "as in 0.125"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_holdfast")).args(["agent", flag]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(way), "{said}");
    }
}
