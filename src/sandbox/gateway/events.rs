//! Business events for whoever keeps business metrics: counted here, posted five times a second.
//!
//! Counting bounds the memory by itself: however many payments, there are three sums. A batch
//! that surely did not arrive is sent again; one whose fate is unknown is dropped and counted,
//! since a payment counted twice is worse than one that is missed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::sandbox::web::{Stop, cause};

const EVERY: Duration = Duration::from_millis(200);
const POST_MAX: Duration = Duration::from_secs(2);
const ATTEMPTS: &str = "holdfast_payment_attempts_total";
const FAILURES: &str = "holdfast_payment_failures_total";

/// Whose fault a failed payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReasonClass {
    /// Ours, or that of somebody on whom we depend.
    Technical,
    /// The customer's, or a rule's.
    Business,
}

impl ReasonClass {
    fn word(self) -> &'static str {
        match self {
            Self::Technical => "technical",
            Self::Business => "business",
        }
    }
}

/// What has happened and was not posted yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    attempts: u64,
    failures: BTreeMap<ReasonClass, u64>,
}

impl Events {
    /// Notes a payment's end.
    pub(super) fn note(&mut self, failed: Option<ReasonClass>) {
        self.attempts += 1;
        if let Some(class) = failed {
            *self.failures.entry(class).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        for (class, count) in other.failures {
            *self.failures.entry(class).or_default() += count;
        }
    }

    /// As it is posted; nothing if nothing happened.
    fn batch(&self) -> Option<Value> {
        let event = |name: &str, labels: Value, value: u64| json!({ "name": name, "labels": labels, "value": value });
        let mut events = Vec::new();
        if self.attempts > 0 {
            let labels = json!({ "rail": "instant", "channel": "api" });
            events.push(event(ATTEMPTS, labels, self.attempts));
        }
        for (class, count) in &self.failures {
            let labels =
                json!({ "rail": "instant", "channel": "api", "reason_class": class.word() });
            events.push(event(FAILURES, labels, *count));
        }
        (!events.is_empty()).then(|| json!({ "events": events }))
    }
}

/// Posts until told to stop, and then a last time.
pub(super) async fn post(
    events: Arc<Mutex<Events>>,
    dropped: Counter,
    client: reqwest::Client,
    url: String,
    stop: Stop,
) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        let last = tokio::select! {
            _ = tick.tick() => false,
            () = stop.clone().asked() => true,
        };
        let taken = std::mem::take(&mut *events.lock().expect("no holder panics"));
        let Some(batch) = taken.batch() else {
            if last {
                return;
            }
            continue;
        };
        let sent = client.post(&url).json(&batch).timeout(POST_MAX).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => failing = false,
            Err(why) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(why = cause(&why), "cannot post business events");
                }
                if why.is_connect() {
                    events.lock().expect("no holder panics").merge(taken);
                } else {
                    dropped.inc_by(taken.attempts);
                }
            }
        }
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_an_attempt_and_failures_have_a_class() {
        let mut events = Events::default();
        assert_eq!(events.batch(), None);
        events.note(None);
        events.note(Some(ReasonClass::Business));
        let mut more = Events::default();
        more.note(Some(ReasonClass::Technical));
        more.note(Some(ReasonClass::Technical));
        events.merge(more);
        let batch = events.batch().unwrap();
        let value = |at: usize| batch["events"][at]["value"].as_u64();
        assert_eq!((value(0), value(1), value(2)), (Some(4), Some(2), Some(1)));
        assert_eq!(batch["events"][1]["labels"]["reason_class"], "technical");
    }
}
