//! Where the KYC provider is, by its name: asked of a name server again and again, and gone by for
//! a while when the server fails, as resolvers that serve stale answers do (RFC 8767).
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::UdpSocket,
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    sandbox::{names::KYC, web::Problem},
    world::dns::{self, RecordType},
};

/// For so long an answer is not asked for again.
const FRESH: Duration = Duration::from_millis(200);
/// How long the name server may take.
const ANSWER_MAX: Duration = Duration::from_millis(100);

/// What the name server said.
#[derive(Debug)]
pub(super) struct Names {
    server: Option<SocketAddr>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The last address that was told, and when.
    address: Option<(IpAddr, Instant)>,
    asked: Option<Instant>,
    /// Why the last question had no answer.
    trouble: Option<String>,
    failed: u64,
    id: u16,
}

impl Names {
    /// Asks this server; with none, nobody is asked.
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        Self { server, known: Mutex::default() }
    }

    /// Where the KYC provider is; an old answer is taken for `kept` when there is no new one. None
    /// if nobody is asked.
    pub(super) async fn kyc(&self, kept: Duration) -> Option<Result<IpAddr, String>> {
        let server = self.server?;
        let mut known = self.known.lock().await;
        if known.asked.is_none_or(|it| it.elapsed() >= FRESH) {
            known.id = known.id.wrapping_add(1);
            let told = ask(server, known.id).await;
            known.asked = Some(Instant::now());
            match told {
                Ok(address) => {
                    known.address = Some((address, Instant::now()));
                    known.trouble = None;
                }
                Err(why) => {
                    known.failed += 1;
                    known.trouble = Some(why);
                }
            }
        }
        let Known { address, trouble, .. } = &*known;
        Some(match (address, trouble) {
            (Some((address, _)), None) => Ok(*address),
            (Some((address, told)), Some(_)) if told.elapsed() < kept => Ok(*address),
            (_, why) => Err(format!("{KYC}: {}", why.as_deref().unwrap_or("not asked yet"))),
        })
    }
}

/// Asks once. The sandbox does not leave loopback, wherever the answer leads.
async fn ask(server: SocketAddr, id: u16) -> Result<IpAddr, String> {
    let question = dns::question(id, KYC, RecordType::A)?;
    let talk = async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(server).await?;
        socket.send(&question).await?;
        let mut said = [0; 512];
        loop {
            let length = socket.recv(&mut said).await?;
            let said = said.get(..length).unwrap_or_default();
            if said.starts_with(&id.to_be_bytes()) {
                return Ok::<_, io::Error>(said.to_vec());
            }
        }
    };
    let said = match timeout(ANSWER_MAX, talk).await {
        Ok(Ok(it)) => it,
        Ok(Err(why)) => return Err(why.to_string()),
        Err(_) => return Err("the name server does not answer".to_owned()),
    };
    let answer = dns::answer(&said)?;
    let address = answer.records.iter().find_map(|it| it.parse::<IpAddr>().ok());
    match address {
        Some(it) if it.is_loopback() => Ok(it),
        Some(it) => Err(format!("the name server says {it}, which the sandbox does not go to")),
        None => Err(format!("the name server says {}", answer.rcode)),
    }
}

/// What is known, and whether the last question was answered.
pub(super) async fn show(State(gateway): super::This) -> Result<Json<Value>, Problem> {
    let Some(server) = gateway.names.server else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "nobody is asked for names here"));
    };
    let known = gateway.names.known.lock().await;
    Ok(Json(json!({
        "server": server,
        "kyc": known.address.map(|it| it.0),
        "fresh": known.address.is_some() && known.trouble.is_none(),
        "trouble": known.trouble,
        "failed": known.failed,
    })))
}
