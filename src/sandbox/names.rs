//! `names`: the bank's own name server. It knows the one name that the bank asks for, and no other.
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{io, net::Ipv4Addr};

use axum::{Json, Router, routing::get};
use prometheus_client::metrics::counter::Counter;
use serde_json::json;
use tokio::net::UdpSocket;

use super::{process::Here, web};
use crate::world::linux::net::question;

/// The KYC provider's name.
pub(super) const KYC: &str = "kyc.bank.example";
/// The code that says that there is no such name.
const NO_SUCH_NAME: u8 = 3;

/// Runs the name server.
pub(super) async fn run(here: Here) -> io::Result<()> {
    let at = here.book.names.ok_or_else(|| {
        io::Error::other("the bank has no name server: `sandbox up --names ADDRESS` gives it one")
    })?;
    let socket = UdpSocket::bind(at)
        .await
        .map_err(|why| io::Error::other(format!("could not listen on {at} (UDP): {why}")))?;
    let answered = Counter::default();
    here.metrics.register(|it| it.register("names_asked", "Questions answered", answered.clone()));
    let app = Router::new()
        .route("/healthz", get(async || Json(json!({ "ok": true }))))
        .layer(web::body_limit());
    let answering = tokio::spawn(answer(socket, answered));
    let ended = web::serve(here.listener, here.metrics.wrap(app), here.stop).await;
    answering.abort();
    ended
}

/// Answers until the process ends. An answer may be lost; whoever asks asks again.
async fn answer(socket: UdpSocket, answered: Counter) {
    let mut said = [0; 512];
    loop {
        let (length, from) = match socket.recv_from(&mut said).await {
            Ok(it) => it,
            Err(why) => {
                tracing::warn!(%why, "could not hear a question");
                continue;
            }
        };
        let said = said.get(..length).unwrap_or_default();
        let Some(asked) = question::question(said) else { continue };
        let answer = if asked.name == KYC {
            question::address(said, &asked, Ipv4Addr::LOCALHOST.into())
        } else {
            question::failed(said, &asked, NO_SUCH_NAME)
        };
        match socket.send_to(&answer, from).await {
            Ok(_) => {
                answered.inc();
            }
            Err(why) => tracing::warn!(%why, "could not answer"),
        }
    }
}
