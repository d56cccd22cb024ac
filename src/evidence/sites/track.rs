//! Readings of a counter, and what it gained over a stretch.

use crate::evidence::{say, scale::Window};

/// Readings that follow each other in this time are never called a gap, in microseconds.
const GAP_MIN_US: i64 = 3_000_000;
/// A gap is so many times as long as readings are apart as a rule.
const GAP_TIMES: i64 = 3;

/// A counter's readings, in order of time; what began anew is put on top of what was before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    points: Vec<(i64, f64)>,
    /// Stretches of which not all is known.
    holes: Vec<Window>,
}

/// What a counter gained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    /// The best estimate.
    pub value: f64,
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
    /// Between the first and the last instant that readings enclose, in microseconds.
    pub over_us: i64,
    /// So much of the stretch is covered, in microseconds.
    pub covered_us: i64,
}

impl Track {
    /// From readings in order of time. `lossy` are instants at which a reading lacks some of what
    /// was used since the one before.
    pub fn of(readings: impl IntoIterator<Item = (i64, f64)>, lossy: &[i64]) -> Self {
        let mut track = Self::default();
        let mut raw = None;
        let mut sum = 0.0;
        for (at_us, value) in readings {
            if track.points.last().is_some_and(|it| it.0 >= at_us) {
                continue;
            }
            // A counter that fell was begun anew, and has counted so much since.
            let fell = raw.is_some_and(|it| value < it);
            let base = if fell { 0.0 } else { raw.unwrap_or(value) };
            sum += value - base;
            raw = Some(value);
            if let Some((from_us, _)) = track.points.last()
                && (fell || lossy.contains(&at_us))
            {
                track.holes.push(Window { from_us: *from_us, to_us: at_us });
            }
            track.points.push((at_us, sum));
        }
        let patience = track.typical_us().saturating_mul(GAP_TIMES).max(GAP_MIN_US);
        let gaps = track.intervals().filter(|it| it.length_us() > patience);
        let gaps: Vec<Window> = gaps.filter(|it| !track.holes.contains(it)).collect();
        track.holes.extend(gaps);
        track
    }

    fn intervals(&self) -> impl Iterator<Item = Window> {
        let next = self.points.iter().skip(1);
        self.points.iter().zip(next).map(|(a, b)| Window { from_us: a.0, to_us: b.0 })
    }

    /// The median of what lies between two readings.
    fn typical_us(&self) -> i64 {
        let mut all: Vec<i64> = self.intervals().map(Window::length_us).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(0)
    }

    /// What was gained over a stretch; none if no readings enclose any of it.
    ///
    /// ```text
    /// value = C(b) − C(a)                     C between two readings: on the straight line
    /// low   = C(reading before b) − C(reading after a)
    /// high  = C(reading after b) − C(reading before a)
    /// ```
    ///
    /// A counter never falls, so that the bounds are certain. `a` and `b` are the ends of the
    /// stretch, as far as there are readings beyond.
    pub fn gained(&self, window: Window) -> Option<Gain> {
        let (first, last) = (self.points.first()?, self.points.last()?);
        let (from_us, to_us) = (window.from_us.max(first.0), window.to_us.min(last.0));
        let enclosed = Window { from_us, to_us };
        let covered_us = self.covered_us(enclosed);
        if covered_us <= 0 {
            return None;
        }
        let (a, b) = (self.at(from_us)?, self.at(to_us)?);
        Some(Gain {
            value: b.1 - a.1,
            low: (b.0 - a.2).max(0.0),
            high: b.2 - a.0,
            over_us: enclosed.length_us(),
            covered_us,
        })
    }

    /// How much of a stretch readings cover: between the first and the last, less the holes.
    pub fn covered_us(&self, window: Window) -> i64 {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return 0 };
        let all = overlap(window, Window { from_us: first.0, to_us: last.0 });
        let holes = self.holes.iter().map(|it| overlap(window, *it)).fold(0, i64::saturating_add);
        all.saturating_sub(holes)
    }

    /// The reading before an instant, the level then, and the reading after.
    fn at(&self, at_us: i64) -> Option<(f64, f64, f64)> {
        let after = self.points.partition_point(|it| it.0 < at_us);
        let next = self.points.get(after)?;
        if next.0 == at_us {
            return Some((next.1, next.1, next.1));
        }
        let before = self.points.get(after.checked_sub(1)?)?;
        let since = |from: i64, to: i64| say::seconds(to.saturating_sub(from));
        let part = since(before.0, at_us) / since(before.0, next.0);
        Some((before.1, before.1 + (next.1 - before.1) * part, next.1))
    }

    /// Stretches between readings that have a part in a window, as [`Track::slices`] has them.
    pub fn slices_around(&self, window: Window) -> Vec<(Window, f64)> {
        let all = Window { from_us: i64::MIN, to_us: i64::MAX };
        self.slices(all).into_iter().filter(|it| overlap(it.0, window) > 0).collect()
    }

    /// Stretches between readings that lie within a window, each at least a second long and without
    /// a hole, with what was gained over each.
    pub fn slices(&self, window: Window) -> Vec<(Window, f64)> {
        let mut slices = Vec::new();
        let mut from: Option<(i64, f64)> = None;
        for (at_us, value) in &self.points {
            if *at_us < window.from_us || *at_us > window.to_us {
                from = None;
                continue;
            }
            let Some((from_us, before)) = from else {
                from = Some((*at_us, *value));
                continue;
            };
            let slice = Window { from_us, to_us: *at_us };
            let whole = self.holes.iter().all(|it| overlap(slice, *it) == 0);
            if !whole {
                from = Some((*at_us, *value));
            } else if slice.length_us() >= SLICE_US {
                slices.push((slice, value - before));
                from = Some((*at_us, *value));
            }
        }
        slices
    }

    /// The instants of readings within a window.
    pub fn instants(&self, window: Window) -> impl Iterator<Item = i64> {
        let within = move |it: &i64| (window.from_us..=window.to_us).contains(it);
        self.points.iter().map(|it| it.0).filter(within)
    }
}

/// Power is told over at least so long, in microseconds; readings come up to a tenth early.
const SLICE_US: i64 = 900_000;

fn overlap(a: Window, b: Window) -> i64 {
    a.to_us.min(b.to_us).saturating_sub(a.from_us.max(b.from_us)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn window(from: i64, to: i64) -> Window {
        Window { from_us: from * S / 10, to_us: to * S / 10 }
    }

    #[test]
    fn a_gain_lies_between_the_readings_around_its_ends() {
        let track = Track::of([(0, 5.0), (S, 6.0), (2 * S, 10.0), (3 * S, 10.0)], &[]);
        let gain = track.gained(window(5, 15)).unwrap();
        assert_eq!((gain.value, gain.low, gain.high), (2.5, 0.0, 5.0));
        assert_eq!((gain.over_us, gain.covered_us), (S, S));
        let exact = track.gained(window(10, 20)).unwrap();
        assert_eq!((exact.value, exact.low, exact.high), (4.0, 4.0, 4.0));
        let partly = track.gained(window(25, 45)).unwrap();
        assert_eq!((partly.value, partly.covered_us), (0.0, S / 2));
        assert_eq!(track.gained(window(30, 45)), None);
        assert_eq!(Track::default().gained(window(0, 1)), None);
    }

    #[test]
    fn a_counter_that_began_anew_goes_on_and_is_a_hole() {
        let track = Track::of([(0, 5.0), (S, 6.0), (2 * S, 2.0), (3 * S, 3.0)], &[]);
        let gain = track.gained(window(0, 30)).unwrap();
        assert_eq!((gain.value, gain.covered_us), (4.0, 2 * S));
    }

    #[test]
    fn where_nothing_was_read_is_a_gap_and_a_stretch_within_it_is_not_told() {
        let mut readings: Vec<(i64, f64)> =
            (0..5).map(|it| (it * S, say::seconds(it * S))).collect();
        readings.extend((15..20).map(|it| (it * S, say::seconds(it * S))));
        let track = Track::of(readings, &[]);
        let gain = track.gained(window(0, 190)).unwrap();
        assert_eq!((gain.value, gain.covered_us), (19.0, 8 * S));
        assert_eq!(track.gained(window(50, 100)), None);
        let lossy = Track::of([(0, 0.0), (S, 1.0), (2 * S, 2.0)], &[2 * S]);
        assert_eq!(lossy.covered_us(window(0, 20)), S);
        assert_eq!(lossy.slices(window(0, 20)), [(Window { from_us: 0, to_us: S }, 1.0)]);
    }
}
