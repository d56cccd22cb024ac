//! The landing page, as a browser sees it.

use std::{fs, path::Path, process::Command};

use crate::beside::{agent, agent_on, get, state, tool, tree};

/// The document after its script has run, as Chromium has it.
fn seen(chromium: &Path, url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"];
    let mut command = Command::new(chromium);
    command.args(flags).args(["--no-first-run", "--disable-dev-shm-usage", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The names in rows that are not hidden, and the text of the count.
fn found(page: &str) -> (Vec<String>, String) {
    let count = page.split("id=\"count\"").nth(1).unwrap_or_default();
    let count = count.split(['>', '<']).nth(1).unwrap_or_default().to_owned();
    let rows = page.split("<tr").skip(1).filter(|row| {
        let tag = row.split('>').next().unwrap_or_default();
        !tag.contains("hidden")
    });
    let name = |row: &str| {
        let link = row.split("</a>").next().unwrap_or_default();
        let link = link.split_once("<a ").and_then(|it| it.1.split_once('>')).map(|it| it.1);
        link.unwrap_or_default().replace("<mark>", "").replace("</mark>", "")
    };
    (rows.map(name).collect(), count)
}

#[test]
fn a_browser_finds_metrics_by_name_by_meaning_and_by_collector() {
    let Some(chromium) = tool("chromium", "chromium") else { return };
    let state = state();
    let agent = agent_on(&tree("tests/fixtures/machine"), state.path());
    let find = |words: &str| {
        let page = seen(&chromium, &format!("http://{}/#q={words}", agent.address));
        assert!(page.contains("class=\"live\""), "the script did not run: {page}");
        found(&page)
    };
    let (by_name, count) = find("load");
    assert_eq!(by_name, ["node_load1", "node_load5", "node_load15"]);
    assert!(count.starts_with("3 of "), "{count}");
    let (by_meaning, _) = find("Paging%20WRITTEN");
    assert!(by_meaning.is_empty(), "{by_meaning:?}");
    let (by_collector, _) = find("vmstat%20fault");
    assert_eq!(by_collector, ["node_vmstat_pgfault", "node_vmstat_pgmajfault"]);
    let (by_help, _) = find("1m%20average");
    assert_eq!(by_help, ["node_load1"]);
    let (none, count) = find("no-such-thing");
    assert!(none.is_empty() && count.starts_with("0 of "), "{count}");
}

#[test]
fn the_landing_page_shows_what_is_exported_and_wants_nothing_from_elsewhere() {
    let state = state();
    let agent = agent_on(&tree("tests/fixtures/machine"), state.path());
    let answer = get(agent.address, "/");
    assert_eq!(answer.status, 200);
    let headers = answer.headers.to_lowercase();
    assert!(headers.contains("content-security-policy: default-src 'none'"), "{headers}");
    assert!(!answer.body.contains("style=") && !answer.body.contains("onclick"));
    let (names, _) = found(&answer.body);
    for name in ["node_load1", "node_hwmon_temp_celsius", "holdfast_runs_total", "process_open_fds"]
    {
        assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
    }
    for asset in ["/-/landing.css", "/-/landing.js"] {
        let answer = get(agent.address, asset);
        assert!(answer.status == 200 && !answer.body.contains("http"), "{asset}");
        assert!(answer.headers.contains("text/"), "{}", answer.headers);
    }
    for link in answer.body.split("href=\"").skip(1) {
        let link = link.split('"').next().unwrap();
        assert!(!link.contains("//") && !link.starts_with('/'), "{link}");
    }
}

#[test]
fn what_others_write_cannot_act_on_the_page() {
    let state = state();
    let folder = state.path().join("texts");
    fs::create_dir(&folder).unwrap();
    let text =
        "# HELP jobs_total <script>alert(1)</script>\n# TYPE jobs_total counter\njobs_total 1\n";
    fs::write(folder.join("a.prom"), text).unwrap();
    let path = folder.display().to_string();
    let agent = agent(state.path(), &["--collector.textfile.directory", &path]);
    let page = get(agent.address, "/").body;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    let textfile = page.split("id=\"c-textfile\"").nth(1).unwrap();
    assert!(textfile.contains("jobs_total"), "{textfile}");
}
