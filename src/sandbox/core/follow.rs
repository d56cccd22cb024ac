//! The standby's side: pulls the primary's lines, and rejoins after it was a primary itself.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::{Client, StatusCode, header::HeaderMap};
use tokio::time::{Instant, timeout};

use super::{
    Core, Shared,
    ledger::View,
    role::{Part, Primary},
    writer::Job,
};
use crate::sandbox::{peers::Peers, web, web::Problem};

/// How long a primary keeps a pull waiting when there is nothing new.
const WAIT_MS: u64 = 1_000;
const PULL_MAX: Duration = Duration::from_millis(2_500);
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const REJOIN_MAX: Duration = Duration::from_secs(30);
/// A standby that heard nothing for so long is not replicating.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// The header in which a primary says how many durable entries it has.
pub(super) const ENTRIES_HEADER: &str = "holdfast-entries";
/// The header in which a primary says its epoch.
pub(super) const EPOCH_HEADER: &str = "holdfast-epoch";

/// What a standby knows of its primary.
#[derive(Debug, Default, Clone)]
pub(super) struct Following {
    heard: Option<Instant>,
    /// How many entries the primary said it has.
    pub(super) primary_has: u64,
    trouble: Option<String>,
}

impl Following {
    /// Why the standby does not replicate, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        match (&self.trouble, self.heard) {
            (Some(trouble), _) => Some(trouble.clone()),
            (None, Some(heard)) if heard.elapsed() < SILENCE_MAX => None,
            (None, _) => Some("has heard nothing from its primary".to_owned()),
        }
    }
}

/// A digest of the entry before this number: equal ones mean equal ledgers up to there, since
/// only one primary numbers entries in an epoch.
pub(super) fn digest_before(view: &View, seq: u64) -> io::Result<String> {
    let line = match seq.checked_sub(1) {
        Some(last) => view.lines(last, seq)?,
        None => Vec::new(),
    };
    Ok(web::digest(&line))
}

/// Pulls for as long as this core is a standby, and waits while it is not.
pub(super) async fn follow(core: Arc<Core>, client: Client, peers: Arc<Peers>) {
    let mut terms = core.shared.terms.subscribe();
    loop {
        // Marked before it is read: a change in between is seen twice rather than never.
        terms.mark_unchanged();
        let (role, term) = core.shared.role();
        let pulling = async {
            match (role.part, &role.primary) {
                (Part::Standby, Some(primary)) => {
                    pull_on(&core, &client, &peers, primary, term).await;
                }
                (Part::Standby, None) | (Part::Primary, _) => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = terms.changed() => if changed.is_err() { return },
            () = pulling => {}
        }
    }
}

async fn pull_on(core: &Core, client: &Client, peers: &Peers, primary: &Primary, term: u64) {
    let mut address = primary.address;
    loop {
        let outcome = timeout(PULL_MAX, pull(core, client, address, term)).await;
        let trouble = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(said)) => Some(said),
            Err(_) => Some("its primary does not answer".to_owned()),
        };
        let failed = trouble.is_some();
        let said_before = core.shared.following(|it| {
            if trouble.is_none() {
                it.heard = Some(Instant::now());
            }
            std::mem::replace(&mut it.trouble, trouble.clone())
        });
        if failed {
            if said_before != trouble {
                tracing::warn!(trouble, "does not replicate");
            }
            peers.refresh();
            let moved = primary.name.as_deref().and_then(|it| peers.address(it));
            address = moved.unwrap_or(primary.address);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

async fn pull(core: &Core, client: &Client, from: SocketAddr, term: u64) -> Result<(), String> {
    let shared = &core.shared;
    let next = shared.view.count();
    let prev = digest_before(&shared.view, next).map_err(|why| why.to_string())?;
    let name = &shared.name;
    // The first answer is wanted at once: it makes the standby well.
    let wait_ms = if shared.following(|it| it.trouble()).is_none() { WAIT_MS } else { 0 };
    let url =
        format!("http://{from}/log?from={next}&follower={name}&prev={prev}&wait_ms={wait_ms}");
    let response = client.get(url).send().await.map_err(|why| web::cause(&why))?;
    let status = response.status();
    if !status.is_success() {
        let said = response.text().await.unwrap_or_default();
        return Err(format!("its primary refuses: {status} {said}"));
    }
    let epoch = number(response.headers(), EPOCH_HEADER).ok_or("its primary says no epoch")?;
    let has = number(response.headers(), ENTRIES_HEADER).ok_or("its primary says no number")?;
    let lines = response.bytes().await.map_err(|why| web::cause(&why))?.to_vec();
    core.ask(|reply| Job::Copy { term, epoch, lines, reply }).await.map_err(|why| why.said)?;
    shared.following(|it| it.primary_has = has);
    Ok(())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// Becomes the standby of a primary: drops what that primary does not have, catches up, and
/// answers how many entries were dropped.
pub(super) async fn rejoin(
    core: &Core,
    client: &Client,
    epoch: u64,
    primary: Primary,
) -> Result<u64, Problem> {
    let address = primary.address;
    let (has, their_epoch) = look(client, address).await?;
    if their_epoch != epoch {
        let said = format!("{address} is of epoch {their_epoch}, not {epoch}");
        return Err(Problem::conflict(said));
    }
    let term = core.ask(|reply| Job::Demote { epoch, primary, reply }).await?;
    let keep = common(&core.shared, client, address, has).await?;
    let dropped = core.ask(|reply| Job::Cut { term, keep, reply }).await?;
    // The follower has seen the longer ledger and been refused; it tries again by itself.
    let mut durable = core.shared.durable.subscribe();
    let caught_up = timeout(REJOIN_MAX, durable.wait_for(|it| *it >= has)).await;
    match caught_up {
        Ok(Ok(_)) => Ok(dropped),
        Ok(Err(_)) | Err(_) => {
            Err(Problem::unavailable("joined, but has not caught up within 30 s"))
        }
    }
}

/// How many entries a primary has, and its epoch.
async fn look(client: &Client, address: SocketAddr) -> Result<(u64, u64), Problem> {
    let response = ask_log(client, address, u64::MAX).await?;
    let has = number(response.headers(), ENTRIES_HEADER);
    has.zip(number(response.headers(), EPOCH_HEADER))
        .ok_or_else(|| Problem::unavailable(format!("{address} answers unlike a core")))
}

/// How many entries both have: the last common line, found by halving.
async fn common(
    shared: &Shared,
    client: &Client,
    address: SocketAddr,
    has: u64,
) -> Result<u64, Problem> {
    let broken = |why: io::Error| Problem::unavailable(format!("could not read: {why}"));
    let (mut same, mut differs) = (0, shared.view.count().min(has) + 1);
    while differs - same > 1 {
        let middle = same + (differs - same) / 2;
        let theirs = ask_log(client, address, middle - 1).await?;
        let theirs = theirs.bytes().await.map_err(|why| Problem::unavailable(web::cause(&why)))?;
        let ours = shared.view.lines(middle - 1, middle).map_err(broken)?;
        if theirs == ours { same = middle } else { differs = middle }
    }
    Ok(same)
}

/// Asks for one line.
async fn ask_log(
    client: &Client,
    address: SocketAddr,
    seq: u64,
) -> Result<reqwest::Response, Problem> {
    let url = format!("http://{address}/log?from={seq}&limit=1");
    let sent = client.get(url).timeout(PULL_MAX).send().await;
    let response = sent.map_err(|why| {
        Problem::unavailable(format!("could not ask {address}: {}", web::cause(&why)))
    })?;
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    Err(Problem::unavailable(format!("{address} answers {}", response.status())))
}
