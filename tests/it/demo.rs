//! The one command that shows everything.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use crate::stage::{PROGRAM, text};

/// Processes that have this text in their command line.
fn processes(of: &str) -> Vec<String> {
    let listed = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = listed.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
    lines.map(|it| text(&it).replace('\0', " ")).filter(|it| it.contains(of)).collect()
}

fn leftovers(temp: &std::path::Path) -> Vec<String> {
    let shown = temp.display().to_string();
    let files = std::fs::read_dir(temp).unwrap().flatten();
    files.map(|it| it.path().display().to_string()).chain(processes(&shown)).collect()
}

#[test]
fn the_demo_shows_a_fault_and_a_drill_seals_them_and_leaves_nothing() {
    let (temp, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut demo = Command::new(PROGRAM);
    demo.arg("demo").arg("--out").arg(out.path()).env("TMPDIR", temp.path());
    let played = demo.env("NO_COLOR", "1").current_dir(out.path()).output().unwrap();
    let (data, talk) = (text(&played.stdout), text(&played.stderr));
    assert!(played.status.success(), "{data}{talk}");
    assert_eq!(leftovers(temp.path()), Vec::<String>::new());
    for word in ["PASS", "broke", "RTO", "RPO", "energy", "report", "metrics"] {
        assert!(data.contains(word), "{word} is not told: {data}");
    }
    assert!(data.lines().count() <= 24, "one screen: {data}");
    let runs: Vec<_> =
        std::fs::read_dir(out.path()).unwrap().flatten().map(|it| it.path()).collect();
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert!(std::fs::metadata(run.join("report.html")).unwrap().len() > 10_000);
        let verify = Command::new(PROGRAM).arg("verify").arg(&run).output().unwrap();
        assert!(verify.status.success(), "{}", text(&verify.stdout));
    }
}

#[test]
fn a_demo_that_is_interrupted_cleans_up() {
    let (temp, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut demo = Command::new(PROGRAM);
    demo.arg("demo").arg("--out").arg(out.path()).env("TMPDIR", temp.path());
    let mut child = demo.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let talk = child.stderr.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(talk));
    assert!(lines.any(|it| it.unwrap().contains("acts: 1 of 1 stopped")), "the fault stands");
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let rest: Vec<_> = lines.map(|it| it.unwrap()).collect();
    let status = child.wait().unwrap();
    assert!(!status.success() && status.code() != Some(5), "{status} {rest:#?}");
    assert_eq!(leftovers(temp.path()), Vec::<String>::new());
}

#[test]
fn a_demo_that_is_kept_goes_on_until_it_is_told_to_stop() {
    let (temp, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut demo = Command::new(PROGRAM);
    demo.args(["demo", "--keep", "--out"]).arg(out.path()).env("TMPDIR", temp.path());
    let played = demo.env("NO_COLOR", "1").output().unwrap();
    let data = text(&played.stdout);
    assert!(played.status.success(), "{data}{}", text(&played.stderr));
    // Whatever the rest of this test finds, what it started must end: by what the demo says.
    let stop = data.lines().find_map(|it| it.strip_prefix("to stop them: ")).unwrap().to_owned();
    let addresses: Vec<_> = data
        .lines()
        .skip_while(|it| *it != "kept running:")
        .filter_map(|it| it.split_whitespace().find(|it| it.starts_with("http://")))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = holdfast::sandbox::bank::client().unwrap();
    let answers = addresses.iter().map(|it| {
        let asked = client.get(format!("{it}/metrics")).send();
        runtime.block_on(asked).is_ok_and(|it| it.status().is_success())
    });
    let answers: Vec<bool> = answers.collect();
    let stop = stop.replacen("holdfast", PROGRAM, 1);
    assert!(Command::new("sh").args(["-c", &stop]).status().unwrap().success(), "{stop}");
    assert_eq!(answers.len(), 7, "{data}");
    assert!(answers.iter().all(|it| *it), "{answers:?} {data}");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let shown = temp.path().display().to_string();
    while !processes(&shown).is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", processes(&shown));
        std::thread::yield_now();
    }
}
