//! The declared metrics, and what events have made of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Declaration, Event, Grows, OTHER, Rejection, Values, shorten};
use crate::collector::Samples;

/// The declared metrics and what they have taken up.
#[derive(Debug)]
pub struct Counters {
    all: Vec<Fed>,
    now: Duration,
    accepted: f64,
    overflowed: f64,
    expired: f64,
    rejected: BTreeMap<&'static str, f64>,
}

#[derive(Debug)]
struct Fed {
    declaration: Declaration,
    series: BTreeMap<Vec<String>, Series>,
    /// The different values of each label so far.
    seen: Vec<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Series {
    value: f64,
    /// When it was fed last; never: it is there from the start.
    fed: Option<Duration>,
}

impl Counters {
    /// Counters at zero.
    pub fn new(declarations: Vec<Declaration>) -> Self {
        Self {
            all: declarations.into_iter().map(Fed::new).collect(),
            now: Duration::ZERO,
            accepted: 0.0,
            overflowed: 0.0,
            expired: 0.0,
            rejected: Rejection::REASONS.into_iter().map(|reason| (reason, 0.0)).collect(),
        }
    }

    /// Lets other metrics count from now on. One that is declared as before goes on.
    pub fn declare(&mut self, declarations: Vec<Declaration>) {
        let mut before = std::mem::take(&mut self.all);
        let same = |it: &Declaration, before: &mut Vec<Fed>| {
            let at = before.iter().position(|fed| fed.declaration == *it)?;
            Some(before.swap_remove(at))
        };
        let take = |it: Declaration| same(&it, &mut before).unwrap_or_else(|| Fed::new(it));
        self.all = declarations.into_iter().map(take).collect();
    }

    /// Time goes by: `now` is the time since some beginning. Series that nobody fed for too long
    /// are forgotten.
    pub fn pass(&mut self, now: Duration) {
        self.now = now;
        for fed in &mut self.all {
            let Some(ttl) = fed.declaration.ttl else { continue };
            let zeros = fed.declaration.zeros && fed.declaration.closed_series().is_some();
            let is_old = |it: &Series| it.fed.is_some_and(|fed| fed + ttl <= now);
            let before = fed.series.len();
            if zeros {
                continue; // They are there from the start, and stay.
            }
            fed.series.retain(|_, it| !is_old(it));
            self.expired += crate::collector::many(before - fed.series.len());
            fed.forget_values();
        }
    }

    /// Counts an event, or says why not.
    pub fn take(&mut self, event: Result<Event, Rejection>) -> Result<(), Rejection> {
        match event.and_then(|event| self.count(&event)) {
            Ok(overflowed) => {
                self.accepted += 1.0;
                self.overflowed += f64::from(u8::from(overflowed));
                Ok(())
            }
            Err(why) => {
                *self.rejected.entry(why.reason()).or_default() += 1.0;
                Err(why)
            }
        }
    }

    fn count(&mut self, event: &Event) -> Result<bool, Rejection> {
        let fed = self.all.iter_mut().find(|it| it.declaration.name == event.name);
        let unknown = || Rejection::UnknownName(shorten(&event.name));
        fed.ok_or_else(unknown)?.take(event, self.now)
    }

    /// The names of the declared metrics.
    pub fn names(&self) -> BTreeSet<String> {
        self.all.iter().map(|it| it.declaration.name.clone()).collect()
    }

    /// What a declared metric has taken up, over all its labels.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let fed = self.all.iter().find(|it| it.declaration.name == name)?;
        Some(fed.series.values().map(|it| it.value).sum())
    }

    /// Shows the metrics, and how many events were taken and refused.
    pub fn show(&self, samples: &mut Samples) {
        for fed in &self.all {
            fed.show(samples);
        }
        let help = "Business events that were counted.";
        samples.counter("holdfast_events_accepted_total", help).row(&[], self.accepted);
        let help = "Business events that were refused, by reason.";
        samples.counter("holdfast_events_rejected_total", help);
        for (reason, count) in &self.rejected {
            samples.row(&[("reason", reason)], *count);
        }
        let help = "Business events counted under `other`, since a label had too many values.";
        samples.counter("holdfast_events_overflowed_total", help).row(&[], self.overflowed);
        let help = "Series of business metrics that were forgotten, as nothing fed them.";
        samples.counter("holdfast_events_series_expired_total", help).row(&[], self.expired);
    }
}

impl Fed {
    fn new(declaration: Declaration) -> Self {
        let mut series = BTreeMap::new();
        let is_small = |all: usize| all <= declaration.series_max;
        if declaration.zeros && declaration.closed_series().is_some_and(is_small) {
            let mut keys = vec![Vec::new()];
            for label in &declaration.labels {
                let Values::OneOf(values) = &label.values else { continue };
                let longer = |key: &Vec<String>, value: &String| {
                    let mut key = key.clone();
                    key.push(value.clone());
                    key
                };
                let all = keys.iter().flat_map(|key| values.iter().map(|value| longer(key, value)));
                keys = all.collect();
            }
            series.extend(keys.into_iter().map(|key| (key, Series::default())));
        }
        let seen = vec![Vec::new(); declaration.labels.len()];
        Self { declaration, series, seen }
    }

    /// Takes an event up; says whether a value went to `other`.
    fn take(&mut self, event: &Event, now: Duration) -> Result<bool, Rejection> {
        self.check(event)?;
        let is_full = self.series.len() >= self.declaration.series_max;
        let mut key = Vec::with_capacity(self.seen.len());
        let mut overflowed = false;
        for (label, seen) in self.declaration.labels.iter().zip(&self.seen) {
            let said = event.labels.get(&label.name).map(String::as_str).unwrap_or_default();
            let kept = label.values.keep(said, seen);
            overflowed |= kept != said;
            key.push(kept.to_owned());
        }
        if is_full && !self.series.contains_key(&key) {
            let open = self.declaration.labels.iter().zip(&mut key);
            for (label, said) in open {
                if matches!(label.values, Values::AtMost(_)) {
                    OTHER.clone_into(said);
                    overflowed = true;
                }
            }
        }
        if self.declaration.kind == Grows::Gauge && overflowed {
            // What several set in turn is nobody's figure.
            return Err(Rejection::NoRoom(self.declaration.name.clone()));
        }
        // From here on nothing is refused, so that a refused event leaves no trace.
        for (seen, said) in self.seen.iter_mut().zip(&key) {
            if said != OTHER && !seen.contains(said) {
                seen.push(said.clone());
            }
        }
        let series = self.series.entry(key).or_default();
        series.fed = Some(now);
        match self.declaration.kind {
            // The sum stays finite, whatever comes: an infinite counter would never grow again.
            Grows::Counter => series.value = (series.value + event.value).min(f64::MAX),
            Grows::Gauge => series.value = event.value,
        }
        Ok(overflowed)
    }

    fn check(&self, event: &Event) -> Result<(), Rejection> {
        let is_less = event.value.is_sign_negative() && event.value != 0.0;
        let may_be_less = self.declaration.kind == Grows::Gauge;
        if !event.value.is_finite() || is_less && !may_be_less {
            return Err(Rejection::WrongValue(event.value.to_string()));
        }
        let known = |name: &String| self.declaration.labels.iter().any(|it| it.name == *name);
        if let Some(name) = event.labels.keys().find(|name| !known(name)) {
            let why = format!("label `{}` is not declared", shorten(name));
            return Err(Rejection::WrongLabels(why));
        }
        for label in &self.declaration.labels {
            let said = event.labels.get(&label.name).ok_or_else(|| {
                Rejection::WrongLabels(format!("label `{}` is missing", label.name))
            })?;
            if !label.values.allow(said) {
                let (label, value) = (label.name.clone(), shorten(said));
                return Err(Rejection::WrongLabelValue { label, value });
            }
        }
        Ok(())
    }

    /// Values that no series has any more make room for others.
    fn forget_values(&mut self) {
        for (at, seen) in self.seen.iter_mut().enumerate() {
            let has = |said: &String| self.series.keys().any(|key| key.get(at) == Some(said));
            seen.retain(has);
        }
    }

    fn show(&self, samples: &mut Samples) {
        let Declaration { name, help, .. } = &self.declaration;
        match self.declaration.kind {
            Grows::Counter => samples.counter(name, help),
            Grows::Gauge => samples.gauge(name, help),
        };
        let names = self.declaration.labels.iter().map(|label| label.name.as_str());
        for (key, series) in &self.series {
            let labels: Vec<(&str, &str)> =
                names.clone().zip(key.iter().map(String::as_str)).collect();
            samples.row(&labels, series.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Label;

    fn by_shop() -> Declaration {
        let mut it = Declaration::counter("sales_total", "Sales.", &[("kind", &["a", "b"])]);
        it.labels.insert(0, Label { name: "shop".to_owned(), values: Values::AtMost(2) });
        it
    }

    fn event(shop: &str, kind: &str, value: f64) -> Event {
        let labels = [("shop", shop), ("kind", kind)];
        let labels = labels.map(|(name, said)| (name.to_owned(), said.to_owned()));
        Event { name: "sales_total".to_owned(), labels: labels.into(), value }
    }

    #[test]
    fn labels_without_end_overflow_into_other() {
        let mut counters = Counters::new(vec![by_shop()]);
        for shop in 0..100 {
            counters.take(Ok(event(&format!("shop {shop}"), "a", 1.0))).unwrap();
        }
        let mut samples = Samples::default();
        counters.show(&mut samples);
        let sales = samples.families().find(|it| it.name() == "sales_total").unwrap();
        let rows: Vec<f64> = sales.rows().map(|row| row.value()).collect();
        assert_eq!(format!("{rows:?}"), "[98.0, 1.0, 1.0]");
        assert!((counters.overflowed - 98.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_refused_leaves_no_trace() {
        let mut counters = Counters::new(vec![by_shop()]);
        for bad in [f64::NAN, f64::INFINITY, -1.0, f64::NEG_INFINITY] {
            assert!(matches!(
                counters.take(Ok(event("x", "a", bad))),
                Err(Rejection::WrongValue(_))
            ));
        }
        assert!(matches!(
            counters.take(Ok(event("x", "c", 1.0))),
            Err(Rejection::WrongLabelValue { .. })
        ));
        assert!(counters.all[0].series.is_empty() && counters.all[0].seen[0].is_empty());
    }

    #[test]
    fn the_sum_stays_finite() {
        let mut counters = Counters::new(vec![by_shop()]);
        for _ in 0..3 {
            counters.take(Ok(event("x", "a", f64::MAX))).unwrap();
        }
        assert!(counters.all[0].series.values().all(|it| it.value.is_finite()));
    }

    #[test]
    fn series_are_capped_together_and_a_gauge_never_stands_for_several() {
        let mut few = by_shop();
        few.series_max = 1;
        few.labels[0].values = Values::AtMost(50);
        let mut counters = Counters::new(vec![few.clone()]);
        for shop in ["x", "y", "z"] {
            counters.take(Ok(event(shop, "a", 1.0))).unwrap();
        }
        assert_eq!(counters.all[0].series.len(), 2, "x, and the others");
        few.kind = Grows::Gauge;
        let mut counters = Counters::new(vec![few]);
        counters.take(Ok(event("x", "a", -1.0))).unwrap();
        counters.take(Ok(event("x", "a", -3.0))).unwrap();
        let refused = counters.take(Ok(event("y", "a", 1.0)));
        assert!(matches!(refused, Err(Rejection::NoRoom(_))));
        assert_eq!(counters.sum("sales_total"), Some(-3.0));
    }

    #[test]
    fn what_nobody_feeds_is_forgotten_and_makes_room() {
        let mut short = by_shop();
        short.ttl = Some(Duration::from_mins(1));
        let mut counters = Counters::new(vec![short]);
        for (at, shop) in [(0, "x"), (30, "y")] {
            counters.pass(Duration::from_secs(at));
            counters.take(Ok(event(shop, "a", 1.0))).unwrap();
        }
        counters.pass(Duration::from_mins(1));
        assert_eq!(counters.all[0].series.len(), 1);
        assert_eq!(counters.all[0].seen[0], ["y"]);
        assert!((counters.expired - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_declared_as_before_goes_on() {
        let mut counters = Counters::new(vec![by_shop()]);
        counters.take(Ok(event("x", "a", 5.0))).unwrap();
        counters.declare(vec![Declaration::counter("other_total", "O.", &[]), by_shop()]);
        assert_eq!(counters.sum("sales_total"), Some(5.0));
        counters.declare(vec![Declaration::counter("other_total", "O.", &[])]);
        counters.declare(vec![by_shop()]);
        assert_eq!(counters.sum("sales_total"), Some(0.0));
    }
}
