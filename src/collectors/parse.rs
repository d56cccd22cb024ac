//! Reading numbers out of the kernel's texts.

use std::path::Path;

use crate::collector::{Blank, wide};

/// A number, or a complaint that names the file.
pub(crate) fn number(file: &Path, word: Option<&str>) -> Result<f64, Blank> {
    let word = word.ok_or_else(|| Blank::odd(file, "a number is missing"))?;
    // Rust takes `inf` and `nan` for numbers; the kernel never says them.
    let number = word.parse::<f64>().ok().filter(|it| it.is_finite());
    number.ok_or_else(|| Blank::odd(file, format!("`{}` is not a number", shorten(word))))
}

/// A hexadecimal number of at most 64 bits.
pub(crate) fn hex(file: &Path, word: Option<&str>) -> Result<f64, Blank> {
    let word = word.ok_or_else(|| Blank::odd(file, "a number is missing"))?;
    let number = u64::from_str_radix(word, 16);
    number.map(wide).map_err(|_| Blank::odd(file, format!("`{}` is no number", shorten(word))))
}

/// A socket's queues, `tx:rx` in hexadecimal.
pub(crate) fn queues(word: &str) -> Option<(u64, u64)> {
    let (sent, received) = word.split_once(':')?;
    let bytes = |digits| u32::from_str_radix(digits, 16).ok().map(u64::from);
    Some((bytes(sent)?, bytes(received)?))
}

/// Whether a text can be a part of a metric's name: one that cannot would spoil the whole page.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// What stands after a keyword at the beginning of a line.
pub(crate) fn after<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(keyword)?.strip_prefix([' ', '\t', ':']))
}

/// Enough of a stranger's text to recognise it.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

/// More processors the kernel does not know.
const CPUS_MAX: u32 = 8192;

/// `0-2,5` as `0, 1, 2, 5`; at most 8192 of them.
pub(crate) fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        if to >= CPUS_MAX {
            return None;
        }
        all.extend(from..=to);
        // A list may name the same ones again and again.
        if all.len() > usize::try_from(CPUS_MAX).unwrap_or(usize::MAX) {
            return None;
        }
    }
    Some(all)
}

/// Digits and nothing else, at least one.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(cpu_list("0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(cpu_list("\n"), Some(vec![]));
        assert_eq!(cpu_list("0-99999999"), None);
        assert_eq!(cpu_list("a"), None);
    }

    #[test]
    fn a_keyword_stands_at_the_beginning_and_alone() {
        assert_eq!(after("cpu 1\nctxt 5\n", "ctxt"), Some("5"));
        assert_eq!(after("ctxtra 5\n", "ctxt"), None);
    }
}
