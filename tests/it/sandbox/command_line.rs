//! `holdfast sandbox` as a person or a script uses it.

use std::{
    fs,
    process::{Output, Stdio},
};

use holdfast::sandbox::identity::Identity;
use rustix::process::Signal;

use super::*;

fn sandbox(dir: &Path, words: &[&str]) -> Output {
    Command::new(PROGRAM).arg("sandbox").args(words).arg("--dir").arg(dir).output().unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[tokio::test]
async fn a_bank_lives_on_after_its_starter_and_down_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let bank = Bank { folder, client: bank::client().unwrap() };
    let dir = bank.dir();
    assert_eq!(code(&sandbox(&dir, &["status"])), Some(3), "there is no sandbox yet");
    let up = sandbox(&dir, &["up", "--json", "--link-delay", "0", "--cut-off", "23:59"]);
    assert_eq!(code(&up), Some(0), "{}", String::from_utf8_lossy(&up.stderr));
    let shown: Book = serde_json::from_slice(&up.stdout).unwrap();
    assert_eq!(shown, bank.book());
    assert_eq!(shown.processes.len(), 5, "without load there is no load generator");
    for (name, process) in &shown.processes {
        let pid = fs::read_to_string(dir.join(name).join("pid")).unwrap();
        assert_eq!(pid.trim(), process.pid.to_string());
        let session = rustix::process::getsid(rustix::process::Pid::from_raw(process.pid));
        assert_eq!(session.unwrap().as_raw_pid(), process.pid, "it leads its own session");
    }
    assert_eq!(code(&sandbox(&dir, &["up"])), Some(3), "it runs already");
    assert_eq!(code(&sandbox(&dir, &["start", "kyc"])), Some(3), "it runs already");
    assert_eq!(code(&sandbox(&dir, &["status"])), Some(0));

    assert_eq!(code(&sandbox(&dir, &["stop", "core-b", "--kill"])), Some(0));
    shown.processes["kyc"].identity().signal(Signal::KILL).unwrap();
    assert!(shown.processes["kyc"].identity().gone(Duration::from_secs(5)).await);
    let status = sandbox(&dir, &["status", "--json"]);
    assert_eq!(code(&status), Some(1));
    let seen: Value = serde_json::from_slice(&status.stdout).unwrap();
    let state = |name: &str| {
        let all = seen.as_array().unwrap();
        all.iter().find(|it| it["name"] == name).unwrap()["state"].as_str().unwrap().to_owned()
    };
    let states = ["core-a", "core-b", "kyc"].map(state);
    assert_eq!(states, ["up", "stopped", "down"]);

    assert_eq!(code(&sandbox(&dir, &["fence", "core-a", "--epoch", "2"])), Some(0));
    assert_eq!(bank.get("core-a", "/status").await.1["fenced"], true);
    // One that is frozen must go too.
    shown.processes["sanctions"].identity().signal(Signal::STOP).unwrap();
    assert_eq!(code(&sandbox(&dir, &["down"])), Some(0));
    assert!(shown.processes.values().all(|it| !it.identity().alive()));
    assert!(dir.join("core-a/ledger.jsonl").exists(), "the data stays");
}

#[test]
fn bad_values_are_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bank");
    let bad: [&[&str]; 8] = [
        &["up", "--cut-off", "25:00"],
        &["up", "--link-delay", "40"],
        &["up", "--link-delay", "11s"],
        &["up", "--rate", "100000"],
        &["up", "--replication", "maybe"],
        &["up", "--events-url", "http://example.org/v1/events"],
        &["up", "--events-url", "not a url"],
        &["fence", "gateway", "--epoch", "1"],
    ];
    for words in bad {
        let output = sandbox(&dir, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), Some(2), "{words:?}: {said}");
        assert!(said.contains("error: "), "{words:?}: {said}");
    }
    assert!(!dir.exists());
    let nowhere = sandbox(Path::new("/proc/nowhere"), &["up"]);
    assert_eq!(code(&nowhere), Some(3), "{}", String::from_utf8_lossy(&nowhere.stderr));
}

#[tokio::test]
async fn a_process_that_is_told_to_stop_exits_with_success() {
    let bank = Bank::up().await;
    for name in ["kyc", "core-a", "gateway"] {
        bank::stop(&bank.dir(), name, false).await.unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["sandbox-process", name, "--dir"])
            .arg(bank.dir())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        poll_until(async || bank.process(name).pid == pid).await;
        let url = bank.url(name, "/healthz");
        poll_until(async || bank.client.get(&url).send().await.is_ok()).await;
        Identity::of(pid).unwrap().signal(Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        assert!(!bank.dir().join(name).join("pid").exists());
        bank.start(name).await;
    }
}
