//! What `/proc/PID` says. Parsing is pure; one file is read here for all who ask who somebody is.
#![expect(clippy::disallowed_methods, reason = "this is the wall: processes are looked at here")]

use std::fs;

/// The fields of `/proc/PID/stat` that we need (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Field 2, without its parentheses.
    pub name: String,
    /// Field 3: `R`, `S`, `T`, `Z` and so on.
    pub state: char,
    /// Field 4.
    pub parent: u32,
    /// Fields 14 and 15 together, in clock ticks.
    pub cpu_ticks: u64,
    /// Field 22, in clock ticks since boot.
    pub started: u64,
}

/// Parses `/proc/PID/stat`. The name may hold anything, parentheses too, so the last one ends it.
pub fn stat(text: &str) -> Option<Stat> {
    let (head, tail) = text.rsplit_once(") ")?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: u32::try_from(number(4)?).ok()?,
        cpu_ticks: number(14)?.saturating_add(number(15)?),
        started: number(22)?,
    })
}

/// When a process was started, in clock ticks since boot; none if it is gone. Of one that has ended
/// and was not waited for it is told, too.
pub(super) fn started(pid: u32) -> Option<u64> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    stat(&String::from_utf8_lossy(&text)).map(|it| it.started)
}

/// Whether a process with this number runs; one that has ended and was not waited for does not.
pub(super) fn runs(pid: u32) -> bool {
    let text = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat(&String::from_utf8_lossy(&text)).is_some_and(|it| !matches!(it.state, 'Z' | 'X'))
}

/// Parses `/proc/PID/limits`: how many descriptors the process may open, its soft limit.
pub fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|it| it.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Parses `/proc/PID/schedstat`: the processor time of a process's first thread, in microseconds.
pub fn schedstat_us(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|ns| ns / 1_000)
}

/// Parses `/proc/PID/cmdline`.
pub fn args(bytes: &[u8]) -> Vec<String> {
    let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|it| *it == 0).map(|it| String::from_utf8_lossy(it).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = "77 (a) b (c)) S 1 77 77 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 4242 1 1 1";
        let found = stat(line).unwrap();
        assert_eq!((found.name.as_str(), found.state, found.parent), ("a) b (c)", 'S', 1));
        assert_eq!((found.cpu_ticks, found.started), (11, 4242));
        assert_eq!(stat("77 (x) S 1 2"), None);
        assert_eq!(stat(""), None);
    }

    #[test]
    fn the_scheduler_counts_nanoseconds() {
        assert_eq!(schedstat_us("1234567 89 3\n"), Some(1_234));
        assert_eq!(schedstat_us(""), None);
    }

    #[test]
    fn a_limit_of_descriptors_is_its_soft_one() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  4096  files\n";
        assert_eq!(soft_limit(limits), Some(1_024));
        assert_eq!(soft_limit("Max open files  unlimited  unlimited  files\n"), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn arguments_keep_their_empty_ones() {
        assert_eq!(args(b"a\0\0b\0"), ["a", "", "b"]);
        assert!(args(b"").is_empty());
    }
}
