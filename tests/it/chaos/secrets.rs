//! What comes from the environment, and what must never be written down.

use std::{fs, path::Path};

use holdfast::journal::entry::Fact;
use rustix::process::Signal;

use super::web::Echo;
use crate::{
    crash::PATIENCE,
    ground::{Done, Ground, send, wait, within},
};

/// No other text has these.
const TOKEN: &str = "tk-9f2c\"77e1&b04d";
const PASSWORD: &str = "pw 5e88 4898 da28";

/// Every file under a folder that holds this text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for it in fs::read_dir(folder).expect("a folder").flatten() {
        if it.path().is_dir() {
            found.extend(holding(&it.path(), text));
        } else {
            let bytes = fs::read(it.path()).expect("a file");
            if bytes.windows(text.len()).any(|it| it == text.as_bytes()) {
                found.push(it.path().display().to_string());
            }
        }
    }
    found
}

/// Whatever was written or said, neither secret is in it, however it is written.
fn assert_kept(ground: &Ground, done: &Done) {
    let json = TOKEN.replace('"', "\\\"");
    let url = TOKEN.replace('"', "%22").replace('&', "%26");
    for it in [TOKEN, PASSWORD, &json, &url, "tk-9f2c", "4898 da28"] {
        assert!(!done.out.contains(it) && !done.err.contains(it), "{it}: {done:?}");
        assert_eq!(holding(&ground.state(), it), Vec::<String>::new(), "{it}");
    }
}

fn file(ground: &Ground, echo: &Echo, method: &str) -> String {
    let text = format!(
        "title: x\nbaseline: 50ms\nsettle: 1s\nsecrets:\n  token: {{ env: HOLDFAST_TEST_TOKEN }}\n  \
         password: {{ file: GROUND-password }}\nhypothesis:\n  - name: who am I\n    http:\n      \
         url: http://{0}/?t=${{secret.password}}\n      method: POST\n      \
         headers: {{ x-token: 'a ${{secret.token}}' }}\n      body: '${{secret.password}}'\n    \
         expect: {{ status: 404 }}\n    every: 50ms\n    mode: during_fault\n  \
         - name: a command\n    command:\n      \
         run: ['T=${{secret.token}}', sh, -c, 'echo \"$T\"; echo \"$T\" >&2']\n    \
         expect: {{ stdout: '${{secret.token}}' }}\n    every: 50ms\n  \
         - name: what is said\n    http:\n      url: http://{0}/\n      method: POST\n      \
         body: '${{secret.token}}'\n    \
         expect: {{ body: {{ regex: 'nothing like that' }} }}\n    every: 50ms\n    mode: during_fault\n{method}",
        echo.address
    );
    // Beside the folder that is looked through, with the end of line that editors put there.
    let aside = format!("{}-password", ground.path().display());
    fs::write(&aside, format!("{PASSWORD}\n")).expect("a file");
    ground.file("x.yaml", &text).display().to_string()
}

fn method(echo: &Echo) -> String {
    format!(
        "method:\n  - parallel:\n      - exec:\n          \
         run: ['T=${{secret.token}}', sh, -c, 'printf %s \"$T\" > GROUND-mark; echo \"$T\"']\n          \
         undo: ['T=${{secret.token}}', sh, -c, 'test -z \"$T\" || rm -f GROUND-mark']\n        \
         for: 500ms\n      - service_lever: {{ url: 'http://{}/lever?t=${{secret.token}}', \
         set: '{{\"mode\":\"${{secret.password}}\"}}' }}\n        for: 500ms\n",
        echo.address
    )
}

/// What is beside the folder goes with it.
struct Aside(String);

impl Drop for Aside {
    fn drop(&mut self) {
        for it in ["password", "mark"] {
            drop(fs::remove_file(format!("{}-{it}", self.0)));
        }
    }
}

fn aside(ground: &Ground) -> Aside {
    Aside(ground.path().display().to_string())
}

#[test]
fn a_secret_reaches_the_world_and_nothing_that_is_written_down() {
    let (ground, echo) = (Ground::new(0), Echo::start());
    let _aside = aside(&ground);
    let path = file(&ground, &echo, &method(&echo));
    let run = |words: &[&str]| -> Done {
        let mut command = ground.holdfast(words);
        command.env("HOLDFAST_TEST_TOKEN", TOKEN).env("RUST_LOG", "holdfast=trace");
        command.output().expect("it starts").into()
    };
    let dry = run(&["chaos", "run", "--dry-run", &path]);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.out.contains("${secret.token}"), "{dry:?}");
    let json = run(&["chaos", "run", "--json", &path]);
    // The service does not answer with 404: that is told, with all that it said.
    assert_eq!(json.code, Some(1), "{json:?}");
    let heard = echo.heard();
    for it in [format!("x-token: a {TOKEN}"), format!("\n{PASSWORD}\n")] {
        assert!(heard.contains(&it), "{it:?} in {heard}");
    }
    assert!(heard.contains(&format!("{{\"mode\":\"{PASSWORD}\"}}")), "{heard}");
    for done in [dry, json] {
        assert_kept(&ground, &done);
    }
    let noted = ground.has(|it| {
        matches!(it, Fact::Looks { rows, .. }
        if rows.iter().any(|it| it.3.contains("${secret.")))
    });
    assert!(noted, "the name stands in what was seen");
    for format in ["text", "markdown", "html", "json", "junit"] {
        let done = run(&["report", "--format", format, &ground.journal().0]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_kept(&ground, &done);
    }
    ground.assert_settled("secrets");
}

#[test]
fn what_is_not_to_be_had_is_told_at_its_place() {
    let (ground, echo) = (Ground::new(0), Echo::start());
    let _aside = aside(&ground);
    let path = file(&ground, &echo, &method(&echo));
    fs::remove_file(format!("{}-password", ground.path().display())).expect("it was there");
    let done = ground.run(&["chaos", "run", &path]);
    assert_eq!(done.code, Some(2), "{done:?}");
    for it in ["x.yaml:5:", "x.yaml:6:", "HOLDFAST_TEST_TOKEN", "-password", "is not to be had"] {
        assert!(done.err.contains(it), "{it}: {done:?}");
    }
    assert!(!ground.state().exists(), "nothing was begun");
    let checked = ground.run(&["check", &path]);
    assert_eq!(checked.code, Some(0), "a file may be checked without its secrets: {checked:?}");
}

#[test]
fn a_secret_is_refused_where_everybody_would_see_it() {
    let ground = Ground::new(0);
    for (bad, why) in [
        ("exec: { run: [curl, '${secret.t}'], undo: ['true'] }", "sees a command's arguments"),
        ("exec: { run: [a, 'T=${secret.t}'], undo: ['true'] }", "sees a command's arguments"),
        ("disk_fill: { path: '${secret.t}', size: 1MiB }", "no secret is put in here"),
        ("clock_skew: { run: ['T=${secret.t}', date], by: 1h }", "no secret is put in here"),
    ] {
        let text =
            format!("title: x\nsecrets:\n  t: {{ env: PATH }}\nmethod:\n  - {bad}\n    for: 1s\n");
        let path = ground.file("x.yaml", &text).display().to_string();
        let done = ground.run(&["check", &path]);
        assert_eq!(done.code, Some(2), "{bad}: {done:?}");
        assert!(done.err.contains(why) && done.err.contains("x.yaml:5:"), "{bad}: {done:?}");
    }
    let text = "title: x\nhypothesis:\n  - name: h\n    sql: { user: u, password: plain, \
                statement: select 1 }\n    expect: { up: 1 }\nmethod:\n  - cpu_burn: { percent: 5, \
                cores: 1 }\n    for: 1s\n";
    let done = ground.run(&["check", &ground.file("y.yaml", text).display().to_string()]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.err.contains("is in every report"), "{done:?}");
}

#[test]
fn a_secret_that_an_undo_needs_is_read_again_from_where_it_is() {
    let (ground, echo) = (Ground::new(0), Echo::start());
    let _aside = aside(&ground);
    let path = file(&ground, &echo, &method(&echo).replace("500ms", "5m"));
    let text = fs::read_to_string(&path).expect("the file");
    let quiet = text.replace("mode: during_fault", "mode: end");
    fs::write(&path, quiet).expect("the file");
    let mark = format!("{}-mark", ground.path().display());
    let mut command = ground.holdfast(&["chaos", "run", &path]);
    let mut runner = command.env("HOLDFAST_TEST_TOKEN", TOKEN).spawn().expect("it starts");
    let stands = || {
        let effects = |it: &Fact| matches!(it, Fact::Effect { act: 2, .. });
        ground.has(effects) && Path::new(&mark).exists()
    };
    assert!(within(PATIENCE, stands), "both stand");
    let guardian = ground.guardian().expect("a guardian");
    send(guardian, Signal::KILL);
    send(runner.id(), Signal::KILL);
    wait(&mut runner, PATIENCE);
    if !Path::new(&mark).exists() {
        return; // The guardian died later than the runner, and was faster.
    }
    let blind = ground.run(&["recover"]);
    assert_eq!(blind.code, Some(5), "{blind:?}");
    assert!(blind.err.contains("env 'T=${secret.token}' 'sh'"), "by hand, by name: {blind:?}");
    assert!(ground.has(|it| matches!(it, Fact::Stuck { why, .. }
        if why.contains("the secret `token` is not to be had"))));
    assert_kept(&ground, &blind);
    let mut command = ground.holdfast(&["recover"]);
    let seeing: Done =
        command.env("HOLDFAST_TEST_TOKEN", TOKEN).output().expect("it starts").into();
    assert_eq!(seeing.code, Some(0), "{seeing:?}");
    assert!(!Path::new(&mark).exists(), "it is healed");
    assert_kept(&ground, &seeing);
    ground.assert_settled("recovered with its secret");
}

#[test]
fn a_variable_comes_from_the_environment_or_has_a_default() {
    let ground = Ground::new(0);
    let text = "title: x\nvars:\n  percent: { env: HOLDFAST_TEST_PERCENT, default: '7' }\n  \
                cores: { env: HOLDFAST_TEST_CORES }\nmethod:\n  \
                - cpu_burn: { percent: '${percent}', cores: '${cores}' }\n    for: 100ms\n";
    let path = ground.file("x.yaml", text).display().to_string();
    let bare = ground.run(&["chaos", "run", "--dry-run", &path]);
    assert_eq!(bare.code, Some(2), "{bare:?}");
    for it in ["x.yaml:4:", "no such variable", "--set cores=", "HOLDFAST_TEST_CORES"] {
        assert!(bare.err.contains(it), "{it}: {bare:?}");
    }
    let with = |set: &[&str]| -> Done {
        let mut command = ground.holdfast(&["chaos", "run", "--dry-run", &path]);
        command.args(set).env("HOLDFAST_TEST_CORES", "1").output().expect("it starts").into()
    };
    let done = with(&[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains("7% busy"), "{done:?}");
    let done = with(&["--set", "percent=9"]);
    assert!(done.out.contains("9% busy"), "{done:?}");
    let told = ground.run(&["chaos", "run", "--dry-run", "--set", "cores=1", &path]);
    assert_eq!(told.code, Some(0), "--set is enough: {told:?}");
    let bad = text.replace("default:", "defalt:");
    let done = ground.run(&["check", &ground.file("y.yaml", &bad).display().to_string()]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.err.contains("y.yaml:3:"), "{done:?}");
}
