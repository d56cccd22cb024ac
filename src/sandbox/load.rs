//! `load`: an open-loop load generator. Payments leave when they are due, whether or not earlier
//! ones were answered: a slow bank does not slow its customers down.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    routing::{get, put},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Unit,
};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    metrics::latency_histogram,
    peers::Peers,
    process::Here,
    web::{self, Problem},
};

/// The most payments a second that it sends.
pub(super) const RATE_MAX: u32 = 2_000;
const IN_FLIGHT_MAX: usize = 512;
const PAYMENT_MAX: Duration = Duration::from_secs(1);
/// How many latencies the quantiles are taken from.
const RECENT_MAX: usize = 4_096;
const CURRENCIES: [&str; 3] = ["EUR", "CNY", "USD"];

struct Load {
    client: reqwest::Client,
    peers: Peers,
    rate: watch::Sender<Stream>,
    outcomes: Family<OutcomeLabels, Counter>,
    seconds: Histogram,
    told: Mutex<Told>,
}

/// What `/status` tells.
#[derive(Debug, Default)]
struct Told {
    by_outcome: BTreeMap<&'static str, u64>,
    recent_us: VecDeque<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Runs the load generator.
pub(super) async fn run(here: Here) -> io::Result<()> {
    let (outcomes, seconds) = (Family::<OutcomeLabels, Counter>::default(), latency_histogram());
    here.metrics.register(|it| {
        it.register("load_payments", "Payments sent, by outcome", outcomes.clone());
        it.register_with_unit(
            "load_payment_duration",
            "Time from a payment's due instant to its answer",
            Unit::Seconds,
            seconds.clone(),
        );
    });
    let rate = Stream { rate: here.book.rate, tenant: "retail".to_owned(), copies: 1 };
    let rate = watch::Sender::new(rate);
    let (client, peers) = (web::client_of(&here.dir)?, Peers::new(here.dir, here.book));
    let load = Load { client, peers, rate, outcomes, seconds, told: Mutex::default() };
    let load = Arc::new(load);
    let app = Router::new()
        .route("/rate", put(set_rate).get(show_rate))
        .route("/status", get(status))
        .route("/healthz", get(async || Json(json!({ "ok": true }))))
        .with_state(Arc::clone(&load))
        .layer(web::body_limit());
    let generator = tokio::spawn(generate(load));
    web::serve(here.listener, here.metrics.wrap(app), here.stop).await?;
    generator.abort();
    Ok(())
}

/// Sends payments on a schedule that is fixed from the moment the rate is set.
async fn generate(load: Arc<Load>) {
    // Keys must differ from those of an earlier life, so the boot clock goes into them.
    let life = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut rates = load.rate.subscribe();
    let mut sent: u64 = 0;
    loop {
        let Stream { rate, tenant, copies } = rates.borrow_and_update().clone();
        if rate == 0 {
            if rates.changed().await.is_err() {
                return;
            }
            continue;
        }
        let (began, every) = (Instant::now(), Duration::from_secs(1) / rate);
        for nth in 0_u32.. {
            let due = began + every * nth;
            tokio::select! {
                () = sleep_until(due) => {}
                changed = rates.changed() => if changed.is_err() { return } else { break },
            }
            let (key, body) = (format!("load-{life}-{sent}"), payment(&mut dice));
            sent += 1;
            for _ in 0..copies {
                let order = (key.clone(), tenant.clone(), body.clone());
                match Arc::clone(&room).try_acquire_owned() {
                    Err(_) => load.note("dropped", None),
                    Ok(place) => {
                        let load = Arc::clone(&load);
                        tokio::spawn(async move {
                            load.send(order, due).await;
                            drop(place);
                        });
                    }
                }
            }
        }
    }
}

fn payment(dice: &mut ChaCha8Rng) -> Value {
    let debtor: u16 = dice.random_range(0..1_000);
    let creditor: u16 = dice.random_range(0..1_000);
    let currency = CURRENCIES.get(dice.random_range(0..CURRENCIES.len()));
    json!({
        "debtor": format!("Customer {debtor:03}"),
        "creditor": format!("XX00{creditor:08}"),
        "creditor_name": format!("Supplier {creditor:03}"),
        "amount_minor": dice.random_range(1..1_000_000_u64),
        "currency": currency,
    })
}

impl Load {
    async fn send(&self, (key, tenant, body): (String, String, Value), due: Instant) {
        let outcome = match self.peers.address("gateway") {
            None => {
                self.peers.refresh();
                "unreachable"
            }
            Some(gateway) => {
                let url = format!("http://{gateway}/payments");
                let request = self.client.post(url).header("idempotency-key", key);
                let request = request.header("tenant", tenant).json(&body);
                match timeout(PAYMENT_MAX, request.send()).await {
                    Err(_) => "timeout",
                    Ok(Err(why)) => {
                        if why.is_connect() {
                            self.peers.refresh();
                        }
                        "unreachable"
                    }
                    Ok(Ok(response)) => match response.status().as_u16() {
                        421 => {
                            self.peers.refresh();
                            "unreachable"
                        }
                        200..=299 => "accepted",
                        400..=499 => "refused",
                        504 => "timeout",
                        _ => "unavailable",
                    },
                }
            }
        };
        self.note(outcome, Some(due.elapsed()));
    }

    fn note(&self, outcome: &'static str, took: Option<Duration>) {
        self.outcomes.get_or_create(&OutcomeLabels { outcome }).inc();
        let mut told = self.told.lock().expect("no holder panics");
        *told.by_outcome.entry(outcome).or_default() += 1;
        if let Some(took) = took {
            self.seconds.observe(took.as_secs_f64());
            if told.recent_us.len() >= RECENT_MAX {
                told.recent_us.pop_front();
            }
            told.recent_us.push_back(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

async fn status(State(load): State<Arc<Load>>) -> Json<Value> {
    let told = load.told.lock().expect("no holder panics");
    let mut recent: Vec<u64> = told.recent_us.iter().copied().collect();
    recent.sort_unstable();
    let at = |percent: usize| {
        recent.get((recent.len() * percent / 100).min(recent.len().saturating_sub(1)))
    };
    Json(json!({
        "rate": load.rate.borrow().rate,
        "payments": told.by_outcome,
        "latency_us": { "p50": at(50), "p90": at(90), "p99": at(99) },
    }))
}

/// How many payments a second, whose, and how often each is sent.
#[derive(Debug, Clone, Serialize)]
struct Stream {
    rate: u32,
    tenant: String,
    copies: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    rate: Option<u32>,
    tenant: Option<String>,
    copies: Option<u32>,
}

async fn show_rate(State(load): State<Arc<Load>>) -> Json<Stream> {
    Json(load.rate.borrow().clone())
}

async fn set_rate(
    State(load): State<Arc<Load>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Stream>, Problem> {
    let Change { rate, tenant, copies } = web::read(body)?;
    let mut now = load.rate.borrow().clone();
    now.rate = rate.unwrap_or(now.rate);
    now.tenant = tenant.unwrap_or(now.tenant);
    now.copies = copies.unwrap_or(now.copies);
    if now.rate.saturating_mul(now.copies) > RATE_MAX {
        return Err(Problem::unprocessable(format!("`rate` is at most {RATE_MAX}, all copies")));
    }
    load.rate.send_replace(now.clone());
    Ok(Json(now))
}
