//! The bank's day: the cut-off and the value date that follows from it.

use std::{fmt, str::FromStr};

use jiff::civil::{Date, DateTime, Time, Weekday};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

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

/// The wall clock, in UTC.
pub(super) fn now() -> DateTime {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now())
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
    fn what_is_no_time_of_day_says_how_to_write_one() {
        for text in ["", "17", "24:00", "17:60", "5:30", "17:30:00", "-1:00", "+1:00", "aa:bb"] {
            assert!(text.parse::<CutOff>().is_err(), "{text}");
        }
        assert_eq!("07:05".parse::<CutOff>().unwrap().to_string(), "07:05");
    }
}
