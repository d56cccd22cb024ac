//! The agent's web server.
#![expect(clippy::disallowed_types, reason = "this is the room where the agent's socket lives")]

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Mutex as TurnTaking, Semaphore, watch},
};

use super::{
    config::{DEADLINE, ENERGY_EVERY, EVENTS_BYTES_MAX, Listen, SCRAPES_MAX, Settings},
    energy::{self, Tally},
    negotiate::Format,
    scrape::{Entry, Filter, Scrape},
};
use crate::{
    collector::{Blank, Collector, Samples, Setup},
    collectors,
    source::{Counters, Event, Rejection},
    sources::{self, events},
    world::roots::Roots,
};

/// Why the agent cannot serve; completes "could not …".
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port is taken, or not ours to take.
    #[error("listen on {listen}: {why}")]
    Listen {
        /// The address.
        listen: Listen,
        /// What the operating system said.
        why: io::Error,
    },
    /// The system gives us no thread, timer or signal.
    #[error("start: {0}")]
    Start(#[from] io::Error),
}

/// After a signal, so long do clients have to take their answers.
const GOODBYE: Duration = Duration::from_secs(3);
/// So many refused events are told one by one; the rest only counts.
const TOLD_MAX: usize = 100;

struct App {
    scrape: TurnTaking<Scrape>,
    names: Vec<&'static str>,
    turns: Semaphore,
    counters: Arc<Mutex<Counters>>,
}

/// Serves until SIGTERM or SIGINT. `on_bound` is told the address once it is ours.
pub fn run(settings: Settings, on_bound: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(settings, on_bound))
}

async fn serve(settings: Settings, on_bound: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = bind(&settings.listen).await?;
    let (app, tally) = app(&settings)?;
    tokio::spawn(energy::measure(settings.roots, settings.energy, tally, ENERGY_EVERY));
    on_bound(listener.local_addr()?);
    let (stop, mut stopped) = watch::channel(false);
    let goodbye = async move {
        // An error means that the sender is gone, and then it is time to stop, too.
        drop(stopped.wait_for(|it| *it).await);
    };
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(goodbye);
    let mut server = std::pin::pin!(server.into_future());
    tokio::select! {
        done = &mut server => return Ok(done?),
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    stop.send_replace(true);
    // A client that never takes its answer must not keep us.
    match tokio::time::timeout(GOODBYE, server).await {
        Ok(done) => Ok(done?),
        Err(_) => Ok(()),
    }
}

async fn bind(listen: &Listen) -> Result<TcpListener, ServeError> {
    let mut why = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in listen.candidates() {
        match TcpListener::bind(&candidate).await {
            Ok(listener) => return Ok(listener),
            Err(it) => {
                // Where IPv6 is switched off the first candidate fails, and the next one may not.
                let is_final =
                    matches!(it.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied);
                why = it;
                if is_final {
                    break;
                }
            }
        }
    }
    Err(ServeError::Listen { listen: listen.clone(), why })
}

fn app(settings: &Settings) -> io::Result<(Arc<App>, Tally)> {
    let setup = Setup { state: settings.state.clone() };
    let mut entries: Vec<Entry> =
        collectors::ALL.iter().map(|kind| Entry::of(kind, &setup)).collect();
    let counters = Arc::new(Mutex::new(Counters::new(sources::DECLARED)));
    let tally = Tally::default();
    let (shared, shown) = (Arc::clone(&counters), (tally.clone(), Arc::clone(&counters)));
    entries.push(Entry::own("events", move || EventCounts(Arc::clone(&shared))));
    entries.push(Entry::own("energy", move || shown.0.collector(&shown.1)));
    let scrape = Scrape::new(entries, settings.roots.clone(), DEADLINE)?;
    let names = scrape.names();
    let app = App {
        scrape: TurnTaking::new(scrape),
        names,
        turns: Semaphore::new(SCRAPES_MAX),
        counters,
    };
    Ok((Arc::new(app), tally))
}

/// Shows what the sources have counted.
struct EventCounts(Arc<Mutex<Counters>>);

impl Collector for EventCounts {
    fn collect(&mut self, _roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).show(samples);
        Ok(())
    }
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(landing))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(async || "holdfast agent is healthy.\n"))
        .route("/v1/events", post(take_events))
        .layer(DefaultBodyLimit::max(EVENTS_BYTES_MAX))
        .with_state(app)
}

type Said = Vec<(String, String)>;

async fn metrics(
    State(app): State<Arc<App>>,
    Query(query): Query<Said>,
    headers: HeaderMap,
) -> Response {
    let filter = match filter(&query, &app.names) {
        Ok(filter) => filter,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    let Ok(_turn) = app.turns.try_acquire() else {
        let why = format!("could not scrape: {SCRAPES_MAX} scrapes are under way\n");
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let format = Format::wanted(accept);
    let mut scrape = app.scrape.lock().await;
    match scrape.page(&filter, format).await {
        Ok(page) => {
            let page = Bytes::copy_from_slice(page.as_bytes());
            ([(header::CONTENT_TYPE, format.content_type())], page).into_response()
        }
        Err(why) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("could not {why}\n")).into_response()
        }
    }
}

/// `?collect[]=cpu&collect[]=stat`, or `?exclude[]=filesystem`, as `node_exporter` has them.
fn filter(query: &[(String, String)], names: &[&str]) -> Result<Filter, String> {
    let said = |key: &str| {
        query.iter().filter(|(name, _)| name == key).map(|(_, said)| said.clone()).collect()
    };
    let (only, without): (std::collections::BTreeSet<_>, _) =
        (said("collect[]"), said("exclude[]"));
    let filter = match (only.is_empty(), without.is_empty()) {
        (true, true) => Filter::All,
        (false, true) => Filter::Only(only),
        (true, false) => Filter::Without(without),
        (false, false) => {
            return Err("could not choose: give `collect[]` or `exclude[]`, not both\n".to_owned());
        }
    };
    match filter.unknown(names) {
        Some(name) => {
            let name: String = name.chars().take(60).flat_map(char::escape_debug).collect();
            let known = names.join(", ");
            Err(format!("could not find the collector `{name}`: there are {known}\n"))
        }
        None => Ok(filter),
    }
}

async fn landing(State(app): State<Arc<App>>) -> Html<String> {
    let page = maud::html! {
        (maud::DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Holdfast agent" } }
            body {
                h1 { "Holdfast agent" }
                p { "Version " (env!("CARGO_PKG_VERSION")) }
                ul {
                    li { a href="metrics" { "Metrics" } }
                    li { a href="-/healthy" { "Health" } }
                    li { "Business events: " code { "POST /v1/events" } }
                }
                h2 { "Collectors" }
                ul {
                    @for name in &app.names {
                        li { a href={ "metrics?collect[]=" (name) } { (name) } }
                    }
                }
            }
        }
    };
    Html(page.into_string())
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

async fn take_events(State(app): State<Arc<App>>, body: Bytes) -> Response {
    match (events::KIND.read)(&body) {
        Ok(events) => {
            let receipt = count(&app.counters, events);
            let all = receipt.rejected_count == 0;
            let status = if all { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            (status, Json(receipt)).into_response()
        }
        Err(why) => {
            let mut counters = app.counters.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = counters.take(Err(Rejection::Malformed(String::new())));
            drop(counters);
            debug_assert!(outcome.is_err(), "a message that nobody can read counts nothing");
            (StatusCode::BAD_REQUEST, format!("could not {why}\n")).into_response()
        }
    }
}

fn count(counters: &Mutex<Counters>, events: Vec<Result<Event, Rejection>>) -> Receipt {
    let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let listen = "127.0.0.1:0".parse().unwrap();
        let energy = energy::Settings::default();
        Settings { listen, roots: Roots::default(), state: "/nonexistent".into(), energy }
    }

    async fn status(app: &Arc<App>) -> StatusCode {
        let answer = metrics(State(Arc::clone(app)), Query(Vec::new()), HeaderMap::new());
        answer.await.status()
    }

    #[tokio::test]
    async fn too_many_scrapes_at_once_are_told_to_come_later() {
        let (app, _tally) = app(&settings()).unwrap();
        let turns = u32::try_from(SCRAPES_MAX).unwrap();
        let all = app.turns.acquire_many(turns).await.unwrap();
        assert_eq!(status(&app).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(all);
        assert_eq!(status(&app).await, StatusCode::OK);
        assert_eq!(app.turns.available_permits(), SCRAPES_MAX, "turns come back");
    }

    #[test]
    fn collectors_are_chosen_or_left_out_but_not_both() {
        let names = ["cpu", "stat"];
        let said = |pairs: &[(&str, &str)]| {
            let owned = pairs.iter().map(|(name, it)| ((*name).to_owned(), (*it).to_owned()));
            filter(&owned.collect::<Vec<_>>(), &names)
        };
        assert_eq!(said(&[("x", "y")]), Ok(Filter::All));
        let only = Filter::Only(["cpu".to_owned()].into());
        assert_eq!(said(&[("collect[]", "cpu"), ("collect[]", "cpu")]), Ok(only));
        assert!(said(&[("collect[]", "cpu"), ("exclude[]", "stat")]).is_err());
        assert!(said(&[("exclude[]", "\u{1b}[31m")]).unwrap_err().contains("\\u{1b}[31m"));
    }
}
