//! Files, logs, commands and counts on this machine.

use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
};

use super::Eye;

#[tokio::test]
async fn a_file_is_seen_with_its_size_age_text_and_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.csv");
    let eye = Eye::new("file", &format!("{{path: {}, text: true, sha256: true}}", path.display()));
    let none = eye.see().await;
    assert!(none.is("exists", 0.0) && !none.has("size"), "{none:?}");
    fs::write(&path, "abc").unwrap();
    let hour = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    File::options().write(true).open(&path).unwrap().set_modified(hour).unwrap();
    let seen = eye.see().await;
    assert!(seen.is("exists", 1.0) && seen.is("size", 3.0), "{seen:?}");
    assert!((3_599.0..7_200.0).contains(&seen.number("age_s")), "{seen:?}");
    assert_eq!(seen.text("text"), "abc");
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(seen.text("sha256"), known);
    let large = vec![b'x'; 700_000];
    fs::write(&path, &large).unwrap();
    let seen = eye.see().await;
    assert_eq!(seen.text("text").len(), large.len());
    assert!(Eye::new("file", &format!("path: {}", folder.path().display())).look().await.is_err());
    let bare = Eye::new("file", &format!("path: {}", path.display())).see().await;
    assert!(!bare.has("text") && !bare.has("sha256"), "what is not asked is not read");
}

#[tokio::test]
async fn a_log_is_counted_from_the_run_s_beginning_through_every_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("payments.log");
    let append = |text: &str| {
        let file = File::options().create(true).append(true).open(&path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    };
    let settings = format!("{{path: {}, pattern: 'status=5\\d\\d$'}}", path.display());
    let eye = Eye::new("log", &settings);
    assert!(eye.blind().await.contains("there is no file"));
    let eye = Eye::new("log", &settings);
    append("a status=500\n");
    let seen = eye.see().await;
    assert!(seen.is("count", 0.0), "what was there before is not the run's: {seen:?}");
    append("b status=503\nc status=200\nd status=5");
    let seen = eye.see().await;
    assert!(seen.is("count", 1.0) && seen.is("lines", 2.0), "half a line is none yet: {seen:?}");
    append("04\n");
    let seen = eye.see().await;
    assert!(seen.is("count", 2.0), "{seen:?}");
    assert_eq!(seen.text("last"), "d status=504");
    // Moved away, with more written to it before and after: nothing is missed, nothing twice.
    append("e status=500\n");
    fs::rename(&path, path.with_extension("log.1")).unwrap();
    let mut old = File::options().append(true).open(path.with_extension("log.1")).unwrap();
    old.write_all(b"f status=500\n").unwrap();
    assert!(eye.see().await.is("count", 4.0));
    append("g status=500\n");
    old.write_all(b"h status=500\n").unwrap();
    assert!(eye.see().await.is("count", 6.0));
    // Copied away and cut short.
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    append("i status=500\n");
    append("j status=200\n");
    let seen = eye.see().await;
    assert!(seen.is("count", 7.0), "{seen:?}");
    // A line longer than any reader wants is one line.
    append(&format!("{} status=500\nk status=500\n", "x".repeat(1 << 20)));
    let seen = eye.see().await;
    assert!(seen.is("count", 8.0) && seen.is("lines", 11.0), "{seen:?}");
}

#[tokio::test]
async fn a_pattern_that_is_none_is_told_with_a_way_out() {
    let why = Eye::try_new("log", "{path: /x, pattern: '('}").err().unwrap();
    assert!(why.contains("is not a regular expression"), "{why}");
}

#[tokio::test]
async fn a_command_is_seen_by_its_code_and_what_it_prints() {
    let eye = Eye::new("command", r#"{run: [sh, -c, "echo 42; echo oops >&2; exit 3"]}"#);
    let seen = eye.see().await;
    assert!(seen.is("code", 3.0) && seen.is("number", 42.0), "{seen:?}");
    assert_eq!(seen.text("stdout"), "42");
    assert!(seen.text("said").contains("oops"), "{seen:?}");
    let ended = Eye::new("command", r#"{run: [sh, -c, "kill -9 $$"]}"#).see().await;
    assert!(ended.is("code", -1.0) && !ended.has("number"), "{ended:?}");
    let none = Eye::new("command", "{run: [/nowhere/such-a-program]}").blind().await;
    assert!(none.contains("such-a-program"), "{none}");
    let slow = Eye::new("command", "{run: [sleep, '60'], timeout: 50ms}").blind().await;
    assert!(slow.contains("did not end"), "{slow}");
}

#[tokio::test]
async fn replicas_are_processes_units_or_endpoints_that_are_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let a = listener.local_addr().unwrap();
    // A port that was free a moment ago may be another test's by now; nobody has this one.
    let seen = Eye::new("replicas", &format!("endpoints: ['{a}', '127.0.0.1:1']")).see().await;
    assert!(seen.is("count", 1.0) && seen.is("of", 2.0), "{seen:?}");
    let tag = format!("{}.{}", 7_000 + std::process::id() % 1_000, a.port());
    let mut sleeper = std::process::Command::new("sleep").arg(&tag).spawn().unwrap();
    let eye = Eye::new("replicas", &format!("processes: {{ cmdline: 'sleep {tag}' }}"));
    let seen = eye.see().await;
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert!(seen.is("count", 1.0), "{seen:?}");
    assert!(eye.see().await.is("count", 0.0));
    let why = Eye::try_new("replicas", "{units: [a], endpoints: [b]}").err().unwrap();
    assert!(why.contains("write one of"), "{why}");
}

#[tokio::test]
async fn units_are_counted_by_what_systemd_says() {
    // A stand-in for systemd's own tool, which machines without it lack.
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("systemctl");
    let says = "#!/bin/sh\n[ \"$1\" = list-units ] || exit 1\n\
                echo 'worker@1.service loaded active running Worker 1'\n\
                echo 'worker@2.service loaded failed failed Worker 2'\n\
                echo 'worker@3.service loaded active running Worker 3'\n";
    fs::write(&script, says).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("scenario.yaml");
    let scenario = "title: x\nbaseline: 50ms\nhypothesis:\n  - name: workers\n    every: 20ms\n    \
        replicas: { units: ['worker@*'], timeout: 10s }\n    expect: { count: 2, of: 3 }\n\
        method:\n  - cpu_burn: { percent: 1, cores: 1 }\n    for: 200ms\n";
    fs::write(&file, scenario).unwrap();
    let stage = crate::stage::Stage::empty();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let words = ["chaos", "run", "--yes", &file.display().to_string()];
    let output = stage.command(&words).env("PATH", path).output().unwrap();
    let played = stage.played(output);
    assert_eq!(played.code(), 0, "{}", played.said());
}
