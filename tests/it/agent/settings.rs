//! Settings that change while the agent runs, and what others leave in files.

use std::{fs, process::Command};

use super::{metrics, value};
use crate::beside::{Beside, agent, ask, get, until};

fn hang_up(agent: &Beside) {
    let pid = agent.child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
}

#[test]
fn settings_are_read_again_when_told_and_bad_ones_keep_the_old() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("agent.yml");
    fs::write(&file, "labels: {site: here}\ncollectors: {netdev: off}\n").unwrap();
    let path = file.display().to_string();
    let agent = agent(state.path(), &["--config.file", &path, "--web.enable-lifecycle"]);
    let ok = "holdfast_config_last_reload_successful";
    let page = metrics(&agent);
    assert_eq!(value(&page, ok, "{site=\"here\"}"), Some(1.0));
    assert!(value(&page, "node_load1", "{site=\"here\"}").is_some());
    assert!(!page.contains_key("node_network_receive_bytes_total"));
    assert_eq!(get(agent.address, "/metrics?collect[]=netdev").status, 400, "it is off");
    fs::write(&file, "labels: {site: there}\ncolectors: {}\n").unwrap();
    let answer = ask(agent.address, "POST", "/-/reload", &[], "");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("agent.yml:2:1"), "{}", answer.body);
    assert_eq!(value(&metrics(&agent), ok, "{site=\"here\"}"), Some(0.0));
    fs::write(&file, "labels: {site: there}\n").unwrap();
    hang_up(&agent);
    until("the new settings count", || value(&metrics(&agent), ok, "{site=\"there\"}"));
    assert!(metrics(&agent).contains_key("node_network_receive_bytes_total"));
}

#[test]
fn nobody_reloads_over_the_web_unless_it_was_allowed() {
    let state = tempfile::tempdir().unwrap();
    let agent = agent(state.path(), &[]);
    assert_eq!(ask(agent.address, "POST", "/-/reload", &[], "").status, 404);
}

#[test]
fn a_bad_textfile_costs_itself_alone() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("textfiles");
    fs::create_dir(&folder).unwrap();
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    put("a.prom", "# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total{job=\"a\"} 1\n");
    put("b.prom", "# HELP jobs_total Other.\njobs_total{job=\"b\"} 2\nnode_load1 7\nold_count 3\n");
    let path = folder.display().to_string();
    let agent = agent(state.path(), &["--collector.textfile.directory", &path]);
    let page = metrics(&agent);
    let error = "node_textfile_scrape_error";
    // The second file says nothing of the type, so that it does not contradict.
    assert_eq!(value(&page, error, ""), Some(0.0));
    assert_eq!(page["jobs_total"].rows.len(), 2);
    assert_eq!(page["node_textfile_mtime_seconds"].rows.len(), 2);
    assert_ne!(value(&page, "node_load1", ""), Some(7.0), "the machine speaks for itself");
    let left_out = value(&page, "holdfast_series_left_out_total", "{collector=\"textfile\"}");
    assert!(left_out >= Some(1.0), "{left_out:?}");
    let bad = [
        ("half.prom", "half 1"),
        ("twice.prom", "jobs_total{job=\"a\"} 5\n"),
        ("clash.prom", "# TYPE jobs_total gauge\njobs_total{job=\"c\"} 5\n"),
        ("noise.prom", "\u{1}\u{2}{{{\n"),
    ];
    for (name, text) in bad {
        put(name, text);
        let page = metrics(&agent);
        assert_eq!(value(&page, error, ""), Some(1.0), "{name}");
        assert_eq!(value(&page, "jobs_total", "{job=\"a\"}"), Some(1.0), "{name}");
        assert_eq!(page["jobs_total"].rows.len(), 2, "{name}");
        assert_eq!(page["node_textfile_mtime_seconds"].rows.len(), 2, "{name}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    assert_eq!(value(&metrics(&agent), error, ""), Some(0.0));
}

#[test]
fn the_flags_of_node_exporter_are_taken_or_refused_with_a_way_out() {
    let state = tempfile::tempdir().unwrap();
    let args = [
        "--collector.disable-defaults",
        "--collector.loadavg",
        "--collector.cpu",
        "--no-collector.cpu",
        "--collector.ntp",
        "--web.disable-exporter-metrics",
        "--web.telemetry-path=/m",
        "--web.max-requests=0",
        "--log.level=error",
        "--log.format=json",
        "--collector.stat.softirq",
    ];
    let only = agent(state.path(), &args);
    let page = crate::beside::parse(&get(only.address, "/m").body);
    assert!(page.contains_key("node_load1") && !page.contains_key("node_cpu_seconds_total"));
    assert!(page.keys().all(|name| !name.starts_with("process_")));
    assert_eq!(get(only.address, "/metrics").status, 404);
    for (flag, way_out) in [
        ("--collector.nonsense", "unexpected argument"),
        ("--no-collector.nonsense", "unexpected argument"),
        ("--collector.sysctl.include=x", "there is no such setting here"),
        ("--collector.netdev.device-exclude=a(", "unclosed group"),
        ("--collector.vmstat.fields=(a{1000}){1000}", "size limit"),
    ] {
        let refused = refused(&[flag]);
        assert!(refused.contains(way_out), "{refused}");
    }
    let both = ["--collector.netdev.device-exclude=a", "--collector.netdev.device-include=b"];
    assert!(refused(&both).contains("exclude each other"));
    let twice = ["--collector.netdev.device-exclude=a", "--collector.netdev.device-blacklist=b"];
    assert!(refused(&twice).contains("older name"));
}

/// What is said when these flags are not taken.
fn refused(flags: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = command.arg("agent").args(flags).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn every_flag_that_debians_node_exporter_knows_is_known() {
    let Some(theirs) = crate::beside::tool("prometheus-node-exporter", "prometheus-node-exporter")
    else {
        return;
    };
    let help = Command::new(theirs).arg("--help").output().unwrap();
    let help = [help.stdout, help.stderr].concat();
    let help = String::from_utf8(help).unwrap();
    let mut unknown = Vec::new();
    for line in help.lines() {
        let Some(flag) = line.trim().split(' ').find(|it| it.starts_with("--")) else { continue };
        let (name, value) = flag.split_once('=').map_or((flag, None), |it| (it.0, Some(it.1)));
        if !name.contains('.') {
            continue;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.arg("agent").arg(value.map_or(name.to_owned(), |_| format!("{name}=1")));
        // What is read last ends it, so that nothing is started.
        let output = command.arg("--nonsense").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if said.contains(&format!("unexpected argument '{name}")) {
            unknown.push(name.to_owned());
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
}
