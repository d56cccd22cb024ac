//! The baseline against labelled faults, and the watched series of a live agent.

use std::fs;

use holdfast::agent::foresight::model::{Model, SEASONS_MIN, Score, Shape};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

use super::{metrics, value};
use crate::beside::{agent, until};

const DAY: u64 = 86_400;
/// What the documents propose as thresholds.
const SUDDEN: f64 = 8.0;
const SUSTAINED: f64 = 2.0;
/// Machines that are simulated, each with noise of its own.
const MACHINES: u64 = 30;

/// A day of business: quiet at night, a dip at noon, noise that hangs together a little.
struct Business {
    dice: ChaCha8Rng,
    noise: f64,
}

impl Business {
    fn new(seed: u64) -> Self {
        Self { dice: ChaCha8Rng::seed_from_u64(seed), noise: 0.0 }
    }

    fn usual(at: u64) -> f64 {
        let hour = f64::from(u32::try_from(at % DAY).unwrap()) / 3600.0;
        let hill = |middle: f64, wide: f64| (-((hour - middle) / wide).powi(2)).exp();
        20.0 + 100.0 * hill(10.0, 2.5) + 80.0 * hill(15.0, 2.5) + 30.0 * hill(20.0, 1.5)
    }

    fn value(&mut self, at: u64) -> f64 {
        // The sum of twelve even chances is normal enough (Irwin and Hall).
        let normal = (0..12).map(|_| self.dice.random::<f64>()).sum::<f64>() - 6.0;
        self.noise = 0.5 * self.noise + 4.0 * normal;
        // Some minutes are wild, as in life: one in five hundred.
        let wild = if self.dice.random_range(0..500) == 0 { 25.0 } else { 0.0 };
        Self::usual(at) + self.noise + wild
    }
}

/// One that has seen so many days.
fn learnt(seed: u64, days: u64) -> (Model, Business) {
    let (mut model, mut business) = (Model::new(Shape::DAY), Business::new(seed));
    for minute in 0..days * 1440 {
        let at = minute * 60;
        model.note(at, business.value(at));
    }
    (model, business)
}

fn alarms(score: &Score) -> bool {
    score.now.abs() > SUDDEN || score.sustained.abs() > SUSTAINED
}

/// Plays so many minutes from day ten on, and says after how many there was an alarm.
fn alarm(seed: u64, minutes: u64, fault: impl Fn(u64, f64) -> f64) -> Option<u64> {
    let (mut model, mut business) = learnt(seed, 10);
    (0..minutes).find(|minute| {
        let at = 10 * DAY + minute * 60;
        let value = fault(*minute, business.value(at));
        model.note(at, value).is_some_and(|it| alarms(&it))
    })
}

/// On how many machines of all there was an alarm within so many minutes of the fault's begin.
fn detected(from: u64, within: u64, fault: impl Fn(u64, f64) -> f64) -> u64 {
    let hit =
        |seed: &u64| {
            let first = alarm(*seed, from + within, |minute, value| {
                if minute < from { value } else { fault(minute, value) }
            });
            first.is_some_and(|it| it >= from)
        };
    u64::try_from((0..MACHINES).filter(hit).count()).unwrap()
}

#[test]
fn a_spike_is_seen_in_its_minute() {
    // 14:00: three times as much, for one minute.
    let seen = detected(14 * 60, 1, |_, value| value * 3.0);
    assert!(seen >= MACHINES * 9 / 10, "{seen} of {MACHINES}");
}

#[test]
fn a_level_shift_is_seen_within_two_hours() {
    // From 03:00 on 20 more, five times the noise's own step.
    let seen = detected(180, 120, |_, value| value + 20.0);
    assert!(seen >= MACHINES * 9 / 10, "{seen} of {MACHINES}");
}

#[test]
fn a_slow_drift_is_seen_within_a_day() {
    // From midnight on, two more every hour.
    let more = |minute: u64| f64::from(u32::try_from(minute).unwrap()) / 30.0;
    let seen = detected(0, 1440, |minute, value| value + more(minute));
    assert!(seen >= MACHINES * 9 / 10, "{seen} of {MACHINES}");
}

#[test]
fn a_hill_of_the_day_that_does_not_come_is_seen_though_the_value_is_one_of_every_night() {
    // The morning's business stays away: what is told is what is usual at night.
    let seen = detected(8 * 60, 180, |minute, value| {
        let at = minute * 60;
        value - Business::usual(at) + Business::usual(2 * 3600)
    });
    assert!(seen >= MACHINES * 9 / 10, "{seen} of {MACHINES}");
}

#[test]
fn on_quiet_days_there_are_few_false_alarms() {
    let (mut minutes, mut false_alarms) = (0_u64, 0_u64);
    for seed in 0..MACHINES {
        let (mut model, mut business) = learnt(seed, 10);
        let mut was = false;
        for minute in 0..2 * 1440 {
            let at = 10 * DAY + minute * 60;
            let is = model.note(at, business.value(at)).is_some_and(|it| alarms(&it));
            false_alarms += u64::from(is && !was);
            minutes += 1;
            was = is;
        }
    }
    let days = minutes / 1440;
    // At most one in two days and machine, wild minutes included: there are three of them a day.
    assert!(false_alarms * 2 <= days, "{false_alarms} in {days} days");
}

#[test]
fn a_fault_of_yesterday_hides_none_of_today() {
    let (mut model, mut business) = learnt(1, 9);
    for minute in 0..1440 {
        let at = 9 * DAY + minute * 60;
        model.note(at, business.value(at) + 500.0);
    }
    let at = 10 * DAY + 14 * 3600;
    let score = model.note(at, business.value(at) + 150.0).unwrap();
    assert!(score.now > SUDDEN, "{score:?}");
}

#[test]
fn before_enough_seasons_there_is_no_score_and_memory_has_an_end() {
    let days = u64::try_from(SEASONS_MIN).unwrap();
    let (mut model, mut business) = learnt(2, days - 1);
    let at = (days - 1) * DAY;
    assert_eq!(model.note(at, business.value(at)), None);
    let size = |days: u64| serde_json::to_vec(&learnt(2, days).0).unwrap().len();
    assert!(size(40) < size(14) * 11 / 10, "{} {}", size(40), size(14));
    assert_eq!(model.note(at, f64::NAN), None);
}

#[test]
fn a_live_agent_watches_what_its_file_names() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("agent.yml");
    let text = "foresight:\n  - series: node_load1\n    season: day\n  - series: holdfast_payment_attempts_total\n    labels: {rail: instant}\n  - series: nothing_like_it\n";
    fs::write(&file, text).unwrap();
    let path = file.display().to_string();
    let agent = agent(state.path(), &["--config.file", &path]);
    let seen = "holdfast_anomaly_seen";
    until("it was looked", || value(&metrics(&agent), seen, "{series=\"node_load1\"}"));
    let page = metrics(&agent);
    assert_eq!(value(&page, seen, "{series=\"node_load1\"}"), Some(1.0));
    let payments = "{series=\"holdfast_payment_attempts_total{rail=\\\"instant\\\"}\"}";
    assert_eq!(value(&page, seen, payments), Some(1.0), "{:?}", page[seen]);
    assert_eq!(value(&page, seen, "{series=\"nothing_like_it\"}"), Some(0.0));
    assert!(!page.contains_key("holdfast_anomaly_score"), "nothing is known yet");
}
