//! `gateway`: the bank's door. It validates, has payments screened, and enters them in the core.

mod door;
mod events;
mod log;
mod names;
mod pay;
mod rooms;
mod route;
mod screen;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Unit,
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use self::{
    door::Door,
    events::{Events, ReasonClass},
    log::PaymentLog,
    names::Names,
    rooms::Rooms,
    route::Route,
};
use super::{
    calendar::{BankClock, CutOff},
    metrics::latency_histogram,
    peers::Peers,
    process::Here,
    web::{self, Problem},
};

/// How long a stopping gateway may take over its last business events.
const LAST_EVENTS_MAX: Duration = Duration::from_millis(200);

struct Gateway {
    client: reqwest::Client,
    peers: Arc<Peers>,
    route: Route,
    cut_off: CutOff,
    clock: BankClock,
    names: Names,
    events: Option<Arc<Mutex<Events>>>,
    payments: Family<OutcomeLabels, Counter>,
    seconds: Histogram,
    rooms: Arc<Rooms>,
    log: PaymentLog,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

type This = State<Arc<Gateway>>;

/// Runs the gateway.
pub(super) async fn run(here: Here) -> io::Result<()> {
    let client = web::client_of(&here.dir)?;
    let (payments, seconds) = (Family::<OutcomeLabels, Counter>::default(), latency_histogram());
    let dropped = Counter::default();
    here.metrics.register(|it| {
        it.register("payments", "Payments by outcome", payments.clone());
        it.register_with_unit(
            "payment_duration",
            "Time from a payment's arrival to its outcome",
            Unit::Seconds,
            seconds.clone(),
        );
        it.register("events_dropped", "Payments whose events were dropped", dropped.clone());
    });
    let log = PaymentLog::new(&here.home);
    let (lost, failed) = (log.lost.clone(), Counter::default());
    let door = Door::new(here.listener, failed.clone());
    here.metrics.register(|it| {
        it.register("log_lines_lost", "Lines not written", lost);
        it.register("accepts_failed", "How often no connection could be taken in", failed);
    });
    let route = Route::open(&here.home, &here.book)?;
    let events = here.book.events_url.as_ref().map(|_| Arc::new(Mutex::new(Events::default())));
    let (cut_off, clock) = (here.book.cut_off, BankClock::new(here.book.since.as_ref()));
    let names = Names::new(here.book.names);
    let (all_noted, last) = web::Stop::new();
    let posting = here.book.events_url.clone().zip(events.clone()).map(|(url, events)| {
        tokio::spawn(events::post(events, dropped, client.clone(), url, last))
    });
    let peers = Arc::new(Peers::new(here.dir, here.book));
    let rooms = Rooms::new();
    let gateway = Gateway {
        client,
        peers,
        route,
        cut_off,
        clock,
        names,
        events,
        payments,
        seconds,
        rooms,
        log,
    };
    let app = Router::new()
        .route("/payments", post(pay))
        .route("/payments/{id}", get(payment))
        .route("/route", get(route::show).put(route::change))
        .route("/names", get(names::show))
        .route("/clock", get(show_clock))
        .route("/settings", get(rooms::show).put(rooms::change))
        .route("/healthz", get(healthz))
        .with_state(Arc::new(gateway))
        .layer(web::body_limit());
    web::serve(door, here.metrics.wrap(app), here.stop).await?;
    all_noted.send_replace(true);
    if let Some(posting) = posting
        && timeout(LAST_EVENTS_MAX, posting).await.is_err()
    {
        tracing::warn!("the last business events were not posted in time");
    }
    Ok(())
}

async fn pay(
    State(gateway): This,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let began = Instant::now();
    // A task of its own: a client that hangs up does not make its payment's outcome unknown here.
    let task = tokio::spawn(async move {
        let paid = match gateway.rooms.enter(&headers) {
            Ok(_place) => pay::pay(&gateway, &headers, body).await,
            Err(why) => Err(why),
        };
        gateway.note(&paid, began);
        paid
    });
    match task.await {
        Ok(paid) => paid.into_response(),
        Err(why) => Problem::unavailable(why.to_string()).into_response(),
    }
}

impl Gateway {
    /// Counts an outcome, for the metrics and for the business.
    fn note(&self, paid: &Result<pay::Paid, Problem>, began: Instant) {
        let (outcome, failed) = match paid {
            Ok(_) => ("accepted", None),
            Err(why) => match why.status {
                StatusCode::FORBIDDEN => ("refused", Some(ReasonClass::Business)),
                StatusCode::GATEWAY_TIMEOUT => ("unknown", Some(ReasonClass::Technical)),
                it if it.is_server_error() => ("unavailable", Some(ReasonClass::Technical)),
                _ => ("invalid", Some(ReasonClass::Business)),
            },
        };
        let micros = began.elapsed().as_micros();
        let line = format!("outcome={outcome} status={} took_us={micros}", status(paid).as_u16());
        self.log.note(&line, self.rooms.settings().log_lines);
        self.payments.get_or_create(&OutcomeLabels { outcome }).inc();
        self.seconds.observe(began.elapsed().as_secs_f64());
        if let Some(events) = &self.events {
            events.lock().expect("no holder panics").note(failed);
        }
    }
}

fn status(paid: &Result<pay::Paid, Problem>) -> StatusCode {
    match paid {
        Ok(it) => it.status(),
        Err(why) => why.status,
    }
}

async fn payment(State(gateway): This, Path(id): Path<String>) -> Result<Response, Problem> {
    if !super::core::is_key(&id) {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such payment"));
    }
    let found = gateway.route.get(&gateway, &format!("/entries/{id}"), route::CORE_MAX).await?;
    match found.status() {
        StatusCode::OK => {
            let entry: Value = found
                .json()
                .await
                .map_err(|why| Problem::unavailable(format!("core: {}", web::cause(&why))))?;
            Ok(Json(entry).into_response())
        }
        StatusCode::NOT_FOUND => {
            Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no payment `{id}`")))
        }
        other => Err(Problem::unavailable(format!("core: it answers {other}"))),
    }
}

/// The time by which this gateway lives, the value date that follows, and how far that is from the
/// ledger's time.
async fn show_clock(State(gateway): This) -> Result<Json<Value>, Problem> {
    let asked = gateway.route.get(&gateway, "/status", route::CORE_MAX).await?;
    let core: Value = asked
        .json()
        .await
        .map_err(|why| Problem::unavailable(format!("core: {}", web::cause(&why))))?;
    let now_ms = gateway.clock.now_ms();
    let core_ms = core.get("now_ms").and_then(Value::as_i64);
    let now = gateway.clock.now();
    Ok(Json(json!({
        "now": now.to_string(),
        "value_date": gateway.cut_off.value_date(now).to_string(),
        "ahead_of_ledger_s": core_ms.map(|it| (now_ms - it) / 1_000),
    })))
}

/// Healthy when the routed core takes writes and says so quickly.
async fn healthz(State(gateway): This) -> Result<Json<Value>, Problem> {
    let asked = gateway.route.get(&gateway, "/healthz", route::HEALTH_MAX).await?;
    let well = asked.status().is_success();
    let said: Value = asked
        .json()
        .await
        .map_err(|why| Problem::unavailable(format!("core: {}", web::cause(&why))))?;
    let text = |field: &str| said.get(field).and_then(Value::as_str).unwrap_or_default();
    match (well, text("role")) {
        (true, "primary") => Ok(Json(json!({ "ok": true, "core": gateway.route.core() }))),
        (true, _) => Err(Problem::unavailable("core: the routed one is no primary")),
        (false, _) => Err(Problem::unavailable(format!("core: {}", text("error")))),
    }
}
