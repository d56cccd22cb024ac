//! One scrape: every collector asked, timed and held apart from the others.
//!
//! A collector that fails, panics or hangs costs its own samples and nothing else. Those that are
//! known to hang run on threads of their own, at the same time as the others, which have one
//! thread together; all have a deadline.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    exposition::Exposition, negotiate::Format, own::Own, round::Round, rules::Rules, twins,
    worker::Worker,
};
use crate::{
    collector::{Blank, Collector, CollectorKind, Samples, Setup},
    export::Card,
    world::roots::Roots,
};

/// Makes a fresh collector: at the start, and after a panic.
pub(crate) type Make = Arc<dyn Fn() -> Box<dyn Collector> + Send + Sync>;
/// Whether there is nothing to look at now, and so nothing that can hang.
type Rests = Box<dyn Fn() -> bool + Send + Sync>;

/// A collector as the scrape knows it.
pub struct Entry {
    name: &'static str,
    card: Card,
    blocks: bool,
    /// What it brings is not ours: names that are on the page already are left out.
    guest: bool,
    health: Option<(&'static str, &'static str)>,
    make: Make,
    rests: Option<Rests>,
}

impl Entry {
    /// A kind of the family.
    pub fn of(kind: &'static CollectorKind, setup: &Setup) -> Self {
        let setup = setup.clone();
        Self {
            name: kind.about.name,
            card: Card { about: kind.about, exports: kind.exports },
            blocks: kind.blocks,
            guest: false,
            health: kind.health,
            make: Arc::new(move || (kind.make)(&setup)),
            rests: None,
        }
    }

    /// One of the agent's own, which shares something with the agent.
    pub fn own<C: Collector + 'static>(
        card: Card,
        make: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(move || -> Box<dyn Collector> { Box::new(make()) });
        let name = card.about.name;
        Self { name, card, blocks: false, guest: false, health: None, make, rests: None }
    }

    /// One that brings what others made, from where it may hang, unless it rests.
    pub(crate) fn guest<C: Collector + 'static>(
        card: Card,
        make: impl Fn() -> C + Send + Sync + 'static,
        rests: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { blocks: true, guest: true, rests: Some(Box::new(rests)), ..Self::own(card, make) }
    }

    /// Two threads that take turns are dear: one that cannot hang now needs none of its own.
    fn rests(&self) -> bool {
        self.rests.as_ref().is_some_and(|it| it())
    }
}

/// Which collectors a client wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// These.
    Only(BTreeSet<String>),
    /// All but these.
    Without(BTreeSet<String>),
}

impl Filter {
    fn wants(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
            Self::Without(names) => !names.contains(name),
        }
    }

    /// A collector that is named and that there is not.
    pub fn unknown<'a>(&'a self, names: &[&str]) -> Option<&'a str> {
        match self {
            Self::All => None,
            Self::Only(wanted) | Self::Without(wanted) => {
                wanted.iter().map(String::as_str).find(|name| !names.contains(name))
            }
        }
    }
}

/// The collectors and their buffers.
pub struct Scrape {
    slots: Vec<Slot>,
    round: Round,
    deadline: Duration,
    samples: Samples,
    exposition: Exposition,
    own: Own,
    rules: Rules,
}

struct Slot {
    entry: Entry,
    place: Place,
    last: Option<Outcome>,
    /// Series that were left out since the start.
    left_out: usize,
    /// What was logged, so that it is not logged at every scrape.
    said: Option<String>,
}

enum Place {
    /// A seat in the round.
    Round(usize),
    /// A thread of its own.
    There(Box<Worker>),
}

struct Outcome {
    took: Duration,
    blank: Option<Blank>,
}

/// A collector, seen from outside.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What it says of itself.
    pub card: Card,
    /// It has a thread of its own.
    pub blocks: bool,
    /// It is asked.
    pub is_on: bool,
    /// Why the last look at its corner showed nothing.
    pub blank: Option<&'a Blank>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[error("write the page")]
pub struct PageError(#[from] std::fmt::Error);

impl Scrape {
    /// Makes the collectors, and threads for those that need one. Each may take until the
    /// deadline.
    pub fn new(entries: Vec<Entry>, roots: Roots, deadline: Duration) -> std::io::Result<Self> {
        let for_threads = roots.clone();
        let mut round = Round::new(roots, deadline);
        let mut place = |entry: &Entry| -> std::io::Result<Place> {
            let make = Arc::clone(&entry.make);
            if entry.blocks {
                Ok(Place::There(Box::new(Worker::start(entry.name, make, for_threads.clone())?)))
            } else {
                Ok(Place::Round(round.seat(make)))
            }
        };
        let mut slot = |entry: Entry| -> std::io::Result<Slot> {
            Ok(Slot { place: place(&entry)?, entry, last: None, left_out: 0, said: None })
        };
        let slots = entries.into_iter().map(&mut slot).collect::<Result<_, _>>()?;
        let (samples, exposition) = (Samples::default(), Exposition::default());
        let (own, rules) = (Own::default(), Rules::default());
        Ok(Self { slots, round, deadline, samples, exposition, own, rules })
    }

    /// The names of the collectors that are on.
    pub fn names(&self) -> Vec<&'static str> {
        self.all().into_iter().filter(|name| !self.rules.off.contains(*name)).collect()
    }

    /// The collectors' names.
    pub fn all(&self) -> Vec<&'static str> {
        self.slots.iter().map(|slot| slot.entry.name).collect()
    }

    /// What the collectors say of themselves, and what came of the last look.
    pub fn cards(&self) -> impl Iterator<Item = Seen<'_>> {
        self.slots.iter().map(|slot| Seen {
            card: slot.entry.card,
            blocks: slot.entry.blocks,
            is_on: !self.rules.off.contains(slot.entry.name),
            blank: slot.last.as_ref().and_then(|it| it.blank.as_ref()),
        })
    }

    /// What counts now.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Lets other rules count from now on.
    pub fn rule(&mut self, rules: Rules) {
        self.exposition.label(rules.labels.clone());
        for slot in &self.slots {
            if let Some(seat) = slot.seat() {
                let limits = rules.limits.get(slot.entry.name).copied().unwrap_or_default();
                self.round.limit(seat, limits);
            }
        }
        self.rules = rules;
    }

    /// What the last page held.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Asks the collectors and writes the page.
    pub async fn page(&mut self, filter: &Filter, format: Format) -> Result<&str, PageError> {
        self.collect(filter).await;
        Ok(self.exposition.page(&mut self.samples, format)?)
    }

    /// Asks the collectors; `samples` has what they say.
    pub async fn look(&mut self, filter: &Filter) {
        self.collect(filter).await;
    }

    async fn collect(&mut self, filter: &Filter) {
        let rules = self.rules.clone();
        let wants = |name: &str| filter.wants(name) && !rules.off.contains(name);
        let (begun, usual) = (Instant::now(), self.deadline);
        let until = |name: &str| begun + rules.deadline(name).unwrap_or(usual);
        for slot in &mut self.slots {
            slot.last = None;
            if let Place::There(worker) = &mut slot.place
                && wants(slot.entry.name)
                && !slot.entry.rests()
            {
                worker.begin();
            }
        }
        let wanted = self.slots.iter().filter(|slot| wants(slot.entry.name));
        let seats = wanted.filter_map(Slot::seat).collect();
        let spare = std::mem::take(&mut self.samples);
        let found = self.round.go(seats, rules.series_max, spare).await;
        self.samples = found.samples;
        for visit in found.visits {
            let seat = Some(visit.seat);
            if let Some(slot) = self.slots.iter_mut().find(|slot| slot.seat() == seat) {
                slot.left_out += visit.left_out;
                slot.note(visit.took, visit.outcome);
            }
        }
        let mut guests = None;
        for slot in &mut self.slots {
            if let Place::There(worker) = &mut slot.place
                && wants(slot.entry.name)
            {
                let answer = if slot.entry.rests() {
                    worker.here(&slot.entry.make)
                } else {
                    worker.finish(until(slot.entry.name)).await
                };
                let mark = self.samples.mark();
                let is_ok = answer.outcome.is_ok();
                if is_ok && slot.entry.guest {
                    guests = Some(answer.samples);
                } else {
                    if is_ok {
                        self.samples.append(&answer.samples);
                    }
                    worker.give_back(answer.samples);
                }
                slot.left_out += self.samples.keep_rows(mark, rules.series_max(slot.entry.name));
                slot.note(answer.took, answer.outcome);
            }
        }
        self.show_outcomes();
        self.own.show(&mut self.samples, rules.own);
        if let Some(guests) = guests {
            self.seat(guests);
        }
        self.show_limits();
    }

    /// Guests come last, since whatever is on the page already goes before them.
    fn seat(&mut self, guests: Samples) {
        let mark = self.samples.mark();
        let mut left_out = self.samples.append_new(&guests);
        let guest = self.slots.iter().find(|it| it.entry.guest).map_or("", |it| it.entry.name);
        left_out += self.samples.keep_rows(mark, self.rules.series_max(guest));
        if let Some(slot) = self.slots.iter_mut().find(|it| it.entry.guest) {
            slot.left_out += left_out;
            if let Place::There(worker) = &mut slot.place {
                worker.give_back(guests);
            }
        }
    }

    fn show_limits(&mut self) {
        let help = "Series left out, as their collector had too many or another has the name.";
        self.samples.counter("holdfast_series_left_out_total", help);
        for slot in &self.slots {
            if slot.left_out > 0 {
                let at = [("collector", slot.entry.name)];
                self.samples.row(&at, crate::collector::many(slot.left_out));
            }
        }
        if let Some(reloaded) = self.rules.reloaded {
            let help = "Whether the file of settings could be used when it was last read.";
            let value = f64::from(u8::from(reloaded));
            self.samples.gauge("holdfast_config_last_reload_successful", help).row(&[], value);
        }
    }

    fn show_outcomes(&mut self) {
        let samples = &mut self.samples;
        let asked =
            || self.slots.iter().filter_map(|slot| Some((&slot.entry, slot.last.as_ref()?)));
        let success = |outcome: &Outcome| f64::from(u8::from(outcome.blank.is_none()));
        for (entry, outcome) in asked() {
            if let Some((name, help)) = entry.health {
                samples.gauge(name, help).row(&[], success(outcome));
            }
        }
        let help = "node_exporter: Duration of a collector scrape.";
        samples.gauge("node_scrape_collector_duration_seconds", help);
        for (entry, outcome) in asked() {
            samples.row(&[("collector", entry.name)], outcome.took.as_secs_f64());
        }
        let help = "node_exporter: Whether a collector succeeded.";
        samples.gauge("node_scrape_collector_success", help);
        for (entry, outcome) in asked() {
            samples.row(&[("collector", entry.name)], success(outcome));
        }
    }
}

impl Slot {
    fn seat(&self) -> Option<usize> {
        match self.place {
            Place::Round(seat) => Some(seat),
            Place::There(_) => None,
        }
    }

    fn note(&mut self, took: Duration, outcome: Result<(), Blank>) {
        let why = outcome.as_ref().err().map(ToString::to_string);
        if why != self.said {
            if let Some(why) = &why {
                tracing::warn!(collector = self.entry.name, "could not {why}");
            } else {
                tracing::info!(collector = self.entry.name, "sees again");
            }
            self.said = why;
        }
        self.last = Some(Outcome { took, blank: outcome.err() });
    }
}

/// One call, held apart: what a failing collector added is taken back, and one that panicked is
/// made anew, since nobody knows in what state it was left.
pub(crate) fn attempt(
    collector: &mut Box<dyn Collector>,
    make: &Make,
    roots: &Roots,
    samples: &mut Samples,
) -> Result<(), Blank> {
    let mark = samples.mark();
    let outcome = catch_unwind(AssertUnwindSafe(|| collector.collect(roots, samples)));
    let outcome = outcome.unwrap_or_else(|panic| {
        *collector = make();
        let said = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Blank::Panicked(said.unwrap_or_default()))
    });
    let outcome = outcome.and_then(|()| twins::refuse(samples));
    if outcome.is_err() {
        samples.back_to(mark);
    }
    outcome
}
