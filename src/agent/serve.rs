//! The agent's web server.

use std::{io, sync::Arc, time::Duration};

use axum::middleware;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Mutex as TurnTaking, Semaphore, watch},
    task::JoinSet,
};

use super::{
    accept::Front,
    assemble::{Assembled, assemble},
    config::{ENERGY_EVERY, Listen, Settings},
    energy,
    guard::{self, Guard},
    gzip::Gzip,
    listen::{self, Socket},
    pages::{App, Desk, router},
    settings_file::Refused,
    watch::Watcher,
};
use crate::world::roots;

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
    /// What systemd handed over is of no use.
    #[error("take over a socket from systemd: {0}")]
    Inherit(#[source] io::Error),
    /// The web configuration makes no sense.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The system gives us no thread, timer or signal.
    #[error("start: {0}")]
    Start(#[from] io::Error),
}

/// After a signal, so long do clients have to take their answers.
const GOODBYE: Duration = Duration::from_secs(3);

/// As many descriptors as kept files and connections may need.
const DESCRIPTORS: u64 = 8192;

/// Serves until SIGTERM or SIGINT. `on_bound` is told each address once it is ours.
pub fn run(settings: Settings, on_bound: impl FnMut(&str)) -> Result<(), ServeError> {
    roots::raise_descriptors(DESCRIPTORS);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(settings, on_bound))
}

async fn serve(settings: Settings, mut on_bound: impl FnMut(&str)) -> Result<(), ServeError> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let guard = Arc::new(Guard::new(settings.web.config.clone())?);
    let sockets = sockets(&settings).await?;
    let (app, watcher) = app(&settings)?;
    watcher.restore();
    let tally = watcher.tally.clone();
    tokio::spawn(energy::measure(settings.roots, settings.energy, tally, ENERGY_EVERY));
    tokio::spawn(watcher.clone().run(Arc::clone(&app)));
    let (stop, stopped) = watch::channel(false);
    let check = middleware::from_fn_with_state(Arc::clone(&guard), guard::check);
    let front = Front::new(
        router(Arc::clone(&app), &settings.web).layer(check),
        Arc::clone(&guard),
        stopped,
    );
    let mut servers = JoinSet::new();
    let scheme = if guard.policy().await.tls.is_some() { "https" } else { "http" };
    for socket in sockets {
        let shown = socket.to_string();
        let is_path = matches!(socket, Socket::Unix(..));
        servers.spawn(front.clone().serve(socket));
        on_bound(&if is_path { shown } else { format!("{scheme}://{shown}") });
    }
    tell(settings.systemd.notify.as_deref(), "READY=1");
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hangup.recv() => {
                // What was wrong with it is in the log, and the old settings stay.
                drop(app.reload.apply(&mut app.desk.lock().await.scrape));
            }
        }
    }
    tell(settings.systemd.notify.as_deref(), "STOPPING=1");
    stop.send_replace(true);
    watcher.save(true, true).await;
    // A client that never takes its answer must not keep us.
    drop(tokio::time::timeout(GOODBYE, servers.join_all()).await);
    Ok(())
}

/// Tells the process manager, if there is one.
fn tell(to: Option<&str>, state: &str) {
    if let Some(to) = to
        && let Err(why) = listen::notify(to, state)
    {
        tracing::warn!("could not tell `{to}` about {state}: {why}");
    }
}

async fn sockets(settings: &Settings) -> Result<Vec<Socket>, ServeError> {
    if settings.systemd.sockets > 0 {
        return listen::inherit(settings.systemd.sockets).map_err(ServeError::Inherit);
    }
    let mut sockets = Vec::new();
    for listen in &settings.listen {
        let bound = listen::bind(listen).await;
        let not = |why| ServeError::Listen { listen: listen.clone(), why };
        sockets.push(bound.map_err(not)?);
    }
    Ok(sockets)
}

fn app(settings: &Settings) -> Result<(Arc<App>, Watcher), ServeError> {
    let Assembled { scrape, counters, watcher, reload } = assemble(settings)?;
    let app = App {
        desk: TurnTaking::new(Desk { scrape, gzip: Gzip::default(), written: 0 }),
        turns: Semaphore::new(settings.web.scrapes_max),
        scrapes_max: settings.web.scrapes_max,
        metrics_path: settings.web.telemetry_path.clone(),
        counters,
        reload,
    };
    Ok((Arc::new(app), watcher))
}

#[cfg(test)]
mod tests {
    use axum::{
        extract::{Query, State},
        http::{HeaderMap, StatusCode},
    };

    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        agent::{
            config::{SCRAPES_MAX, Systemd, Web},
            pages::metrics,
        },
        pattern::Patterns,
        world::roots::Roots,
    };

    fn settings() -> Settings {
        Settings {
            energy: energy::Settings::default(),
            listen: Vec::new(),
            systemd: Systemd::default(),
            web: Web::default(),
            roots: Roots::default(),
            state: "/nonexistent".into(),
            config: None,
            textfiles: None,
            off: BTreeSet::new(),
            only: None,
            patterns: Patterns::default(),
            own: true,
        }
    }

    async fn status(app: &Arc<App>) -> StatusCode {
        let answer = metrics(State(Arc::clone(app)), Query(Vec::new()), HeaderMap::new());
        answer.await.status()
    }

    #[tokio::test]
    async fn too_many_scrapes_at_once_are_told_to_come_later() {
        let (app, _watcher) = app(&settings()).unwrap();
        let turns = u32::try_from(SCRAPES_MAX).unwrap();
        let all = app.turns.acquire_many(turns).await.unwrap();
        assert_eq!(status(&app).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(all);
        assert_eq!(status(&app).await, StatusCode::OK);
        assert_eq!(app.turns.available_permits(), SCRAPES_MAX, "turns come back");
    }
}
