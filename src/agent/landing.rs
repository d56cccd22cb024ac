//! The landing page: everything that is exported here, with a search over it.
//!
//! Nothing comes from elsewhere, and style and script are files of their own, so that the page
//! works under a policy that forbids what stands in the page itself. Without script all is there
//! but the search.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use super::{
    pages::App,
    scrape::{Filter, Scrape, Seen},
};
use crate::collector::{FamilyView, Type};

/// What the page may do, unless the web configuration says otherwise.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(crate) async fn landing(State(app): State<Arc<App>>) -> Response {
    let Ok(_turn) = app.turns.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "could not look: too many scrapes\n")
            .into_response();
    };
    let mut desk = app.desk.lock().await;
    desk.scrape.look(&Filter::All).await;
    let declared = app.counters.lock().unwrap_or_else(PoisonError::into_inner).names();
    let page = page(&desk.scrape, &declared, app.metrics_path.trim_start_matches('/'));
    let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    ([policy], Html(page.into_string())).into_response()
}

/// How it looks.
pub(crate) async fn style() -> Response {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind], include_str!("landing.css")).into_response()
}

/// The search.
pub(crate) async fn script() -> Response {
    let kind = (header::CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind], include_str!("landing.js")).into_response()
}

/// A collector and what it brought.
struct Part<'a> {
    seen: Option<Seen<'a>>,
    families: Vec<FamilyView<'a>>,
}

/// Whose a family is: of those who name it, and else of those who bring what others made. What is
/// nobody's is the agent's own.
fn parts<'a>(scrape: &'a Scrape, declared: &BTreeSet<String>) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'_>> = scrape
        .cards()
        .filter(|it| it.is_on)
        .map(|seen| Part { seen: Some(seen), families: Vec::new() })
        .collect();
    let mut own = Part { seen: None, families: Vec::new() };
    for family in scrape.samples().families() {
        let brings = |seen: &Seen<'_>| {
            seen.card.exports.iter().any(|it| it.names_it(family.name()))
                || seen.card.about.name == super::business::CARD.about.name
                    && declared.contains(family.name())
        };
        let is_own =
            ["process_", "node_exporter_", "node_scrape_", "holdfast_build_", "holdfast_series_"]
                .iter()
                .chain(&["holdfast_config_"])
                .any(|it| family.name().starts_with(it));
        let whose = parts.iter_mut().find(|it| it.seen.as_ref().is_some_and(brings));
        match whose {
            Some(part) => part.families.push(family),
            None if is_own => own.families.push(family),
            None => match parts.iter_mut().find(|it| it.is_guest()) {
                Some(part) => part.families.push(family),
                None => own.families.push(family),
            },
        }
    }
    parts.push(own);
    parts
}

impl Part<'_> {
    fn is_guest(&self) -> bool {
        let guest = super::textfile::CARD.about.name;
        self.seen.as_ref().is_some_and(|it| it.card.about.name == guest)
    }

    fn name(&self) -> &'static str {
        self.seen.map_or("agent", |it| it.card.about.name)
    }

    fn summary(&self) -> &'static str {
        self.seen.map_or("the agent itself", |it| it.card.about.summary)
    }
}

fn page(scrape: &Scrape, declared: &BTreeSet<String>, metrics: &str) -> Markup {
    let parts = parts(scrape, declared);
    let families: usize = parts.iter().map(|it| it.families.len()).sum();
    let failing = parts.iter().filter(|it| it.seen.is_some_and(|it| it.blank.is_some())).count();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Holdfast agent" }
                link rel="stylesheet" href="-/landing.css";
                script src="-/landing.js" defer {}
            }
            body {
                (head(metrics))
                div.wide {
                    ul.facts {
                        li { b { (families) } " metrics" }
                        li { b { (scrape.samples().series()) } " series" }
                        li { b { (parts.len().saturating_sub(1)) } " collectors on" }
                        @if failing > 0 { li.bad { b { (failing) } " failing" } }
                    }
                }
                (seek(families))
                main.wide {
                    @for part in &parts { (section(part, metrics)) }
                    p.none #none hidden { "Nothing here has all of these words." }
                }
                footer {
                    div.wide {
                        code { "holdfast agent doctor" }
                        " says of every name that is missing here why it is, and what gives it."
                    }
                }
            }
        }
    }
}

fn head(metrics: &str) -> Markup {
    html! {
        header {
            div.wide {
                h1 { "Holdfast agent" }
                span.version { (env!("CARGO_PKG_VERSION")) }
                nav aria-label="Pages" {
                    a href=(metrics) { "Metrics" }
                    a href="-/healthy" { "Health" }
                    a href="-/ready" { "Ready" }
                }
            }
        }
    }
}

fn seek(families: usize) -> Markup {
    html! {
        div.seek role="search" {
            div.wide {
                label {
                    span.out { "Search metrics by name, meaning or collector" }
                    input #seek type="search" autocomplete="off" autofocus spellcheck="false"
                        placeholder="Search by name, meaning or collector";
                    kbd aria-hidden="true" { "/" }
                }
                span #count role="status" { (families) " metrics" }
            }
        }
    }
}

fn section(part: &Part<'_>, metrics: &str) -> Markup {
    let name = part.name();
    let link = |of: &str| {
        if part.seen.is_some() { format!("{metrics}?collect[]={of}") } else { metrics.to_owned() }
    };
    let why = part.seen.and_then(|it| it.blank).map(ToString::to_string);
    html! {
        @if !part.families.is_empty() || why.is_some() {
            section #(format!("c-{name}")) {
                div {
                    h2 { a href=(link(name)) { (name) } }
                    p { (part.summary()) }
                    @if let Some(why) = why { p.why { "It failed: could not " (why) } }
                }
                @if !part.families.is_empty() {
                    table {
                        tbody {
                            @for (at, family) in part.families.iter().enumerate() {
                                tr.first[at == 0] {
                                    td.name { a href=(link(name)) { (family.name()) } }
                                    td.kind { (kind(family.kind())) }
                                    td.rows { (family.rows().count()) " series" }
                                    td.help { (family.help()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn kind(it: Type) -> &'static str {
    match it {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
        Type::Untyped => "untyped",
    }
}
