//! A base backup, and what is restored from it and from the archived WAL.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]

use std::{fs, path::Path};

use super::{
    Book, PairError, failed, io_error,
    pair::until,
    server,
    tools::{as_its_user, done, give, sql, tool},
};

/// The server that is restored.
const RESTORED: &str = "restored";

/// Takes a base backup of a server, in place of an earlier one.
pub async fn backup(book: &Book, of: &str) -> Result<(), PairError> {
    let base = book.home.join("base");
    if base.exists() {
        fs::remove_dir_all(&base).map_err(io_error("remove the earlier backup"))?;
    }
    let mut copy = tool(book, "pg_basebackup");
    copy.args(["--checkpoint=fast", "--no-sync", "--wal-method=none", "--no-password", "-d"]);
    copy.arg(book.line(of)?).arg("-D").arg(&base);
    done(copy, &format!("back up `{of}`")).await.map(drop)
}

/// Has a server finish the piece of WAL that it is writing, and waits until that is archived.
pub async fn archive(book: &Book, of: &str) -> Result<String, PairError> {
    let piece = sql(book, of, "select pg_walfile_name(pg_switch_wal())").await?;
    let question =
        format!("select coalesce(last_archived_wal, '') >= '{piece}' from pg_stat_archiver");
    until(book, of, (&question, "t")).await?;
    Ok(piece)
}

/// Restores the backup and replays the archived WAL: all of it, or up to an instant as PostgreSQL
/// reads it. The server that comes of it is open for writes, beside the others.
pub async fn restore(book: &Book, to: Option<&str>) -> Result<(), PairError> {
    let base = book.home.join("base");
    if !base.join("backup_manifest").is_file() {
        let why = "there is no backup: `holdfast sandbox postgres backup` takes one";
        return Err(failed("restore", why));
    }
    if to.is_some_and(|it| it.contains(['\'', '\\', '\n'])) {
        return Err(PairError::Setting("the instant holds a quote".to_owned()));
    }
    server::stop(book, RESTORED, true).await?;
    let data = book.data(RESTORED);
    if data.exists() {
        fs::remove_dir_all(&data).map_err(io_error("remove what was restored before"))?;
    }
    server::make(book, RESTORED)?;
    let mut verify = tool(book, "pg_verifybackup");
    verify.args(["--no-parse-wal", "--quiet"]).arg(&base);
    done(verify, "verify the backup").await?;
    let mut copy = as_its_user(book, Path::new("/bin/cp"));
    copy.args(["-a", "--"]).arg(&base).arg(&data);
    done(copy, "copy the backup").await?;
    let archive = book.home.join("archive");
    let mut lines = vec![
        format!("restore_command = 'cp {}/%f %p'", archive.display()),
        "recovery_target_action = 'promote'".to_owned(),
        "recovery_target_timeline = 'current'".to_owned(),
        "synchronous_standby_names = ''".to_owned(),
        "primary_conninfo = ''".to_owned(),
    ];
    lines.extend(to.map(|it| format!("recovery_target_time = '{it}'")));
    server::configure(book, RESTORED, &lines)?;
    let signal = data.join("recovery.signal");
    let made = fs::write(&signal, b"").and_then(|()| give(book, &signal));
    made.map_err(io_error(format!("write {}", signal.display())))?;
    server::start(book, RESTORED).await?;
    until(book, RESTORED, ("select pg_is_in_recovery()", "f")).await
}

/// Puts a table of one server right from another's, by its primary key: what the other has and it
/// has not, or has otherwise, is as the other has it; what only it has stays. Without a primary key
/// rows that are missing are added. One transaction.
pub async fn copy_table(
    book: &Book,
    table: &str,
    (from, to): (&str, &str),
) -> Result<String, PairError> {
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    if table.is_empty() || !table.chars().all(plain) {
        return Err(PairError::Setting(format!("`{table}` is no plain name of a table")));
    }
    let file = book.home.join("copy.tsv");
    let file = file.display();
    sql(book, from, &format!("copy {table} to '{file}'")).await?;
    let columns = format!(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute where \
         attrelid = '{table}'::regclass and attnum > 0 and not attisdropped"
    );
    let columns = sql(book, to, &columns).await?;
    let key = format!(
        "select string_agg(quote_ident(a.attname), ', ') from pg_index i join pg_attribute a on \
         a.attrelid = i.indrelid and a.attnum = any(i.indkey) where i.indrelid = \
         '{table}'::regclass and i.indisprimary"
    );
    let key = sql(book, to, &key).await?;
    let otherwise = if key.is_empty() {
        String::new()
    } else {
        format!("on conflict ({key}) do update set ({columns}) = row(excluded.*)")
    };
    let merge = format!(
        "begin; create temp table kept (like {table}) on commit drop; copy kept from '{file}'; \
         with done as (insert into {table} select * from (table kept except table {table}) it \
         {otherwise} returning 1) select count(*) from done; commit"
    );
    let told = sql(book, to, &merge).await;
    fs::remove_file(book.home.join("copy.tsv")).map_err(io_error("remove the copy"))?;
    told
}
