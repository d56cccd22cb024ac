//! What the agent looks at by itself, whether anybody scrapes or not, and what it keeps of that in
//! the state folder, so that a restart forgets nothing.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{
    agent_file::AgentFile,
    energy::Tally,
    foresight::Foresight,
    idle,
    pages::App,
    scrape::Filter,
    utilisation::{Gauge, Utilisation},
};
use crate::{
    source::counters::Counters,
    world::{
        linux::state::StateFolder,
        roots::{self, Roots},
    },
};

/// How often utilisation is looked at, in seconds; everything else is a multiple of it.
const EVERY: u64 = 5;
const MINUTE: u64 = 60 / EVERY;
const HOUR: u64 = 60 * MINUTE;

/// The files in the state folder.
const ENERGY: &str = "agent-energy.json";
const IDLE: &str = "agent-idle.json";
const FORESIGHT: &str = "agent-foresight.json";

/// Who looks.
#[derive(Clone)]
pub(crate) struct Watcher {
    pub(crate) roots: Roots,
    pub(crate) state: PathBuf,
    pub(crate) said: watch::Receiver<Arc<AgentFile>>,
    pub(crate) counters: Arc<Mutex<Counters>>,
    pub(crate) tally: Tally,
    pub(crate) utilisation: Utilisation,
    pub(crate) foresight: Foresight,
}

impl Watcher {
    /// Goes on from what was kept. What cannot be understood is told, and begins anew.
    pub(crate) fn restore(&self) {
        let (tally, idle, foresight) = (&self.tally, &self.utilisation, &self.foresight);
        self.bring_back(IDLE, |bytes| idle.restore(bytes));
        let said = self.said.borrow().clone();
        if said.keep_energy {
            self.bring_back(ENERGY, |bytes| tally.restore(bytes));
        }
        if !said.foresight.is_empty() {
            self.bring_back(FORESIGHT, |bytes| foresight.restore(bytes));
        }
    }

    fn bring_back(&self, name: &str, take: impl FnOnce(&[u8]) -> Result<(), String>) {
        let outcome = match StateFolder::at(&self.state).read(name) {
            Ok(None) => Ok(()),
            Ok(Some(bytes)) => take(&bytes),
            Err(why) => Err(why.to_string()),
        };
        if let Err(why) = outcome {
            tracing::warn!("could not go on from `{name}` in the state folder: {why}");
        }
    }

    /// Looks once, for those who do not stay.
    pub(crate) fn look_once(&self) {
        Gauge::new(&self.roots).look(&self.utilisation);
        self.utilisation.look_for_idlers(&self.roots, self.said.borrow().idle);
    }

    /// Looks for ever.
    pub(crate) async fn run(self, app: Arc<App>) {
        let mut gauge = Gauge::new(&self.roots);
        let mut ticks = interval(Duration::from_secs(EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in 0_u64.. {
            ticks.tick().await;
            gauge.look(&self.utilisation);
            let said = self.said.borrow().clone();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "300")]
            let window = idle::WINDOW as u64 / EVERY;
            if round.is_multiple_of(window) {
                self.utilisation.look_for_idlers(&self.roots, said.idle);
            }
            if round.is_multiple_of(MINUTE) && !said.foresight.is_empty() {
                self.look_ahead(&app, &said).await;
            }
            if round.is_multiple_of(MINUTE) && round > 0 {
                self.save(round.is_multiple_of(window), round.is_multiple_of(HOUR)).await;
            }
        }
    }

    /// Asks the collectors of the watched series, between two scrapes.
    async fn look_ahead(&self, app: &App, said: &AgentFile) {
        let mut desk = app.desk.lock().await;
        let mut wanted = BTreeSet::new();
        for seen in desk.scrape.cards() {
            let brings = |name: &str| seen.card.exports.iter().any(|it| it.names_it(name));
            // What files bring has whatever names.
            let is_guest = seen.card.about.name == super::textfile::CARD.about.name;
            if is_guest || said.foresight.iter().any(|it| brings(&it.name)) {
                wanted.insert(seen.card.about.name.to_owned());
            }
        }
        // Business metrics of the file are in no list of names.
        wanted.insert(super::business::CARD.about.name.to_owned());
        desk.scrape.look(&Filter::Only(wanted)).await;
        self.foresight.look(&said.foresight, desk.scrape.samples(), roots::now());
    }

    /// Keeps what there is.
    pub(crate) async fn save(&self, with_idle: bool, with_foresight: bool) {
        let keep_energy = self.said.borrow().keep_energy;
        let all = [
            (ENERGY, keep_energy.then(|| self.tally.save(&self.counters)).flatten()),
            (IDLE, with_idle.then(|| self.utilisation.save()).flatten()),
            (FORESIGHT, with_foresight.then(|| self.foresight.save()).flatten()),
        ];
        let folder = StateFolder::at(&self.state);
        let write = move || {
            for (name, bytes) in all {
                let Some(bytes) = bytes else { continue };
                if let Err(why) = folder.keep(name, &bytes) {
                    tracing::debug!("could not keep `{name}`: {why}");
                }
            }
        };
        if tokio::task::spawn_blocking(write).await.is_err() {
            tracing::warn!("could not keep what was watched");
        }
    }
}
