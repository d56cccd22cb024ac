//! CSV as RFC 4180 has it.

/// The records of a text: fields in quotes may hold separators, line ends and doubled quotes.
pub(super) fn records(text: &str, separator: char) -> Result<Vec<Vec<String>>, String> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    let (mut quoted, mut was_quoted, mut line) = (false, false, 1_u64);
    while let Some(c) = chars.next() {
        line += u64::from(c == '\n');
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                field.extend(chars.next());
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '"' => return Err(format!("line {line}: a quote stands within a field")),
            _ if quoted => field.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                // A line with nothing on it is no record.
                if record.len() > 1 || was_quoted || record.iter().any(|it| !it.is_empty()) {
                    records.push(std::mem::take(&mut record));
                }
                record.clear();
                was_quoted = false;
            }
            _ if c == separator => {
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            _ if was_quoted => return Err(format!("line {line}: text follows a quoted field")),
            _ => field.push(c),
        }
    }
    if quoted {
        return Err("a quoted field does not end".to_owned());
    }
    if !field.is_empty() || !record.is_empty() || was_quoted {
        record.push(field);
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::records;

    #[test]
    fn fields_may_hold_what_separates_them() {
        let text = "\u{feff}id,name\r\n1,\"a, \"\"b\"\"\n c\"\r\n\r\n2,\n3,\"\"";
        let wanted = [["id", "name"], ["1", "a, \"b\"\n c"], ["2", ""], ["3", ""]];
        assert_eq!(records(text, ',').unwrap(), wanted);
        assert_eq!(records("a;b\n1;2\n", ';').unwrap(), [["a", "b"], ["1", "2"]]);
        assert!(records("", ',').unwrap().is_empty());
        for bad in ["a\"b", "\"a\"b", "\"a"] {
            assert!(records(bad, ',').is_err(), "{bad}");
        }
    }
}
