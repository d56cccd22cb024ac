//! The agent's pages: metrics, health, landing.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::{Mutex as TurnTaking, Semaphore};

use super::{
    business::take_events,
    config::{EVENTS_BYTES_MAX, Web},
    gzip::{self, Gzip},
    landing,
    negotiate::{Format, wants_gzip},
    reload::Reload,
    scrape::{Filter, Scrape},
};
use crate::{source::counters::Counters, world::text};

/// What the pages share.
pub(crate) struct App {
    pub(crate) desk: TurnTaking<Desk>,
    pub(crate) turns: Semaphore,
    pub(crate) scrapes_max: usize,
    pub(crate) metrics_path: String,
    pub(crate) counters: Arc<Mutex<Counters>>,
    pub(crate) reload: Reload,
}

/// What one scrape at a time may use.
pub(crate) struct Desk {
    pub(crate) scrape: Scrape,
    pub(crate) gzip: Gzip,
    pub(crate) written: u64,
}

/// After so many pages, what only the start and the first answers needed is given back, and what
/// rare answers needed after each further so many.
const SETTLED: u64 = 3;
const NOW_AND_THEN: u64 = 1_000;

/// Paths and what answers there.
pub(crate) fn router(app: Arc<App>, web: &Web) -> Router {
    let pages = Router::new().route(&web.telemetry_path, get(metrics));
    // Who has the metrics at the root wants no landing page.
    let pages = if web.telemetry_path == "/" { pages } else { landing(pages) };
    let pages = if web.lifecycle { pages.route("/-/reload", post(reload)) } else { pages };
    pages
        .route("/-/ready", get(async || "holdfast agent is ready.\n"))
        .route("/-/healthy", get(async || "holdfast agent is healthy.\n"))
        .route("/v1/events", post(take_events))
        .layer(DefaultBodyLimit::max(EVENTS_BYTES_MAX))
        .with_state(app)
}

fn landing(pages: Router<Arc<App>>) -> Router<Arc<App>> {
    pages
        .route("/", get(landing::landing))
        .route("/-/landing.css", get(landing::style))
        .route("/-/landing.js", get(landing::script))
}

async fn reload(State(app): State<Arc<App>>) -> Response {
    match app.reload.apply(&mut app.desk.lock().await.scrape) {
        Ok(()) => "reloaded\n".into_response(),
        Err(why) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("could not {why}\n")).into_response()
        }
    }
}

type Said = Vec<(String, String)>;

pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Query(query): Query<Said>,
    headers: HeaderMap,
) -> Response {
    let Ok(_turn) = app.turns.try_acquire() else {
        let why = format!("could not scrape: {} scrapes are under way\n", app.scrapes_max);
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let mut desk = app.desk.lock().await;
    let filter = match filter(&query, &desk.scrape.names()) {
        Ok(filter) => filter,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    desk.written = desk.written.saturating_add(1);
    if desk.written % NOW_AND_THEN == SETTLED
        && let Err(why) = text::forget_start()
    {
        tracing::debug!("could not give pages of the program back: {why}");
    }
    match write(&mut desk, &filter, &headers).await {
        Ok(page) => page,
        Err(why) => {
            tracing::error!("could not {why}");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("could not {why}\n")).into_response()
        }
    }
}

/// What a header says; nothing, if it is missing or no text. One that comes twice is one list.
fn said(headers: &HeaderMap, name: HeaderName) -> String {
    let all = headers.get_all(name);
    all.iter().filter_map(|it| it.to_str().ok()).collect::<Vec<_>>().join(",")
}

async fn write(desk: &mut Desk, filter: &Filter, headers: &HeaderMap) -> Result<Response, String> {
    let format = Format::wanted(&said(headers, header::ACCEPT));
    let page = desk.scrape.page(filter, format).await.map_err(|why| why.to_string())?;
    let kind = (header::CONTENT_TYPE, format.content_type());
    let vary = (header::VARY, "Accept, Accept-Encoding");
    let worth_it = page.len() >= gzip::WORTH_IT;
    if worth_it && wants_gzip(&said(headers, header::ACCEPT_ENCODING)) {
        let packed = desk.gzip.pack(page.as_bytes()).map_err(|why| why.to_string())?;
        let coding = (header::CONTENT_ENCODING, "gzip");
        return Ok(([kind, vary, coding], packed).into_response());
    }
    Ok(([kind, vary], Bytes::copy_from_slice(page.as_bytes())).into_response())
}

/// `?collect[]=cpu&collect[]=stat`, or `?exclude[]=filesystem`, as `node_exporter` has them.
fn filter(query: &[(String, String)], names: &[&str]) -> Result<Filter, String> {
    let said = |key: &str| {
        query.iter().filter(|(name, _)| name == key).map(|(_, said)| said.clone()).collect()
    };
    let (only, without): (BTreeSet<_>, _) = (said("collect[]"), said("exclude[]"));
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

#[cfg(test)]
mod tests {
    use super::*;

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
