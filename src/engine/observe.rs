//! The observer: probes, the witness and the sampler, on a thread and a runtime of their own, so
//! that a slow disk under the journal cannot delay what is measured.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread::JoinHandle,
};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::{
    engine::{
        kit::FindMeter,
        load::{self, At},
        rows::{Cue, Row, Rows},
        sample::Sampler,
        sites::{self, LocalSites},
        witness,
    },
    journal::{
        entry::{Fact, Look, Peek, ReadBack, Write},
        load::LoadRow,
        site::SiteRows,
    },
    probe::{AnyProbe, Blind},
    script::{
        expect::Expect,
        hypothesis::{Hypothesis, Sense},
        lines::{Script, Witness},
        load::Load,
        sites::Site,
    },
    target::ProcessTarget,
    units::Span,
    verdict::Verdict,
    world::{World, host::HostError, thread},
};

/// Rows that wait to be written down; beyond that they are counted and dropped.
const ROWS_MAX: usize = 100_000;
/// Looks of one probe that are under way at once.
const FLIGHT_MAX: usize = 64;

/// A question that is asked again and again.
pub(super) struct Asked {
    probe: Arc<dyn AnyProbe>,
    expect: Expect,
    sense: Sense,
    every: Span,
}

/// What was observed before a run was resumed.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Looks, by the name of the hypothesis.
    pub looks: BTreeMap<String, Vec<Look>>,
    /// The number of the witness's next record.
    pub first: u64,
    /// The witness was ready to write.
    pub prepared: bool,
    /// The number of each load's next request.
    pub load_first: u64,
}

/// What the observer looks at.
pub(super) struct Watch {
    /// Probes, as their hypotheses have them.
    pub(super) probes: Vec<Asked>,
    /// The witness.
    pub(super) witness: Option<Witness>,
    /// Processes to sample.
    pub(super) processes: BTreeMap<String, ProcessTarget>,
    /// Sites to read.
    pub(super) sites: Vec<Site>,
    /// What is sent.
    pub(super) loads: Vec<Load>,
    /// The number of each load's first request.
    pub(super) load_first: u64,
    /// The prefix of the witness's records.
    pub(super) run: String,
    /// The number of the witness's next record.
    pub(super) first: u64,
    /// The witness was ready to write before.
    pub(super) prepared: bool,
    /// What measures energy.
    pub(super) meter: FindMeter,
}

/// The observer, as the player has it.
pub struct Observer {
    names: Vec<String>,
    loads: Vec<String>,
    at: watch::Sender<At>,
    looks: Vec<Vec<Look>>,
    /// When questions were asked that are not answered yet.
    asked: Vec<BTreeSet<u64>>,
    rows: mpsc::Receiver<Row>,
    cue: watch::Sender<Cue>,
    end: watch::Sender<bool>,
    ready: Option<Result<(), Blind>>,
    read_all: bool,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Starts looking.
    pub fn start(
        script: &Script,
        (run, before): (&str, &Before),
        (world, meter): (&World, FindMeter),
    ) -> Result<Self, HostError> {
        let (put, rows) = mpsc::channel(ROWS_MAX);
        let (cue, heard) = (watch::Sender::new(Cue::Wait), watch::Sender::new(false));
        let all: Vec<&Hypothesis> = script.watched().collect();
        let asked = |it: &&Hypothesis| Asked {
            probe: Arc::clone(&it.probe),
            expect: it.expect.clone(),
            sense: it.sense,
            every: it.every,
        };
        let watch = Watch {
            probes: all.iter().map(asked).collect(),
            witness: script.witness.clone(),
            processes: script.processes.clone(),
            sites: script.sites.clone(),
            loads: script.loads.clone(),
            load_first: before.load_first,
            run: run.to_owned(),
            first: before.first,
            prepared: before.prepared,
            meter,
        };
        let at = watch::Sender::new(At::Baseline);
        let ears = (cue.subscribe(), heard.subscribe(), at.subscribe());
        let world = world.clone();
        let work = move || look_all(watch, &world, &Rows(put), ears);
        let thread =
            thread::start("observer", work).map_err(|why| HostError::os("start a thread", why))?;
        Ok(Self {
            names: all.iter().map(|it| it.name.clone()).collect(),
            looks: all
                .iter()
                .map(|it| before.looks.get(&it.name).cloned().unwrap_or_default())
                .collect(),
            loads: script.loads.iter().map(|it| it.name.clone()).collect(),
            at,
            asked: all.iter().map(|_| BTreeSet::new()).collect(),
            rows,
            cue,
            end: heard,
            ready: None,
            read_all: false,
            thread: Some(thread),
        })
    }

    /// Has the witness begin.
    pub fn write(&self) {
        self.cue.send_replace(Cue::Write);
    }

    /// Has the witness stop and read back.
    pub fn read_back(&self) {
        self.cue.send_replace(Cue::ReadBack);
    }

    /// Tells the loads where the run is.
    pub(super) fn reach(&self, at: At) {
        self.at.send_replace(at);
    }

    /// Whether the witness can write, or why it cannot; none while it does not know yet.
    pub fn ready(&self) -> Option<Result<(), Blind>> {
        self.ready.clone()
    }

    /// Everything that could be read back was.
    pub fn has_read_all(&self) -> bool {
        self.read_all
    }

    /// All looks of the hypothesis with this number so far, in the order of sending.
    pub fn looks(&self, hypothesis: usize) -> Vec<Look> {
        let mut looks = self.looks.get(hypothesis).cloned().unwrap_or_default();
        looks.sort_by_key(|it| it.0);
        looks
    }

    /// The last looks of what is watched under this number, in the order of their answers.
    pub fn last(&self, number: usize, many: usize) -> Vec<Look> {
        let looks = self.looks.get(number).map_or(&[][..], Vec::as_slice);
        looks.get(looks.len().saturating_sub(many)..).unwrap_or(looks).to_vec()
    }

    /// When questions of the hypothesis with this number were asked that have no answer yet.
    pub fn open(&self, hypothesis: usize) -> impl Iterator<Item = u64> {
        self.asked.get(hypothesis).into_iter().flatten().copied()
    }

    /// What was seen since the last time, as facts.
    pub fn take_facts(&mut self) -> Vec<Fact> {
        let mut taken = Taken::default();
        let mut looks: Vec<Vec<Look>> = self.names.iter().map(|_| Vec::new()).collect();
        let mut loads: Vec<Vec<LoadRow>> = self.loads.iter().map(|_| Vec::new()).collect();
        while let Ok(row) = self.rows.try_recv() {
            match row {
                Row::Asked(n, at) => {
                    self.asked.get_mut(n).map(|it| it.insert(at));
                }
                Row::Look(n, it) => {
                    self.asked.get_mut(n).map(|asked| asked.remove(&it.0));
                    if let Some(to) = looks.get_mut(n) {
                        to.push(it);
                    }
                }
                Row::Write(it) => taken.writes.push(it),
                Row::Ready(it) => self.ready = Some(it),
                Row::Peek(it) => taken.peeks.push(it),
                Row::Read(side, it) => taken.reads.entry(side).or_default().push(it),
                Row::ReadAll => self.read_all = true,
                Row::Load(n, it) => {
                    if let Some(to) = loads.get_mut(n) {
                        to.push(it);
                    }
                }
                Row::Site(it) => taken.site(*it),
                Row::Sample(it) => taken.facts.push(Fact::Sampled(it)),
            }
        }
        for ((name, all), mut rows) in self.names.iter().zip(&mut self.looks).zip(looks) {
            if !rows.is_empty() {
                rows.sort_by_key(|it| it.0);
                all.extend(rows.iter().cloned());
                taken.facts.push(Fact::Looks { probe: name.clone(), rows });
            }
        }
        for (name, rows) in self.loads.iter().zip(loads).filter(|it| !it.1.is_empty()) {
            taken.facts.push(Fact::Loaded { load: name.clone(), rows });
        }
        taken.facts()
    }

    /// Stops looking and waits for the thread; what it saw last can still be taken.
    pub fn end(&mut self) {
        self.reach(At::End);
        self.end.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the observer panicked: its last rows are lost");
        }
    }
}

/// Rows on their way to become facts.
#[derive(Default)]
struct Taken {
    facts: Vec<Fact>,
    writes: Vec<Write>,
    peeks: Vec<Peek>,
    reads: BTreeMap<Arc<str>, Vec<ReadBack>>,
    sites: BTreeMap<(String, String), SiteRows>,
}

impl Taken {
    /// Readings of one site and process are one line.
    fn site(&mut self, more: SiteRows) {
        let key = (more.site.clone(), more.process.clone());
        match self.sites.get_mut(&key) {
            Some(sum) => {
                sum.rows.extend(more.rows);
                sum.missing.extend(more.missing);
                sum.blind = more.blind.or(sum.blind.take());
                sum.clock_error_us = sum.clock_error_us.max(more.clock_error_us);
            }
            None => {
                self.sites.insert(key, more);
            }
        }
    }

    fn facts(self) -> Vec<Fact> {
        let Self { mut facts, mut writes, peeks, reads, sites } = self;
        facts.extend(sites.into_values().map(|it| Fact::Site(Box::new(it))));
        if !writes.is_empty() {
            writes.sort_by_key(|it| it.0);
            facts.push(Fact::Writes { rows: writes });
        }
        if !peeks.is_empty() {
            facts.push(Fact::Peeks { rows: peeks });
        }
        for (side, mut rows) in reads {
            rows.sort_by_key(|it| it.0);
            facts.push(Fact::Reads { side: side.as_ref().to_owned(), rows });
        }
        facts
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.end.send_replace(true);
    }
}

fn look_all(
    watch: Watch,
    world: &World,
    rows: &Rows,
    (cue, mut end, at): (watch::Receiver<Cue>, watch::Receiver<bool>, watch::Receiver<At>),
) {
    let sending = load::send_all((watch.loads, &watch.run, watch.load_first), world, rows, &at);
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = built.inspect_err(|why| tracing::error!("nothing is observed: {why}")) else {
        return;
    };
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for (n, asked) in watch.probes.into_iter().enumerate() {
            tasks.spawn(look(n, asked, world.clone(), rows.clone()));
        }
        let local = LocalSites::new(&watch.sites);
        let sampler = Sampler::new((watch.processes, local), watch.meter, world.clone());
        let sampling = sampler.run(rows.clone(), end.clone());
        let elsewhere =
            watch.sites.into_iter().filter_map(|it| Some((it.planned.name, it.remote?)));
        let elsewhere = elsewhere
            .map(|it| sites::watch(it, world.clone(), rows.clone(), end.clone()))
            .collect::<Vec<_>>();
        if let Some(it) = watch.witness {
            let names = (watch.run, watch.first, watch.prepared);
            tasks.spawn(witness::witness(it, names, (world.clone(), rows.clone()), cue));
        }
        let looking = async {
            // Whoever holds the other end may also just vanish.
            if end.wait_for(|it| *it).await.is_err() {
                tracing::debug!("the player is gone");
            }
            tasks.shutdown().await;
        };
        tokio::join!(sampling, looking, join_all(elsewhere));
    });
    // A file that hangs must not keep a run from its end.
    runtime.shutdown_background();
    if sending.is_some_and(|it| it.join().is_err()) {
        tracing::error!("the loads panicked: their last rows are lost");
    }
}

/// Looks on a schedule of its own: a slow answer delays no later question.
async fn look(n: usize, Asked { probe, expect, sense, every }: Asked, world: World, rows: Rows) {
    let mut tick = tokio::time::interval(every.duration());
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut flight = FuturesUnordered::new();
    loop {
        tokio::select! {
            _ = tick.tick(), if flight.len() < FLIGHT_MAX => {
                let sent = world.clock.now_us();
                rows.put(Row::Asked(n, sent));
                flight.push(once(sent, &*probe, (&expect, sense), &world));
            }
            Some(it) = flight.next() => rows.put(Row::Look(n, it)),
        }
    }
}

/// Looks once, from `sent` on, and judges what was seen.
pub(super) async fn once(
    sent: u64,
    probe: &dyn AnyProbe,
    (expect, sense): (&Expect, Sense),
    world: &World,
) -> Look {
    let seen = probe.look(world).await;
    let took = world.clock.now_us().saturating_sub(sent);
    let short = |why: String| why.chars().take(200).collect::<String>();
    let numbers = seen.as_ref().map_or_else(|_| Vec::new(), |it| expect.measured(it));
    let (grade, note) = match seen.map(|it| (expect.judge(&it), it)) {
        Ok((Ok(()), _)) if sense == Sense::Always => (Verdict::Pass, String::new()),
        Ok((Ok(()), reading)) => (Verdict::Fail, short(expect.shown(&reading))),
        Ok((Err(_), _)) if sense == Sense::Never => (Verdict::Pass, String::new()),
        Ok((Err(why), _)) => (Verdict::Fail, short(why)),
        Err(blind) => (Verdict::Inconclusive, short(blind.0)),
    };
    Look(sent, took, grade, note, numbers)
}
