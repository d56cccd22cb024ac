//! Amounts as people read them.

use crate::{evidence::scale::signed, verdict::Verdict};

/// Seconds, as a number.
#[expect(clippy::cast_precision_loss, reason = "a microsecond in 285 years is no loss to a reader")]
pub fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

/// A count, as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// How many there are.
pub fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length of time: `870 µs`, `320 ms`, `12.34 s`, `12 min 05 s`.
pub fn length(us: i64) -> String {
    let us = us.max(0);
    match us {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{us} µs"),
        1_000..10_000 => format!("{:.1} ms", seconds(us) * 1e3),
        10_000..1_000_000 => format!("{:.0} ms", seconds(us) * 1e3),
        1_000_000..120_000_000 => format!("{:.2} s", seconds(us)),
        120_000_000..7_200_000_000 => {
            let whole = us / 1_000_000;
            format!("{} min {:02} s", whole / 60, whole % 60)
        }
        _ => {
            let whole = us / 60_000_000;
            format!("{} h {:02} min", whole / 60, whole % 60)
        }
    }
}

/// A length of time that is never below zero.
pub fn length_u(us: u64) -> String {
    length(signed(us))
}

/// An interval of lengths: `1.234 to 1.256 s`, `at least 4.200 s`. Bounds keep their milliseconds,
/// and are rounded outwards.
pub fn interval(lower_us: i64, upper_us: Option<i64>) -> String {
    let lower_us = lower_us.div_euclid(1_000).saturating_mul(1_000);
    let upper_us =
        upper_us.map(|it| it.saturating_add(999).div_euclid(1_000).saturating_mul(1_000));
    match upper_us {
        Some(upper) => {
            let (lower, upper) = (bound(lower_us), bound(upper));
            let alike = lower.split_once(' ').zip(upper.split_once(' '));
            match alike.filter(|(lower, upper)| lower.1 == upper.1) {
                Some((lower, _)) => format!("{} to {upper}", lower.0),
                None => format!("{lower} to {upper}"),
            }
        }
        None => format!("at least {}", bound(lower_us)),
    }
}

/// A bound of an interval, to the millisecond.
pub fn bound(us: i64) -> String {
    match us {
        i64::MIN..1_000_000 => format!("{:.0} ms", seconds(us.max(0)) * 1e3),
        _ => format!("{:.3} s", seconds(us)),
    }
}

/// A share as a percentage: `99.2 %`. What is not all is never said to be 100 %.
pub fn percent(ratio: f64) -> String {
    match ratio * 100.0 {
        p if p > 99.95 && p < 100.0 => "> 99.9 %".to_owned(),
        p if p > 0.0 && p < 0.05 => "< 0.1 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

/// Bytes: `812 B`, `14.2 MiB`.
pub fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = number(bytes);
    let mut unit = "B";
    for next in units {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = next;
    }
    format!("{amount:.1} {unit}")
}

/// Energy in watt-hours, three digits that count: 1 Wh is 3,600 J.
pub fn watt_hours(joules: f64) -> String {
    let wh = joules / 3_600.0;
    match wh.abs() {
        x if x >= 100.0 => format!("{wh:.0}"),
        x if x >= 10.0 => format!("{wh:.1}"),
        x if x >= 1.0 => format!("{wh:.2}"),
        x if x >= 0.1 => format!("{wh:.3}"),
        x if x >= 0.01 => format!("{wh:.4}"),
        _ => format!("{wh:.5}"),
    }
}

/// A count with its thousands set apart: `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 write`, `3 writes`.
pub fn plural(count: u64, one: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {one}{s}", grouped(count))
}

/// The time of day, to the second, in UTC, as RFC 3339 has it; empty when it cannot be told.
pub fn wall(us: Option<i64>) -> Option<String> {
    let at = jiff::Timestamp::from_microsecond(us?).ok()?;
    Some(format!("{at:.3}"))
}

/// A verdict, or that nothing was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It held.
    Pass,
    /// It could not be told.
    Inconclusive,
    /// It did not hold.
    Fail,
    /// It was not tried.
    NotExercised,
}

impl Answer {
    /// The word in English reports.
    pub fn word(self) -> &'static str {
        self.verdict().map_or("not exercised", Verdict::word)
    }

    /// The word in Chinese reports.
    pub fn word_zh(self) -> &'static str {
        self.verdict().map_or("未演练", Verdict::word_zh)
    }

    /// The verdict, if there is one.
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Pass => Some(Verdict::Pass),
            Self::Inconclusive => Some(Verdict::Inconclusive),
            Self::Fail => Some(Verdict::Fail),
            Self::NotExercised => None,
        }
    }
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Fail => Self::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        let said: Vec<String> =
            [0, 870, 4_250, 320_400, 12_344_000, 725_000_000, 9_000_000_000].map(length).into();
        assert_eq!(
            said,
            ["0 s", "870 µs", "4.2 ms", "320 ms", "12.34 s", "12 min 05 s", "2 h 30 min"]
        );
        assert_eq!(interval(320_000, Some(1_344_000)), "320 ms to 1.344 s");
        assert_eq!(interval(1_974_999, Some(2_000_001)), "1.974 to 2.001 s");
        assert_eq!(percent(0.999_99), "> 99.9 %");
        assert_eq!(bytes(14_889_779), "14.2 MiB");
        assert_eq!((grouped(1_234_567), grouped(12)), ("1,234,567".to_owned(), "12".to_owned()));
        assert_eq!(wall(Some(0)).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }
}
