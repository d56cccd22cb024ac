//! The real executable, and tools that know nothing of us.

use std::{
    path::Path,
    process::{Command, Output},
};

use holdfast::evidence::{
    folder,
    seal::{BY_HAND, FILE, JOURNAL},
};

use super::{
    seals::{key, sealed},
    stories::{ASYNC, SYNC},
};

fn holdfast(state: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("--state").arg(state).args(args).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A state folder with one sealed run, and the run's folder.
fn state() -> (tempfile::TempDir, std::path::PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().join("runs/r1");
    std::fs::create_dir_all(&dir).unwrap();
    sealed(&dir, &SYNC.whole(), &folder::key(state.path()).unwrap());
    (state, dir)
}

#[test]
fn a_run_verifies_by_its_id_by_its_path_and_as_a_copy() {
    let (state, dir) = state();
    let by_id = holdfast(state.path(), &["verify", "r1"]);
    assert_eq!(by_id.status.code(), Some(0), "{}", out(&by_id));
    assert!(out(&by_id).contains("the key of this state folder"));
    let (copy, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (name, bytes) in folder::read(&dir).unwrap().files {
        std::fs::write(copy.path().join(name), bytes).unwrap();
    }
    let copy = copy.path().to_str().unwrap();
    let unknown = holdfast(elsewhere.path(), &["verify", copy]);
    assert_eq!(unknown.status.code(), Some(0));
    assert!(out(&unknown).contains("does not know"), "{}", out(&unknown));
    let public = folder::keys(state.path()).join(folder::PUBLIC);
    let public = public.to_str().unwrap();
    let named = holdfast(elsewhere.path(), &["verify", copy, "--key", public, "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&named.stdout).unwrap();
    assert_eq!(
        (&value["verdict"], &value["key"]),
        (&"pass".into(), &"the key that was named".into())
    );
}

#[test]
fn exit_codes_tell_changed_unsealed_unknown_and_strange_apart() {
    let (state, dir) = state();
    let code = |args: &[&str]| holdfast(state.path(), args).status.code();
    std::os::unix::fs::symlink("/etc/passwd", dir.join("link")).unwrap();
    let strange = holdfast(state.path(), &["verify", "r1"]);
    assert_eq!(strange.status.code(), Some(1));
    assert!(out(&strange).contains("BAD   link: was added"), "{}", out(&strange));
    std::fs::remove_file(dir.join("link")).unwrap();
    std::fs::remove_file(dir.join(FILE)).unwrap();
    assert_eq!(code(&["verify", "r1"]), Some(4));
    // Sealed again by a stranger: at home, only our own key will do.
    sealed(&dir, &SYNC.whole(), &key());
    assert_eq!(code(&["verify", "r1"]), Some(1));
    assert_eq!(code(&["verify", "r2"]), Some(2));
    assert_eq!(code(&["report", "../r1"]), Some(2));
    assert_eq!(code(&["report", "r1", "--format", "pdf"]), Some(2));
    std::fs::write(dir.join(JOURNAL), "{}\n{}\n").unwrap();
    let broken = holdfast(state.path(), &["report", "r1"]);
    assert_eq!((broken.status.code(), broken.stdout.len()), (Some(3), 0));
    let why = String::from_utf8(broken.stderr).unwrap();
    assert!(why.starts_with("error: could not read the run's journal.jsonl: line 1"), "{why}");
}

#[test]
fn a_report_is_written_to_the_file_that_was_named() {
    let (state, dir) = state();
    let file = state.path().join("out.html");
    let done = holdfast(state.path(), &["report", "r1", "-o", file.to_str().unwrap()]);
    assert_eq!((done.status.code(), done.stdout.len()), (Some(0), 0));
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(dir.join("report.html")).unwrap());
    let json = holdfast(state.path(), &["report", "r1", "--format", "json"]);
    assert_eq!(json.stdout, std::fs::read(dir.join("report.json")).unwrap());
}

#[test]
fn the_sealing_key_is_made_once_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let state = tempfile::tempdir().unwrap();
    let key = folder::key(state.path()).unwrap();
    assert_eq!(folder::key(state.path()).unwrap().public(), key.public());
    assert_eq!(folder::public_of(state.path()).unwrap(), Some(key.public()));
    let mode = |name: &str| {
        let path = folder::keys(state.path()).join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode(folder::KEY)), (0o700, 0o600));
    let path = folder::keys(state.path()).join(folder::KEY);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let why = folder::key(state.path()).unwrap_err().to_string();
    assert!(why.contains("others may read it; run `chmod 600"), "{why}");
}

/// Whether a tool is there. Where nothing may be skipped, it must be.
fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "{tool} is not installed");
    if !there {
        eprintln!("skipped: {tool} is not installed");
    }
    there
}

/// The commands that every report prints.
fn by_hand(dir: &Path) -> Output {
    Command::new("sh").arg("-ec").arg(BY_HAND).current_dir(dir).output().unwrap()
}

#[test]
fn an_auditor_verifies_with_openssl_and_sha256sum_alone() {
    if !has("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    sealed(dir.path(), &ASYNC.whole(), &key());
    std::fs::write(dir.path().join("seal.pub"), key().public().to_pem()).unwrap();
    let good = by_hand(dir.path());
    assert!(good.status.success(), "{good:?}");
    assert!(out(&good).contains("Signature Verified Successfully"), "{good:?}");
    for name in [JOURNAL, "report.html", "report.json", "report.md"] {
        assert!(out(&good).contains(&format!("{name}: OK")), "{good:?}");
    }
    let journal = std::fs::read_to_string(dir.path().join(JOURNAL)).unwrap();
    std::fs::write(dir.path().join(JOURNAL), journal.replace("absent", "same")).unwrap();
    let bad = by_hand(dir.path());
    assert!(!bad.status.success() && out(&bad).contains("journal.jsonl: FAILED"), "{bad:?}");
    std::fs::write(dir.path().join(JOURNAL), journal).unwrap();
    let other = holdfast::evidence::key::Key::from_seed(&[9; 32]);
    std::fs::write(dir.path().join("seal.pub"), other.public().to_pem()).unwrap();
    assert!(!by_hand(dir.path()).status.success(), "another key does not verify");
}

#[test]
fn openssl_reads_our_key_and_names_it_as_we_do() {
    if !has("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("seal.key"), key().to_pem()).unwrap();
    let name =
        "openssl pkey -in seal.key -pubout -outform DER | openssl dgst -sha256 -binary | base64";
    let said = Command::new("sh").arg("-ec").arg(name).current_dir(dir.path()).output().unwrap();
    let id = format!("SHA256:{}", out(&said).trim().trim_end_matches('='));
    assert_eq!(id, key().public().id());
}
