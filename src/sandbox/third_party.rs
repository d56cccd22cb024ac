//! The third parties `kyc` and `sanctions`: they look a name up, and can be told to misbehave.
//!
//! Their behaviour lives in memory: a restarted third party behaves well again.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State, rejection::BytesRejection},
    http::StatusCode,
    routing::{get, put},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    process::Here,
    web::{self, Problem},
};

/// Names of nobody: customers who never showed a passport.
const NOT_IDENTIFIED: [&str; 2] = ["Nemo Unproven", "Faceless Holdings"];
/// Names of nobody: parties whom nobody may pay.
const SANCTIONED: [&str; 4] =
    ["Baron Gloomfang", "Dread Ledger GmbH", "Mordax Shadow Trading", "Countess Vilequill"];
const LATENCY_MAX_MS: u64 = 10_000;

/// How a third party behaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Behaviour {
    latency_ms: u64,
    error_rate: f64,
    list_age_s: u64,
}

/// What of it shall change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    latency_ms: Option<u64>,
    error_rate: Option<f64>,
    list_age_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    answer: &'static str,
}

struct ThirdParty {
    listed: &'static [&'static str],
    behaviour: Mutex<Behaviour>,
    dice: Mutex<ChaCha8Rng>,
    answers: Family<AnswerLabels, Counter>,
}

/// Runs `kyc` or `sanctions`.
pub(super) async fn run(here: Here) -> io::Result<()> {
    let listed: &'static [&'static str] =
        if here.name == "kyc" { &NOT_IDENTIFIED } else { &SANCTIONED };
    let answers = Family::<AnswerLabels, Counter>::default();
    here.metrics.register(|it| it.register("checks", "Names checked, by answer", answers.clone()));
    let party = Arc::new(ThirdParty {
        listed,
        behaviour: Mutex::new(Behaviour { latency_ms: 0, error_rate: 0.0, list_age_s: 3_600 }),
        dice: Mutex::new(ChaCha8Rng::seed_from_u64(0)),
        answers,
    });
    let app = Router::new()
        .route("/check", get(check))
        .route("/behaviour", put(behave).get(behaviour))
        .route("/healthz", get(async || Json(json!({ "ok": true }))))
        .with_state(party)
        .layer(web::body_limit());
    web::serve(here.listener, here.metrics.wrap(app), here.stop).await
}

#[derive(Deserialize)]
struct Asked {
    name: String,
}

async fn check(
    State(party): State<Arc<ThirdParty>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Problem> {
    let behaviour = *party.behaviour.lock().expect("no holder panics");
    let fails = party.dice.lock().expect("no holder panics").random_bool(behaviour.error_rate);
    if behaviour.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
    }
    let name = asked.name.trim().to_lowercase();
    let hit = party.listed.iter().any(|it| it.to_lowercase() == name);
    let answer = match (fails, hit) {
        (true, _) => "error",
        (false, true) => "hit",
        (false, false) => "clear",
    };
    party.answers.get_or_create(&AnswerLabels { answer }).inc();
    if fails {
        let said = "told to fail by its error rate";
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, said));
    }
    Ok(Json(json!({ "clear": !hit, "list_age_s": behaviour.list_age_s })))
}

async fn behaviour(State(party): State<Arc<ThirdParty>>) -> Json<Behaviour> {
    Json(*party.behaviour.lock().expect("no holder panics"))
}

async fn behave(
    State(party): State<Arc<ThirdParty>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Behaviour>, Problem> {
    let change: Change = web::read(body)?;
    if change.latency_ms.is_some_and(|it| it > LATENCY_MAX_MS) {
        let said = format!("`latency_ms` is at most {LATENCY_MAX_MS}");
        return Err(Problem::unprocessable(said));
    }
    if change.error_rate.is_some_and(|it| !(0.0..=1.0).contains(&it)) {
        return Err(Problem::unprocessable("`error_rate` is a number from 0 to 1"));
    }
    let mut behaviour = party.behaviour.lock().expect("no holder panics");
    behaviour.latency_ms = change.latency_ms.unwrap_or(behaviour.latency_ms);
    behaviour.error_rate = change.error_rate.unwrap_or(behaviour.error_rate);
    behaviour.list_age_s = change.list_age_s.unwrap_or(behaviour.list_age_s);
    tracing::info!(?behaviour, "behaves differently");
    Ok(Json(*behaviour))
}
