//! What a core answers.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, Path, Query, Request, State, rejection::BytesRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Core,
    entry::{Entry, Order, is_key},
    follow::{ENTRIES_HEADER, EPOCH_HEADER, digest_before, rejoin},
    gate::Acknowledging,
    monotonic_us,
    role::{Part, Primary},
    writer::{Entered, Job},
};
use crate::sandbox::{
    book::Replication,
    web::{self, Problem},
};

/// How long an entry may wait for the standby's confirmation.
const CONFIRM_MAX: Duration = Duration::from_millis(900);
/// A standby that lacks no more entries than this has caught up enough to be waited for.
const NEARLY_MAX: u64 = 1_000;
const WAIT_MAX_MS: u64 = 2_000;
const DELAY_MAX_MS: u64 = 10_000;

type Body = Result<Bytes, BytesRejection>;
type This = State<Arc<Core>>;

pub(super) fn routes(core: Arc<Core>) -> Router {
    Router::new()
        .route("/entries", post(enter))
        .route("/entries/{id}", get(entry))
        .route("/log", get(log))
        .route("/status", get(status))
        .route("/promote", post(promote))
        .route("/rejoin", post(rejoin_primary))
        .route("/settings", put(settings).get(show_settings))
        .route("/healthz", get(healthz))
        .with_state(core)
        .layer(from_fn(not_acknowledging))
        .layer(web::body_limit())
}

/// Every answer is no acknowledgement until its handler says so.
async fn not_acknowledging(request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(ack)) = request.extensions().get::<ConnectInfo<Acknowledging>>() {
        ack.set(false);
    }
    next.run(request).await
}

async fn enter(
    State(core): This,
    ConnectInfo(ack): ConnectInfo<Acknowledging>,
    body: Body,
) -> Result<Response, Problem> {
    let order: Order = web::read(body)?;
    if !is_key(&order.id) {
        return Err(Problem::unprocessable("`id` is 1 to 64 of A-Z a-z 0-9 - _ . :"));
    }
    if order.payment.amount_minor == 0 {
        return Err(Problem::unprocessable("`amount_minor` is more than 0"));
    }
    if let Some(sent_ms) = order.sent_ms {
        let apart_max_s = core.shared.clocks_apart_max_s.load(Ordering::SeqCst);
        lives_now(sent_ms, core.clock.now_ms(), apart_max_s)?;
    }
    let entered = core.ask(|reply| Job::Enter(order, reply)).await?;
    confirmed(&core, &entered).await?;
    let (role, term) = core.shared.role();
    core.shared.may_write(&role)?;
    if term != entered.term {
        return Err(Problem::conflict("the role changed before the entry was acknowledged"));
    }
    // From here on the connection itself looks at the token, last thing before the bytes leave.
    ack.set(true);
    core.shared.acknowledged();
    let status = if entered.fresh { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(receipt(&entered.entry))).into_response())
}

/// A sender whose clock is wrong gives wrong value dates: nothing of it is entered.
fn lives_now(sent_ms: i64, now_ms: i64, apart_max_s: i64) -> Result<(), Problem> {
    let apart_s = (sent_ms - now_ms) / 1_000;
    if apart_s.abs() <= apart_max_s {
        return Ok(());
    }
    let (by, way) = (apart_s.abs(), if apart_s > 0 { "ahead of" } else { "behind" });
    Err(Problem::conflict(format!("the sender's clock is {by} s {way} the ledger's: not entered")))
}

/// Waits for the standby if acknowledgements need it.
async fn confirmed(core: &Core, entered: &Entered) -> Result<(), Problem> {
    let alone = core.shared.alone.load(Ordering::SeqCst);
    if alone || core.shared.link().replication == Replication::Async {
        return Ok(());
    }
    let mut confirmed = core.shared.confirmed.subscribe();
    let seq = entered.entry.seq;
    if let Ok(Ok(_)) = timeout(CONFIRM_MAX, confirmed.wait_for(|it| *it > seq)).await {
        return Ok(());
    }
    let said = "the standby has not confirmed the entry in time; repeat with the same id";
    Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, said))
}

fn receipt(entry: &Entry) -> Value {
    let Entry { seq, epoch, id, payment } = entry;
    json!({ "id": id, "seq": seq, "epoch": epoch, "value_date": payment.value_date })
}

async fn entry(State(core): This, Path(id): Path<String>) -> Result<Json<Entry>, Problem> {
    let view = &core.shared.view;
    let found = view.find(&id).map(|seq| view.entry(seq)).transpose();
    match found {
        Ok(Some(Some(entry))) => Ok(Json(entry)),
        Ok(Some(None) | None) => {
            Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no entry `{id}`")))
        }
        Err(why) => Err(Problem::unavailable(format!("could not read: {why}"))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogAsked {
    #[serde(default)]
    from: u64,
    /// Who copies; absent if somebody only reads.
    follower: Option<String>,
    /// Digest of the entry before `from`, as the follower has it.
    prev: Option<String>,
    #[serde(default)]
    wait_ms: u64,
    limit: Option<u64>,
}

async fn log(State(core): This, Query(asked): Query<LogAsked>) -> Result<Response, Problem> {
    if asked.follower.is_some() {
        confirm(&core, &asked)?;
    }
    let below = wait_for_lines(&core, &asked).await?;
    let below = asked.limit.map_or(below, |it| below.min(asked.from.saturating_add(it)));
    let shared = &core.shared;
    let lines = shared.view.lines(asked.from, below);
    let lines = lines.map_err(|why| Problem::unavailable(format!("could not read: {why}")))?;
    let headers = [
        (CONTENT_TYPE.as_str(), "application/x-ndjson".to_owned()),
        (ENTRIES_HEADER, shared.view.count().to_string()),
        (EPOCH_HEADER, shared.role().0.epoch.to_string()),
    ];
    Ok((headers, lines).into_response())
}

/// A follower asks from N on: it has everything below durably, if its ledger is a beginning of
/// ours.
fn confirm(core: &Core, asked: &LogAsked) -> Result<(), Problem> {
    let shared = &core.shared;
    if shared.role().0.part != Part::Primary {
        return Err(Problem::conflict("not a primary: this core is a standby"));
    }
    let ours = digest_before(&shared.view, asked.from);
    let ours = ours.map_err(|why| Problem::unavailable(format!("could not read: {why}")))?;
    if asked.from > shared.view.count() || asked.prev.as_ref() != Some(&ours) {
        return Err(Problem::conflict("diverged: the ledgers differ, rejoin this primary"));
    }
    shared.confirmed.send_if_modified(|it| {
        let more = asked.from > *it;
        *it = asked.from.max(*it);
        more
    });
    if shared.view.count().saturating_sub(asked.from) <= NEARLY_MAX {
        shared.alone.store(false, Ordering::SeqCst);
    }
    Ok(())
}

/// How far lines may be shown: to a follower those that have come down the link, to a reader all.
async fn wait_for_lines(core: &Core, asked: &LogAsked) -> Result<u64, Problem> {
    let shared = &core.shared;
    let deadline = Instant::now() + Duration::from_millis(asked.wait_ms.min(WAIT_MAX_MS));
    let (mut durable, mut terms) = (shared.durable.subscribe(), shared.terms.subscribe());
    loop {
        let (below, next) = match asked.follower {
            Some(_) => shared.arrived(),
            None => (shared.view.count(), None),
        };
        if below > asked.from || Instant::now() >= deadline {
            return Ok(below);
        }
        let until = next.map_or(deadline, |it| it.min(deadline));
        tokio::select! {
            _ = durable.changed() => {}
            () = sleep_until(until) => {}
            _ = terms.changed() => {
                return Err(Problem::conflict("the role changed meanwhile"));
            }
            () = core.stop.clone().asked() => return Err(Problem::unavailable("stopping")),
        }
    }
}

async fn status(State(core): This) -> Json<Value> {
    let shared = &core.shared;
    let (role, _) = shared.role();
    let first_ack = shared.first_ack_us.load(Ordering::SeqCst);
    Json(json!({
        "name": shared.name,
        "role": role.part,
        "epoch": role.epoch,
        "fenced": shared.gate.fenced().is_some(),
        "entries": shared.accepted.load(Ordering::SeqCst),
        "durable": shared.view.count(),
        "replicating_from": role.primary.map(|it| it.address),
        "lag_entries": shared.lag(),
        "alone": shared.alone.load(Ordering::SeqCst),
        "replication": shared.link().replication,
        "now_ms": core.clock.now_ms(),
        "mono_us": monotonic_us(),
        "first_ack_mono_us": (first_ack > 0).then_some(first_ack),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promotion {
    epoch: u64,
}

async fn promote(State(core): This, body: Body) -> Result<Json<Value>, Problem> {
    let Promotion { epoch } = web::read(body)?;
    core.ask(|reply| Job::Promote { epoch, reply }).await?;
    let entries = core.shared.view.count();
    Ok(Json(json!({ "role": Part::Primary, "epoch": epoch, "entries": entries })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejoining {
    primary: SocketAddr,
    epoch: u64,
}

async fn rejoin_primary(State(core): This, body: Body) -> Result<Json<Value>, Problem> {
    let Rejoining { primary: address, epoch } = web::read(body)?;
    if !address.ip().is_loopback() {
        return Err(Problem::unprocessable("the sandbox does not leave loopback"));
    }
    core.peers.refresh();
    let name = core.peers.name_of(address);
    if name.as_deref() == Some(&core.shared.name) {
        return Err(Problem::unprocessable("a core cannot be its own standby"));
    }
    // A task of its own: a caller that goes away does not leave a core half-way.
    let primary = Primary { address, name };
    let task = tokio::spawn(async move {
        let dropped = rejoin(&core, &core.client, epoch, primary).await?;
        Ok((dropped, core.shared.view.count()))
    });
    let ended = task.await.map_err(|why| Problem::unavailable(why.to_string()))?;
    let (dropped, entries): (u64, u64) = ended?;
    Ok(Json(json!({ "dropped": dropped, "entries": entries, "epoch": epoch })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsChange {
    link_delay_ms: Option<u64>,
    replication: Option<Replication>,
    clocks_apart_max_s: Option<u32>,
}

async fn settings(State(core): This, body: Body) -> Result<Json<Value>, Problem> {
    let change: SettingsChange = web::read(body)?;
    if change.link_delay_ms.is_some_and(|it| it > DELAY_MAX_MS) {
        return Err(Problem::unprocessable(format!("`link_delay_ms` is at most {DELAY_MAX_MS}")));
    }
    if let Some(it) = change.clocks_apart_max_s {
        core.shared.clocks_apart_max_s.store(it.into(), Ordering::SeqCst);
    }
    let mut link = core.shared.link();
    link.replication = change.replication.unwrap_or(link.replication);
    link.delay = change.link_delay_ms.map_or(link.delay, Duration::from_millis);
    drop(link);
    Ok(told(&core))
}

async fn show_settings(State(core): This) -> Json<Value> {
    told(&core)
}

fn told(core: &Core) -> Json<Value> {
    let link = core.shared.link();
    let delay_ms = u64::try_from(link.delay.as_millis()).unwrap_or(u64::MAX);
    Json(json!({
        "link_delay_ms": delay_ms,
        "replication": link.replication,
        "clocks_apart_max_s": core.shared.clocks_apart_max_s.load(Ordering::SeqCst),
    }))
}

async fn healthz(State(core): This) -> Result<Json<Value>, Problem> {
    let (role, _) = core.shared.role();
    if core.shared.has_just_failed() {
        return Err(Problem::unavailable("could not write to its disk"));
    }
    match role.part {
        Part::Primary => {
            core.shared.may_write(&role).map_err(|why| Problem::unavailable(why.said))?;
        }
        Part::Standby => {
            if let Some(trouble) = core.shared.following(|it| it.trouble()) {
                return Err(Problem::unavailable(format!("a standby that {trouble}")));
            }
        }
    }
    Ok(Json(json!({ "ok": true, "role": role.part, "epoch": role.epoch })))
}
