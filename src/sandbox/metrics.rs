//! What every process of the sandbox exports: requests, errors and durations, and its own figures.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use super::web::{MARK_HEADER, Problem};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Paths that may become a label; anything else is `other`, so that strangers mint no series.
const ROUTES: [&str; 15] = [
    "/behaviour",
    "/check",
    "/clock",
    "/entries",
    "/healthz",
    "/log",
    "/metrics",
    "/names",
    "/payments",
    "/promote",
    "/rate",
    "/rejoin",
    "/route",
    "/settings",
    "/status",
];
const REQUEST_MAX: Duration = Duration::from_secs(5);
const REJOIN_MAX: Duration = Duration::from_secs(40);

/// Upper bounds of the latency buckets, in seconds.
pub(super) const LATENCY_BUCKETS: [f64; 11] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// The registry of one process.
pub(super) struct Metrics {
    mark: String,
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    look: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

impl Metrics {
    /// A registry whose every series bears the process's name, for the sandbox with this mark.
    pub(super) fn new(process: &str, mark: String) -> Arc<Self> {
        let labels = [(Cow::from("process"), Cow::from(process.to_owned()))];
        let mut registry = Registry::with_prefix_and_labels("holdfast_sandbox", labels.into_iter());
        let requests = Family::default();
        registry.register("http_requests", "HTTP requests answered", requests.clone());
        let seconds: Family<RouteLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(latency_histogram);
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        let look = OnceLock::new();
        Arc::new(Self { mark, registry: Mutex::new(registry), requests, seconds, look })
    }

    /// Lets a process register figures of its own.
    pub(super) fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().expect("no holder panics"));
    }

    /// What to do before a page is written, once for all: gauges that must be looked up.
    pub(super) fn before_each_page(&self, look: impl Fn() + Send + Sync + 'static) {
        self.look.get_or_init(|| Box::new(look));
    }

    /// Adds `/metrics` to the routes, measures them all, and turns strays from other sandboxes
    /// away.
    pub(super) fn wrap(self: Arc<Self>, app: Router) -> Router {
        let page = get(page).with_state(Arc::clone(&self));
        app.route("/metrics", page).layer(from_fn_with_state(self, measure))
    }
}

/// A histogram with [`LATENCY_BUCKETS`].
pub(super) fn latency_histogram() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Response {
    if let Some(look) = metrics.look.get() {
        look();
    }
    let mut text = String::new();
    let encoded = encode(&mut text, &metrics.registry.lock().expect("no holder panics"));
    match encoded {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(why) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response()
        }
    }
}

async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.uri().path();
    let is_route = |it: &&&str| {
        path.strip_prefix(**it).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let route = ROUTES.iter().find(is_route).copied().unwrap_or("other");
    let method = match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        _ => "other",
    };
    let stray = request.headers().get(MARK_HEADER).is_some_and(|it| *it != metrics.mark);
    let limit = if route == "/rejoin" { REJOIN_MAX } else { REQUEST_MAX };
    let answered = async {
        if stray {
            let said = "this is a process of another sandbox";
            return Problem::new(StatusCode::MISDIRECTED_REQUEST, said).into_response();
        }
        next.run(request).await
    };
    let response = match tokio::time::timeout(limit, answered).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response()
        }
    };
    let code = response.status().as_u16();
    metrics.requests.get_or_create(&RequestLabels { route, method, code }).inc();
    metrics.seconds.get_or_create(&RouteLabels { route }).observe(began.elapsed().as_secs_f64());
    response
}
