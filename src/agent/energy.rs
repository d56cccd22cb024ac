//! Energy, added up on a timer of its own: what nobody scrapes is not lost.
//!
//! Estimate and bounds are three families, so that `sum` over any of them is right:
//! `holdfast_energy_joules_total`, `holdfast_energy_low_joules_total` and
//! `holdfast_energy_high_joules_total`, each by `domain` and `method`. Domains do not overlap.
//! Sums are whole microjoules: what is shared out among control groups is the same energy.

mod carbon;
mod card;
pub(crate) mod consumers;
mod kept;
mod shown;
mod sums;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

pub(crate) use self::card::CARD;
use self::{carbon::Carbon, consumers::Consumers, shown::Shown, sums::Sums};
use crate::{
    collector::Collector,
    meter::{Blind, Meter, MeterKind},
    meters::{
        self,
        carbon::{Bounded, Settings as CarbonSettings},
        model,
    },
    source::counters::Counters,
    world::roots::Roots,
};

/// What can be set about energy and carbon.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Grid, building and server.
    pub carbon: CarbonSettings,
    /// Energy is shared out among so many control groups at most.
    pub groups_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { carbon: CarbonSettings::default(), groups_max: 100 }
    }
}

/// What was added up so far; shared with the collector that shows it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Sums>>);

impl Tally {
    /// A collector that shows the sums. `counters` hold the business counter of SCI.
    pub fn collector(&self, counters: &Arc<Mutex<Counters>>) -> impl Collector + use<> {
        Shown::new(Arc::clone(&self.0), Arc::clone(counters))
    }

    /// Lets a business counter be R in SCI: grams for each of these.
    pub(crate) fn per(&self, counter: &str) {
        self.with(|sums| kept::per(sums, counter));
    }

    /// The sums, to be kept; `units` is what R has counted since the start.
    pub(crate) fn save(&self, counters: &Mutex<Counters>) -> Option<Vec<u8>> {
        self.with(|sums| {
            let counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
            let units = counters.sum(&sums.sci.per).unwrap_or_default();
            drop(counters);
            kept::save(sums, units)
        })
    }

    /// Goes on from sums that were kept.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), String> {
        self.with(|sums| kept::restore(sums, bytes))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Sums) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// After so many rounds a blind or second-best meter looks for a better one.
const LOOK_AGAIN_ROUNDS: u32 = 30;

/// Measures for ever, with the best meter there is at the time.
pub async fn measure(roots: Roots, settings: Settings, tally: Tally, every: Duration) {
    let mut measuring = Measuring::new(roots, settings, tally);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        measuring.round(Instant::now());
    }
}

/// Looks twice, so that what the meters can say is said.
pub(crate) fn look(roots: &Roots, settings: &Settings, tally: &Tally) {
    let mut measuring = Measuring::new(roots.clone(), settings.clone(), tally.clone());
    for _ in 0..2 {
        measuring.round(Instant::now());
    }
}

struct Measuring {
    roots: Roots,
    tally: Tally,
    chosen: Option<(&'static MeterKind, Box<dyn Meter>)>,
    consumers: Consumers,
    carbon: Carbon,
    round: u32,
    /// The last round, and the last in which the meter could be read.
    last: Instant,
    last_read: Instant,
    said: Option<String>,
}

impl Measuring {
    fn new(roots: Roots, settings: Settings, tally: Tally) -> Self {
        let consumers = Consumers::new(&roots, settings.groups_max);
        let carbon = Carbon::new(&roots, settings.carbon);
        let now = Instant::now();
        let mut measuring = Self {
            roots,
            tally,
            chosen: None,
            consumers,
            carbon,
            round: 0,
            last: now,
            last_read: now,
            said: None,
        };
        measuring.choose(now);
        if measuring.chosen.is_none() {
            tracing::warn!("no energy meter sees anything: energy is not exported");
        }
        measuring
    }

    /// Takes the best meter, unless it is the one that is there already.
    fn choose(&mut self, now: Instant) {
        let than = self.chosen.as_ref().map(|(kind, _)| kind.about.name);
        let best = meters::better(&self.roots, than);
        for (kind, why) in &best.blind {
            let why = why.to_string();
            let is_news = self.tally.with(|sums| sums.note(kind.about.name, Some(why.clone())));
            if is_news {
                tracing::info!(meter = kind.about.name, "could not {why}");
            }
        }
        let Some((kind, meter)) = best.meter else { return };
        tracing::info!(meter = kind.about.name, "measures energy: {}", kind.about.summary);
        if kind.about.name == model::KIND.about.name {
            let provenance = model::provenance(&self.roots);
            self.tally.with(|sums| sums.coefficients = Some(provenance));
        }
        self.chosen = Some((kind, meter));
        self.last_read = now;
    }

    fn round(&mut self, now: Instant) {
        self.round = self.round.wrapping_add(1);
        let is_blind = self.chosen.is_none() || self.said.is_some();
        if self.round.is_multiple_of(LOOK_AGAIN_ROUNDS) {
            // A meter that went blind gives way to any that sees.
            if is_blind {
                self.chosen = None;
            }
            self.choose(now);
        }
        let outcome = self.read(now);
        if let Some(why) = outcome.err().map(|why| why.to_string()) {
            if self.said.as_ref() != Some(&why) {
                tracing::warn!("could not measure energy: could not {why}");
            }
            self.said = Some(why);
        } else {
            self.said = None;
        }
        let elapsed = now - self.last;
        self.last = now;
        self.tally.with(|sums| self.carbon.made(elapsed, sums));
    }

    fn read(&mut self, now: Instant) -> Result<(), Blind> {
        let Some((kind, meter)) = &mut self.chosen else { return Ok(()) };
        let elapsed = now - self.last_read;
        let outcome = meter.joules(&self.roots, elapsed);
        let why = outcome.as_ref().err().map(ToString::to_string);
        self.tally.with(|sums| sums.note(kind.about.name, why));
        let energy = outcome?;
        self.last_read = now;
        let used = self.consumers.look();
        self.tally.with(|sums| {
            let whole = sums.add(&energy, elapsed);
            sums.share_out(energy.method, whole, &used);
            let joules = Bounded { best: energy.joules, low: energy.low, high: energy.high };
            self.carbon.used(energy.method, joules, sums);
        });
        Ok(())
    }
}
