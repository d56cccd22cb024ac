//! The agent's collectors and what they share, put together: to serve, and to look at once.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    business::{self, EventCounts},
    config::{DEADLINE, Settings},
    energy::{self, Tally},
    foresight::{self, Foresight, Scores},
    reload::Reload,
    scrape::{Entry, Scrape},
    serve::ServeError,
    textfile::{self, Folder, Textfile},
    utilisation::{self, Utilisation},
    watch::Watcher,
};
use crate::{collector::Setup, collectors, source::counters::Counters, sources};

/// What was put together.
pub(crate) struct Assembled {
    pub(crate) scrape: Scrape,
    pub(crate) counters: Arc<Mutex<Counters>>,
    pub(crate) watcher: Watcher,
    pub(crate) reload: Reload,
}

/// Makes the collectors, with the file of settings in force.
pub(crate) fn assemble(settings: &Settings) -> Result<Assembled, ServeError> {
    let (state, patterns) = (settings.state.clone(), settings.patterns.clone());
    let setup = Setup { state, patterns, ..Setup::default() };
    let mut entries: Vec<Entry> =
        collectors::ALL.iter().map(|kind| Entry::of(kind, &setup)).collect();
    let counters = Arc::new(Mutex::new(Counters::new(sources::standard())));
    let tally = Tally::default();
    let (shared, shown) = (Arc::clone(&counters), (tally.clone(), Arc::clone(&counters)));
    entries.push(Entry::own(business::CARD, move || EventCounts(Arc::clone(&shared))));
    entries.push(Entry::own(energy::CARD, move || shown.0.collector(&shown.1)));
    let folder = Folder::default();
    let (textfiles, place) = (Arc::clone(&folder), Arc::clone(&folder));
    let make = move || Textfile::new(Arc::clone(&textfiles));
    let has_none = move || place.lock().unwrap_or_else(PoisonError::into_inner).is_none();
    entries.push(Entry::guest(textfile::CARD, make, has_none));
    let (utilisation, foresight) = (Utilisation::default(), Foresight::default());
    let (idlers, scores) = (utilisation.clone(), foresight.clone());
    entries.push(Entry::own(utilisation::CARD, move || utilisation::Shown(idlers.clone())));
    entries.push(Entry::own(foresight::CARD, move || Scores(scores.clone())));
    let mut scrape = Scrape::new(entries, settings.roots.clone(), DEADLINE)?;
    let reload = Reload::new(settings, folder, (Arc::clone(&counters), tally.clone()));
    reload.apply(&mut scrape)?;
    let watcher = Watcher {
        roots: settings.roots.clone(),
        state: settings.state.clone(),
        said: reload.said(),
        counters: Arc::clone(&counters),
        tally,
        utilisation,
        foresight,
    };
    Ok(Assembled { scrape, counters, watcher, reload })
}
