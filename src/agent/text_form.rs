//! Text 0.0.4, read strictly: what other programs write into files.

use std::collections::{BTreeMap, BTreeSet};

use crate::collector::Type;

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// Type and help by name, where either was told.
    pub families: BTreeMap<String, (Type, String)>,
    /// The series, in the order of the file.
    pub rows: Vec<Row>,
}

/// A series and its value.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// The name.
    pub name: String,
    /// Labels, names and values.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: f64,
}

/// Names that are the agent's own: a file may not pass for the machine.
fn is_taken(name: &str) -> bool {
    name.starts_with("node_scrape_") || name.starts_with("node_textfile_")
}

/// Reads a file, or says in which line it went wrong.
pub fn parse(text: &str) -> Result<Parsed, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("its last line is not complete: it is half-written".to_owned());
    }
    let (mut parsed, mut seen, mut typed) = (Parsed::default(), BTreeSet::new(), BTreeSet::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let at = |why: &str| format!("line {number}: {why}");
        if let Some(comment) = line.strip_prefix('#') {
            describe(comment.trim_start(), &mut parsed, &mut typed).map_err(|it| at(&it))?;
        } else if !line.is_empty() {
            let row = row(line).map_err(at)?;
            if is_taken(&row.name) {
                return Err(at("this name is the agent's own"));
            }
            let mut labels = row.labels.clone();
            labels.sort();
            if labels.windows(2).any(|it| matches!(it, [a, b] if a.0 == b.0)) {
                return Err(at("a label is given twice"));
            }
            if !seen.insert((row.name.clone(), labels)) {
                return Err(at("this series came before"));
            }
            parsed.rows.push(row);
        }
    }
    Ok(parsed)
}

/// `HELP` and `TYPE`; other comments mean nothing.
fn describe(
    comment: &str,
    parsed: &mut Parsed,
    typed: &mut BTreeSet<String>,
) -> Result<(), String> {
    let mut words = comment.splitn(3, ' ');
    let (keyword, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if keyword != "HELP" && keyword != "TYPE" {
        return Ok(());
    }
    if !is_name(name, true) {
        return Err("this is no name of a metric".to_owned());
    }
    let said = words.next().unwrap_or("").trim();
    let family = parsed.families.entry(name.to_owned()).or_insert((Type::Untyped, String::new()));
    if keyword == "HELP" {
        family.1 = unescape(said);
        return Ok(());
    }
    if !typed.insert(name.to_owned()) {
        return Err(format!("the type of `{name}` is told twice"));
    }
    family.0 = match said {
        "counter" => Type::Counter,
        "gauge" => Type::Gauge,
        // Their rows have names of their own, and are shown under these without a type.
        "untyped" | "histogram" | "summary" => Type::Untyped,
        _ => return Err(format!("there is no type `{}`", said.escape_debug())),
    };
    Ok(())
}

fn is_name(text: &str, metric: bool) -> bool {
    let first = |it: char| it.is_ascii_alphabetic() || it == '_' || metric && it == ':';
    text.starts_with(first) && text.chars().all(|it| first(it) || it.is_ascii_digit())
}

fn unescape(text: &str) -> String {
    text.replace("\\\\", "\0").replace("\\n", "\n").replace('\0', "\\")
}

fn row(line: &str) -> Result<Row, &'static str> {
    let end = line.find(['{', ' ', '\t']).ok_or("a value is missing")?;
    let (name, rest) = line.split_at_checked(end).ok_or("a value is missing")?;
    if !is_name(name, true) {
        return Err("this is no name of a metric");
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (Vec::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().ok_or("a value is missing")?;
    if words.next().is_some() {
        return Err("it has a time of its own, and files may not");
    }
    let value = value.parse().map_err(|_| "the value is no number")?;
    Ok(Row { name: name.to_owned(), labels, value })
}

/// Names and values.
pub(crate) type Labels = Vec<(String, String)>;

fn labels(mut rest: &str) -> Result<(Labels, &str), &'static str> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once('=').ok_or("the labels do not end")?;
        let name = name.trim();
        if !is_name(name, false) {
            return Err("this is no name of a label");
        }
        let quoted = after.trim_start().strip_prefix('"').ok_or("a label's value needs quotes")?;
        let (value, after) = value(quoted)?;
        labels.push((name.to_owned(), value));
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else if !rest.starts_with('}') {
            return Err("a comma is missing between labels");
        }
    }
}

fn value(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, it @ ('\\' | '"'))) => value.push(it),
                _ => return Err("a backslash stands before a letter that needs none"),
            },
            it => value.push(it),
        }
    }
    Err("a label's value does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_well_is_read() {
        let text = "# HELP a_total So \\\\ it\\nis.\n# TYPE a_total counter\n\
                    a_total{x=\"q\\\"\\\\\\n\", y=\"}\",} 1e3\n# note\n\nb NaN\nc{} +Inf\n";
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.families["a_total"], (Type::Counter, "So \\ it\nis.".to_owned()));
        let first = &parsed.rows[0];
        let pair = |name: &str, said: &str| (name.to_owned(), said.to_owned());
        assert_eq!(first.labels, [pair("x", "q\"\\\n"), pair("y", "}")]);
        assert!(parsed.rows[1].value.is_nan() && parsed.rows[2].value.is_infinite());
    }

    #[test]
    fn what_is_not_is_refused_with_its_line() {
        for text in [
            "a 1",
            "a 1\na 2\n",
            "a{x=\"1\",x=\"2\"} 1\n",
            "a{x=\"1} 1\n",
            "a{x=1} 1\n",
            "a one\n",
            "a 1 1700000000\n",
            "9a 1\n",
            "a\n",
            "# TYPE a odd\na 1\n",
            "# TYPE a gauge\n# TYPE a gauge\na 1\n",
            "node_scrape_collector_success 1\n",
            "<html>\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("a 1\nb{\n").unwrap_err(), "line 2: the labels do not end");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[#a-b{}=\"\\\\, \n0-9HELPTYP]{0,80}") {
            drop(parse(&text));
        }
    }
}
