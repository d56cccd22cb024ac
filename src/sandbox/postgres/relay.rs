//! A relay for TCP: where clients connect, so that they can be sent elsewhere, or a slow way.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs::{self, File},
    io,
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::Command,
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Book, FRONT, PairError, failed, io_error,
    pair::{book, write},
};
use crate::sandbox::{identity::Identity, web::Stop};

const START_MAX: Duration = Duration::from_secs(10);
const STOP_MAX: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);
/// So many pieces are on their way at once at most: then the sender waits.
const PIECES_MAX: usize = 1 << 12;

/// Where a relay sends its clients: a port on loopback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    port: u16,
}

/// Starts a relay to this port, and waits until it listens.
pub(super) async fn start(
    (dir, program): (&Path, &Path),
    name: &str,
    to: u16,
) -> Result<(), PairError> {
    let home = dir.join(name);
    let what = || format!("start `{name}`");
    fs::create_dir_all(&home).map_err(io_error(what()))?;
    let route = serde_json::to_vec(&Route { port: to }).expect("a route is plain data");
    fs::write(home.join("route"), route).map_err(io_error(what()))?;
    let log = File::options().create(true).append(true).open(home.join("log"));
    let log = log.and_then(|it| Ok((it.try_clone()?, it))).map_err(io_error(what()))?;
    let mut child = Command::new(program)
        .args(["sandbox-process", name, "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(log.0)
        .stderr(log.1)
        .spawn()
        .map_err(io_error(what()))?;
    let process = child.id().and_then(|it| i32::try_from(it).ok());
    let process = process.map(Identity::of).transpose().map_err(io_error(what()))?;
    let mut all = book(dir)?;
    let mut control = 0;
    if let Some(it) = all.relays.get_mut(name) {
        it.process = process;
        control = it.control;
    }
    write(dir, &all)?;
    let deadline = Instant::now() + START_MAX;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, control)).await.is_err() {
        if child.try_wait().map_err(io_error(what()))?.is_some() || Instant::now() > deadline {
            let said = fs::read_to_string(home.join("log")).unwrap_or_default();
            return Err(failed(what(), said.lines().next_back().unwrap_or("it says nothing")));
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// Stops a relay.
pub(super) async fn stop(book: &Book, name: &str) -> Result<(), PairError> {
    let process = book.relays.get(name).and_then(|it| it.process.as_ref());
    let Some(process) = process else { return Ok(()) };
    process.signal(Signal::KILL).map_err(io_error(format!("stop `{name}`")))?;
    if process.gone(STOP_MAX).await {
        Ok(())
    } else {
        Err(failed(format!("stop `{name}`"), "it survives SIGKILL"))
    }
}

/// What a relay's tasks share.
struct Way {
    route: watch::Sender<Route>,
    delay: Duration,
}

/// Runs a relay until it is told to stop.
pub(in crate::sandbox) async fn run(dir: &Path, name: &str, stop: Stop) -> io::Result<()> {
    let book = book(dir).map_err(io::Error::other)?;
    let own = book.relays.get(name);
    let own = own.ok_or_else(|| io::Error::other("the pair has no such relay"))?;
    let route: Route = serde_json::from_slice(&fs::read(dir.join(name).join("route"))?)?;
    let delay_ms = if name == FRONT { 0 } else { book.link_delay_ms };
    let (route, delay) = (watch::Sender::new(route), Duration::from_millis(delay_ms));
    let way = Arc::new(Way { route, delay });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own.port)).await?;
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, own.control)).await?;
    let app = Router::new().route("/route", get(told).put(changed)).with_state(Arc::clone(&way));
    tokio::select! {
        ended = axum::serve(control, app).into_future() => ended,
        () = relay(&listener, &way) => Ok(()),
        () = stop.asked() => Ok(()),
    }
}

async fn told(State(way): State<Arc<Way>>) -> Json<Route> {
    Json(way.route.borrow().clone())
}

/// Connections that stand end: whoever was served by the former server must not go on with it.
async fn changed(State(way): State<Arc<Way>>, Json(route): Json<Route>) -> StatusCode {
    tracing::info!(port = route.port, "routed");
    way.route.send_replace(route);
    StatusCode::NO_CONTENT
}

async fn relay(listener: &TcpListener, way: &Arc<Way>) {
    loop {
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(why) => {
                tracing::warn!(%why, "could not accept");
                sleep(POLL).await;
                continue;
            }
        };
        let way = Arc::clone(way);
        tokio::spawn(async move {
            if let Err(why) = carry(client, &way).await {
                tracing::debug!(%why, "a connection ended");
            }
        });
    }
}

async fn carry(client: TcpStream, way: &Way) -> io::Result<()> {
    let mut route = way.route.subscribe();
    let port = route.borrow_and_update().port;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    for it in [&client, &server] {
        it.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        ended = one_way(from_client, to_server, way.delay) => ended,
        ended = one_way(from_server, to_client, way.delay) => ended,
        _ = route.changed() => Ok(()),
    }
}

type Pieces = mpsc::Sender<(Instant, Vec<u8>)>;

/// Carries bytes, each piece so much later than it came. What is on its way when its sender ends
/// is lost, as it is with a machine.
async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
) -> io::Result<()> {
    let (pieces, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES_MAX);
    let give = async {
        while let Some((at, piece)) = due.recv().await {
            sleep_until(at).await;
            to.write_all(&piece).await?;
        }
        to.shutdown().await
    };
    tokio::select! {
        ended = take(&mut from, pieces, delay) => ended,
        ended = give => ended,
    }
}

async fn take(from: &mut OwnedReadHalf, pieces: Pieces, delay: Duration) -> io::Result<()> {
    let mut room = vec![0; 16 * 1024];
    loop {
        let n = from.read(&mut room).await?;
        let piece = room.get(..n).unwrap_or_default().to_vec();
        if n == 0 || pieces.send((Instant::now() + delay, piece)).await.is_err() {
            return Ok(());
        }
    }
}
