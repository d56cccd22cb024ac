//! The agent's web server.
#![expect(clippy::disallowed_types, reason = "this is the room where the agent's socket lives")]

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Mutex as TurnTaking, Semaphore, watch},
};

use super::{
    business::EventCounts,
    config::{DEADLINE, ENERGY_EVERY, Listen, SCRAPES_MAX, Settings},
    energy::{self, Tally},
    gzip::Gzip,
    pages::{App, Desk, router},
    scrape::{Entry, Scrape},
};
use crate::{collector::Setup, collectors, source::Counters, sources};

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

/// Serves until SIGTERM or SIGINT. `on_bound` is told the address once it is ours.
pub fn run(settings: Settings, on_bound: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(settings, on_bound))
}

async fn serve(settings: Settings, on_bound: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = bind(&settings.listen).await?;
    let (app, tally) = app(&settings)?;
    tokio::spawn(energy::measure(settings.roots, tally, ENERGY_EVERY));
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
    let setup = Setup { state: settings.state.clone(), ..Setup::default() };
    let mut entries: Vec<Entry> =
        collectors::ALL.iter().map(|kind| Entry::of(kind, &setup)).collect();
    let counters = Arc::new(Mutex::new(Counters::new(sources::DECLARED)));
    let tally = Tally::default();
    let (shared, shown) = (Arc::clone(&counters), tally.clone());
    entries.push(Entry::own("events", move || EventCounts(Arc::clone(&shared))));
    entries.push(Entry::own("energy", move || shown.collector()));
    let scrape = Scrape::new(entries, settings.roots.clone(), DEADLINE)?;
    let app = App {
        desk: TurnTaking::new(Desk { scrape, gzip: Gzip::default() }),
        turns: Semaphore::new(SCRAPES_MAX),
        scrapes_max: SCRAPES_MAX,
        counters,
    };
    Ok((Arc::new(app), tally))
}

#[cfg(test)]
mod tests {
    use axum::{
        extract::{Query, State},
        http::{HeaderMap, StatusCode},
    };

    use super::*;
    use crate::{agent::pages::metrics, world::roots::Roots};

    fn settings() -> Settings {
        let listen = "127.0.0.1:0".parse().unwrap();
        Settings { listen, roots: Roots::default(), state: "/nonexistent".into() }
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
}
