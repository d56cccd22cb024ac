//! The file of settings, put into force at the start and whenever the agent is told to.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use super::{
    agent_file::{self, AgentFile},
    config::Settings,
    energy::Tally,
    rules::Rules,
    scrape::Scrape,
    settings_file::Refused,
    textfile::Folder,
};
use crate::source::counters::Counters;

/// What the command line fixed, and what the file may change.
pub(crate) struct Reload {
    file: Option<PathBuf>,
    textfiles: Option<PathBuf>,
    off: BTreeSet<String>,
    only: Option<BTreeSet<String>>,
    own: bool,
    folder: Folder,
    counters: Arc<Mutex<Counters>>,
    tally: Tally,
    said: watch::Sender<Arc<AgentFile>>,
}

impl Reload {
    pub(crate) fn new(
        settings: &Settings,
        folder: Folder,
        (counters, tally): (Arc<Mutex<Counters>>, Tally),
    ) -> Self {
        Self {
            file: settings.config.clone(),
            textfiles: settings.textfiles.clone(),
            off: settings.off.clone(),
            only: settings.only.clone(),
            own: settings.own,
            folder,
            counters,
            tally,
            said: watch::Sender::default(),
        }
    }

    /// What the file says, now and whenever it is read again.
    pub(crate) fn said(&self) -> watch::Receiver<Arc<AgentFile>> {
        self.said.subscribe()
    }

    /// Reads the file and lets it count. A bad one changes nothing but the metric that says so.
    pub(crate) fn apply(&self, scrape: &mut Scrape) -> Result<(), Refused> {
        let known = scrape.all();
        let read = self.file.as_deref().map(|file| agent_file::load(file, &known)).transpose();
        let file = match read {
            Ok(file) => file.unwrap_or_default(),
            Err(why) => {
                tracing::error!("the old settings stay: could not {why}");
                let rules = Rules { reloaded: Some(false), ..scrape.rules().clone() };
                scrape.rule(rules);
                return Err(why);
            }
        };
        scrape.rule(self.rules(&file, &known));
        let folder = self.textfiles.clone().or_else(|| file.textfiles.clone());
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = folder;
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.declare(file.business.clone());
        drop(counters);
        self.tally.per(&file.sci_per);
        self.said.send_replace(Arc::new(file));
        Ok(())
    }

    fn rules(&self, file: &AgentFile, known: &[&str]) -> Rules {
        let mut off: BTreeSet<String> = self.off.union(&file.off).cloned().collect();
        if let Some(only) = &self.only {
            off.extend(known.iter().filter(|it| !only.contains(**it)).map(|it| (*it).to_owned()));
        }
        let default = Rules::default();
        Rules {
            labels: file.labels.clone(),
            off,
            series_max: file.series_max.unwrap_or(default.series_max),
            own: self.own,
            limits: file.limits.clone(),
            reloaded: self.file.as_ref().map(|_| true),
        }
    }
}
