//! SQL, against a real PostgreSQL.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
};

use super::{Eye, servers::certificates};
use crate::postgres::{PASSWORD, Postgres, USER};

#[tokio::test]
async fn sql_asks_one_statement_and_changes_nothing_unless_told() {
    let Some(mut server) = Postgres::primary() else { return };
    server.sql("create table entries (n int); insert into entries values (1), (2), (3)");
    let socket = format!("host: {}, port: {}", server.folder().display(), server.port());
    let eye = |statement: &str, more: &str| {
        let settings = format!(
            "{{{socket}, user: {USER}, database: postgres, timeout: 20s, statement: \"{statement}\", {more}}}"
        );
        Eye::new("sql", &settings)
    };
    let seen = eye("select count(*) from entries", "").see().await;
    assert!(seen.is("up", 1.0) && seen.is("rows", 1.0) && seen.is("number", 3.0), "{seen:?}");
    assert_eq!(seen.text("value"), "3");
    let rows = eye("select null, n from entries", "").see().await;
    assert!(rows.is("rows", 3.0) && !rows.has("value"), "{rows:?}");
    assert_eq!(eye("select pg_is_in_recovery()", "").see().await.text("value"), "f");
    assert_eq!(eye("show server_version_num", "").see().await.text("value").len(), 6);
    let insert = "insert into entries values (4)";
    let why = eye(insert, "").blind().await;
    assert!(why.contains("read-only"), "{why}");
    let why = eye("commit; delete from entries", "").blind().await;
    assert!(why.contains("multiple commands"), "{why}");
    assert_eq!(server.sql("select count(*) from entries"), "3");
    let seen = eye(insert, "write: true").see().await;
    assert!(seen.is("rows", 1.0) && !seen.has("value"), "{seen:?}");
    assert_eq!(server.sql("select count(*) from entries"), "4");
    let why = eye("select * from nowhere", "").blind().await;
    assert!(why.contains("nowhere"), "{why}");
    let settings = format!(
        "{{{socket}, user: {USER}, database: postgres, timeout: 100ms, statement: select pg_sleep(60)}}"
    );
    let slow = Eye::new("sql", &settings).see().await;
    assert!(slow.is("up", 0.0) && slow.has("error"), "{slow:?}");
    server.stop();
    let gone = eye("select 1", "").see().await;
    assert!(gone.is("up", 0.0) && !gone.has("value"), "{gone:?}");
}

#[tokio::test]
async fn sql_takes_its_password_from_a_file_and_never_tells_it() {
    let Some(server) = Postgres::primary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let good = file("good", &format!("{PASSWORD}\n"));
    let bad = file("bad", "guess\n");
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    let pass = file("pass", &format!("# ours\n*:1:*:*:x\n*:*:postgres:{USER}:{escaped}\n"));
    let eye = |more: &str| {
        let port = server.port();
        let settings = format!(
            "{{port: {port}, user: {USER}, database: postgres, timeout: 20s, statement: select 1, {more}}}"
        );
        Eye::new("sql", &settings)
    };
    assert!(eye(&format!("password_file: {good}")).see().await.is("number", 1.0));
    assert!(eye(&format!("pass_file: {pass}")).see().await.is("number", 1.0));
    let why = eye(&format!("password_file: {bad}")).blind().await;
    assert!(why.contains("authentication failed") && !why.contains("guess"), "{why}");
    let why = eye("password_file: /nowhere/at-all").blind().await;
    assert!(why.contains("there is no file"), "{why}");
}

#[tokio::test]
async fn sql_goes_over_tls_when_asked_and_trusts_only_whom_it_is_told() {
    let Some(openssl) = crate::beside::tool("openssl", "openssl") else { return };
    let Some(mut server) = Postgres::primary() else { return };
    let made = tempfile::tempdir().unwrap();
    certificates(&openssl, made.path(), "3");
    for (from, to) in [("own.pem", "server.crt"), ("own.key", "server.key")] {
        let to = server.data().join(to);
        fs::copy(made.path().join(from), &to).unwrap();
        let owner = fs::metadata(server.data()).unwrap();
        chown(&to, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    }
    server.sets("ssl = on");
    server.stop();
    server.start();
    let ca = made.path().join("ca.pem").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), PASSWORD).unwrap();
    let password = folder.path().join("password").display().to_string();
    let eye = |more: &str| {
        let port = server.port();
        let settings = format!(
            "{{port: {port}, user: {USER}, database: postgres, password_file: {password}, timeout: 20s, statement: select ssl from pg_stat_ssl where pid = pg_backend_pid(), {more}}}"
        );
        Eye::new("sql", &settings)
    };
    assert_eq!(eye("").see().await.text("value"), "f");
    assert_eq!(eye(&format!("tls: true, ca: {ca}")).see().await.text("value"), "t");
    let elsewhere = tempfile::tempdir().unwrap();
    certificates(&openssl, elsewhere.path(), "3");
    let other = elsewhere.path().join("ca.pem").display().to_string();
    let strange = eye(&format!("tls: true, ca: {other}")).see().await;
    assert!(strange.is("up", 0.0) && strange.text("error").contains("certificate"), "{strange:?}");
}
