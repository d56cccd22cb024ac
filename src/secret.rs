//! Passwords of databases, which stand in files and nowhere else.

use crate::{
    probe::{Blind, needed},
    world::World,
};

/// The password, if a file is named: the first holds nothing else, the second is as `~/.pgpass` is.
/// `server` is its host, port and database, and the user.
pub fn password(
    (password_file, pass_file): (Option<&str>, Option<&str>),
    server: [&str; 4],
    world: &World,
) -> Result<Option<String>, Blind> {
    if let Some(path) = password_file {
        let bytes = needed(path, world)?;
        let text = String::from_utf8_lossy(&bytes);
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let Some(path) = pass_file else { return Ok(None) };
    let bytes = needed(path, world)?;
    let found = String::from_utf8_lossy(&bytes).lines().find_map(|it| fits(it, server));
    found.map(Some).ok_or_else(|| Blind(format!("{path} has no line that fits this server")))
}

/// The password of a line `host:port:database:user:password`, if the line fits. `*` fits all, and
/// `\` takes its meaning from `:` and `\`.
fn fits(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(it) = chars.next() {
        let field = fields.last_mut()?;
        match it {
            '\\' => field.extend(chars.next()),
            ':' => fields.push(String::new()),
            other => field.push(other),
        }
    }
    let [host, port, database, user, password] = fields.try_into().ok()?;
    let known = [host, port, database, user];
    let all = known.iter().zip(wanted).all(|(it, wanted)| it == "*" || it == wanted);
    all.then_some(password)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_of_a_pass_file_fits_or_not() {
        let fits = |line| super::fits(line, ["db", "5432", "ledger", "me"]);
        assert_eq!(fits("db:5432:ledger:me:s3cret"), Some("s3cret".to_owned()));
        assert_eq!(fits("*:*:*:me:a\\:b\\\\c"), Some("a:b\\c".to_owned()));
        for line in ["", "# *:*:*:*:x", "db:5433:*:*:x", "*:*:*:you:x", "*:*:*:*"] {
            assert_eq!(fits(line), None, "{line}");
        }
    }
}
