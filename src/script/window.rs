//! The hours in which a run may start.

use std::fmt;

use jiff::{
    SignedDuration, Timestamp, ToSpan as _, Zoned,
    civil::{Time, Weekday},
    tz::TimeZone,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::HOLE;

/// Hours of a day, on some days of the week, somewhere. Over midnight if they end before they
/// begin; the day is then that of the beginning.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    zone: TimeZone,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "all_week")]
    days: Vec<Day>,
    /// The time of day at which it opens, as in `"09:30"`.
    from: String,
    /// The time of day at which it closes; over midnight if that is earlier.
    to: String,
    /// The time zone, as in `Europe/Berlin`.
    zone: String,
}

/// A day of the week, as it is written.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

fn all_week() -> Vec<Day> {
    vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun]
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

impl TryFrom<Written> for Window {
    type Error = String;

    fn try_from(Written { days, from, to, zone }: Written) -> Result<Self, String> {
        let is_hole = |it: &String| it == HOLE;
        let time = |it: &String| match Time::strptime("%H:%M", it) {
            Ok(it) => Ok(it),
            Err(_) if is_hole(it) => Ok(Time::midnight()),
            Err(_) => Err(format!("`{it}` is no time of day: write it as \"09:30\"")),
        };
        let (from, to) = (time(&from)?, time(&to)?);
        if from == to && from != Time::midnight() {
            return Err(format!("a window from {from} to {to} is never open"));
        }
        if days.is_empty() {
            return Err("a window on no day is never open: name days, as in `[mon, fri]`".into());
        }
        let zone = match TimeZone::get(&zone) {
            Ok(it) => it,
            Err(_) if is_hole(&zone) => TimeZone::UTC,
            Err(_) => {
                return Err(format!(
                    "there is no time zone `{zone}`: write `UTC`, or a place as in `Europe/Berlin`"
                ));
            }
        };
        Ok(Self { days: days.into_iter().map(Day::weekday).collect(), from, to, zone })
    }
}

impl Window {
    /// Nothing if it is open then (microseconds since the Unix epoch), else why not, and from when.
    pub fn closed(&self, wall_us: u64) -> Option<String> {
        let micros = i64::try_from(wall_us).unwrap_or(i64::MAX);
        let now = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
        let now = now.to_zoned(self.zone.clone());
        // A stretch over midnight may have begun yesterday.
        if (-1..=0).any(|day| self.stretch(&now, day).is_some_and(|it| it.0 <= now && now < it.1)) {
            return None;
        }
        let next = (0..=7).filter_map(|day| self.stretch(&now, day)).find(|it| it.0 > now);
        let opens = next.map_or_else(String::new, |it| {
            format!("; it opens {} ({})", it.0.strftime("%a %Y-%m-%d %H:%M"), self.zone_name())
        });
        Some(format!("it is {}, outside of its window ({self}){opens}", now.strftime("%a %H:%M")))
    }

    /// The stretch that begins so many days after `now`'s day.
    fn stretch(&self, now: &Zoned, day: i64) -> Option<(Zoned, Zoned)> {
        let date = now.date().checked_add(day.days()).ok()?;
        if !self.days.contains(&date.weekday()) {
            return None;
        }
        let last = if self.to <= self.from { date.tomorrow().ok()? } else { date };
        let from = date.to_datetime(self.from).to_zoned(self.zone.clone()).ok()?;
        let to = last.to_datetime(self.to).to_zoned(self.zone.clone()).ok()?;
        (to.duration_since(&from) > SignedDuration::ZERO).then_some((from, to))
    }

    fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days.len() < 7 {
            let name = |it: &Weekday| match it {
                Weekday::Monday => "Mon",
                Weekday::Tuesday => "Tue",
                Weekday::Wednesday => "Wed",
                Weekday::Thursday => "Thu",
                Weekday::Friday => "Fri",
                Weekday::Saturday => "Sat",
                Weekday::Sunday => "Sun",
            };
            write!(f, "{} ", self.days.iter().map(name).collect::<Vec<_>>().join(", "))?;
        }
        let clock = |it: Time| it.strftime("%H:%M").to_string();
        write!(f, "{} to {}, {}", clock(self.from), clock(self.to), self.zone_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(json: &str) -> Result<Window, String> {
        serde_json::from_str(json).map_err(|why| why.to_string())
    }

    fn at(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_microsecond()).unwrap()
    }

    #[test]
    fn hours_are_those_of_the_place() {
        let open = window(
            r#"{"days": ["mon", "fri"], "from": "09:00", "to": "16:30",
            "zone": "Europe/Berlin"}"#,
        );
        let open = open.unwrap();
        // Berlin is an hour ahead of UTC in November, and two in July. 2026-11-23 is a Monday.
        assert_eq!(open.closed(at("2026-11-23T08:00:00Z")), None);
        assert_eq!(open.closed(at("2026-07-20T07:00:00Z")), None);
        assert!(open.closed(at("2026-07-20T06:59:59Z")).is_some());
        assert_eq!(
            open.closed(at("2026-11-23T15:30:00Z")).as_deref(),
            Some(
                "it is Mon 16:30, outside of its window (Mon, Fri 09:00 to 16:30, Europe/Berlin); \
                 it opens Fri 2026-11-27 09:00 (Europe/Berlin)"
            )
        );
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = window(r#"{"days": ["sat"], "from": "22:00", "to": "04:00", "zone": "UTC"}"#);
        let night = night.unwrap();
        assert_eq!(night.closed(at("2026-11-21T23:00:00Z")), None, "Saturday night");
        assert_eq!(night.closed(at("2026-11-22T03:59:00Z")), None, "Sunday morning");
        assert!(night.closed(at("2026-11-22T04:00:00Z")).is_some());
        assert!(night.closed(at("2026-11-22T23:00:00Z")).is_some(), "Sunday night");
        let always = window(r#"{"from": "00:00", "to": "00:00", "zone": "UTC"}"#).unwrap();
        assert_eq!(always.closed(at("2026-11-22T23:00:00Z")), None);
    }

    #[test]
    fn what_is_no_window_says_why() {
        let why = |json: &str| window(json).unwrap_err();
        assert!(why(r#"{"from": "9", "to": "10:00", "zone": "UTC"}"#).contains("no time of day"));
        assert!(why(r#"{"from": "09:00", "to": "09:00", "zone": "UTC"}"#).contains("never open"));
        assert!(
            why(r#"{"from": "09:00", "to": "10:00", "zone": "Mars"}"#).contains("no time zone")
        );
        assert!(
            why(r#"{"days": [], "from": "09:00", "to": "10:00", "zone": "UTC"}"#)
                .contains("no day")
        );
    }
}
