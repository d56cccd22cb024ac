//! `POST /v1/events`: business events come in.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::time::Instant;

use super::{accept::Teller, pages::App};
use crate::{
    about::About,
    collector::{Blank, Collector, Samples},
    export::{Card, Export},
    source::{Event, Rejection, counters::Counters},
    sources::events,
    world::roots::Roots,
};

/// What it says of itself.
pub(crate) const CARD: Card = Card {
    about: &About {
        name: "events",
        summary: "what the sources of business events have counted",
        needs: &[],
        example: "",
    },
    exports: &[
        Export::of(
            &[
                "holdfast_events_accepted_total",
                "holdfast_events_rejected_total",
                "holdfast_events_overflowed_total",
                "holdfast_events_series_expired_total",
            ],
            &[],
            "the agent itself",
        ),
        Export::of(
            &["holdfast_payment_attempts_total", "holdfast_payment_failures_total"],
            &[],
            "the agent itself, unless `business:` in its file declares others instead",
        ),
    ],
};

/// So many refused events are told one by one; the rest only counts.
const TOLD_MAX: usize = 100;

/// Shows what the sources have counted.
pub(crate) struct EventCounts(pub(crate) Arc<Mutex<Counters>>);

/// Since when metrics that nobody feeds grow old.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The counters, at the time that it is now.
pub(crate) fn now(counters: &Mutex<Counters>) -> MutexGuard<'_, Counters> {
    let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    counters.pass(BEGAN.elapsed());
    counters
}

impl Collector for EventCounts {
    fn collect(&mut self, _roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        now(&self.0).show(samples);
        Ok(())
    }
}

#[derive(Debug, Default, Serialize)]
struct Receipt {
    accepted: usize,
    rejected_count: usize,
    /// The first of them.
    rejected: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    index: usize,
    why: String,
}

/// Counts what the message holds, and says of each event that was refused why.
pub(crate) async fn take_events(
    State(app): State<Arc<App>>,
    Extension(teller): Extension<Teller>,
    body: Bytes,
) -> Response {
    if !teller.0 {
        let why = "events are taken from this machine, or from users of --web.config.file\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    match (events::KIND.read)(&body) {
        Ok(events) => {
            let receipt = count(&app.counters, events);
            let all = receipt.rejected_count == 0;
            let status = if all { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            (status, Json(receipt)).into_response()
        }
        Err(why) => {
            let mut counters = now(&app.counters);
            let outcome = counters.take(Err(Rejection::Malformed(String::new())));
            drop(counters);
            debug_assert!(outcome.is_err(), "a message that nobody can read counts nothing");
            (StatusCode::BAD_REQUEST, format!("could not {why}\n")).into_response()
        }
    }
}

fn count(counters: &Mutex<Counters>, events: Vec<Result<Event, Rejection>>) -> Receipt {
    let mut counters = now(counters);
    let mut receipt = Receipt::default();
    for (index, event) in events.into_iter().enumerate() {
        match counters.take(event) {
            Ok(()) => receipt.accepted += 1,
            Err(why) => {
                receipt.rejected_count += 1;
                if receipt.rejected.len() < TOLD_MAX {
                    receipt.rejected.push(Refused { index, why: why.to_string() });
                }
            }
        }
    }
    receipt
}
