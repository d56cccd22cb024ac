//! The bank's day: the cut-off and the value date that follows from it.

use std::{fmt, io, str::FromStr};

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time, Weekday},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::identity;

/// The time of day (UTC) from which payments belong to the next business day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutOff(Time);

/// Why a text is not a time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time of day: write hours and minutes in UTC, as in `17:30`")]
pub struct CutOffError(String);

impl Default for CutOff {
    fn default() -> Self {
        Self(Time::constant(17, 0, 0, 0))
    }
}

impl FromStr for CutOff {
    type Err = CutOffError;

    fn from_str(text: &str) -> Result<Self, CutOffError> {
        let not_one = || CutOffError(text.to_owned());
        let two_digits = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
            digits.then(|| part.parse::<i8>().ok()).flatten()
        };
        let (hours, minutes) = text.split_once(':').ok_or_else(not_one)?;
        let hours = two_digits(hours).ok_or_else(not_one)?;
        let minutes = two_digits(minutes).ok_or_else(not_one)?;
        Time::new(hours, minutes, 0, 0).map(Self).map_err(|_| not_one())
    }
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

impl<'de> Deserialize<'de> for CutOff {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for CutOff {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl CutOff {
    /// The value date of a payment that arrives now (UTC): today before the cut-off, and from
    /// then on, as on a Saturday or Sunday, the next day from Monday to Friday.
    pub fn value_date(self, now: DateTime) -> Date {
        let mut date = now.date();
        if now.time() >= self.0 {
            date = date.saturating_add(jiff::Span::new().days(1));
        }
        while matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && date < Date::MAX {
            date = date.saturating_add(jiff::Span::new().days(1));
        }
        date
    }
}

/// An instant by two clocks: from it on the bank counts its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// Milliseconds since 1970.
    wall_ms: i64,
    /// Milliseconds since the boot.
    boot_ms: i64,
    /// Which boot that was.
    boot_id: String,
}

impl Since {
    /// Now.
    pub fn now() -> io::Result<Self> {
        let wall_ms = Timestamp::now().as_millisecond();
        Ok(Self { wall_ms, boot_ms: boot_ms(), boot_id: identity::boot_id()? })
    }
}

/// The time by which a process of the bank lives. It goes on from an instant that all have in
/// common by the clock that counts from the boot, so that nobody who sets the machine's time of day
/// moves a cut-off. A process that sees another such clock (`time_namespaces(7)`) lives at another
/// time than the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct BankClock {
    /// What is added to the clock that counts from the boot; none is the machine's own time.
    offset_ms: Option<i64>,
}

impl BankClock {
    /// Counts from there; an instant of an earlier boot says nothing.
    pub(super) fn new(since: Option<&Since>) -> Self {
        let this_boot = identity::boot_id().ok();
        let since = since.filter(|it| Some(&it.boot_id) == this_boot.as_ref());
        Self { offset_ms: since.map(|it| it.wall_ms - it.boot_ms) }
    }

    /// Milliseconds since 1970.
    pub(super) fn now_ms(self) -> i64 {
        match self.offset_ms {
            Some(offset) => boot_ms().saturating_add(offset),
            None => Timestamp::now().as_millisecond(),
        }
    }

    /// Now, in UTC.
    pub(super) fn now(self) -> DateTime {
        let now = Timestamp::from_millisecond(self.now_ms());
        jiff::tz::Offset::UTC.to_datetime(now.unwrap_or_else(|_| Timestamp::now()))
    }
}

/// Milliseconds since the boot, as this process sees it.
fn boot_ms() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, datetime};

    use super::*;

    #[test]
    fn the_cut_off_moves_the_value_date_over_the_weekend() {
        let cut_off: CutOff = "17:30".parse().unwrap();
        let on =
            |day, hour, minute| cut_off.value_date(datetime(2026, 11, day, hour, minute, 0, 0));
        let (thursday, friday, monday) =
            (date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23));
        assert_eq!(on(19, 17, 29), thursday);
        assert_eq!(on(19, 17, 30), friday);
        assert_eq!(on(20, 0, 0), friday);
        assert_eq!(on(20, 17, 29), friday);
        assert_eq!(on(20, 17, 30), monday);
        assert_eq!(on(21, 9, 0), monday);
        assert_eq!(on(22, 23, 59), monday);
    }

    #[test]
    fn a_cut_off_at_midnight_makes_every_payment_the_next_days() {
        let cut_off: CutOff = "00:00".parse().unwrap();
        assert_eq!(cut_off.value_date(datetime(2026, 11, 19, 0, 0, 0, 0)), date(2026, 11, 20));
    }

    #[test]
    fn the_bank_s_time_goes_on_from_where_it_was_counted() {
        let now = Since::now().unwrap();
        let later = Since { wall_ms: now.wall_ms + 3_600_000, ..now.clone() };
        let apart =
            |it: &Since| BankClock::new(Some(it)).now_ms() - BankClock::new(Some(&now)).now_ms();
        assert!((3_600_000..3_601_000).contains(&apart(&later)));
        // An instant of another boot says nothing of this one.
        let other = Since { boot_id: "another".to_owned(), ..later };
        assert!(apart(&other).abs() < 1_000);
    }

    #[test]
    fn what_is_no_time_of_day_says_how_to_write_one() {
        for text in ["", "17", "24:00", "17:60", "5:30", "17:30:00", "-1:00", "+1:00", "aa:bb"] {
            assert!(text.parse::<CutOff>().is_err(), "{text}");
        }
        assert_eq!("07:05".parse::<CutOff>().unwrap().to_string(), "07:05");
    }
}
