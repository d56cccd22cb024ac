//! `core-a` and `core-b`: the ledger, as primary and as standby.

mod entry;
mod follow;
mod gate;
mod handlers;
mod ledger;
mod role;
mod writer;

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    metrics::{gauge::Gauge, histogram::Histogram},
    registry::Unit,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

pub(crate) use self::entry::{Order, Payment, is_key};
use self::{
    follow::Following,
    gate::{Gate, GatedListener},
    ledger::{Ledger, View},
    role::{Part, Primary, Role},
    writer::{JOBS_MAX, Job, Writer},
};
use super::{
    book::{Book, Replication},
    calendar::BankClock,
    fence::Token,
    metrics::latency_histogram,
    peers::Peers,
    process::Here,
    web::{self, Problem},
};

/// How far the sender of an entry and a core may be apart in time, in seconds.
const CLOCKS_APART_MAX_S: i64 = 60;
/// How long a failed write makes a core unwell.
const FAILURE_LASTS: Duration = Duration::from_secs(5);

/// What handlers, writer and follower of one core share.
struct Shared {
    name: String,
    token: Token,
    gate: Arc<Gate>,
    view: View,
    role: Mutex<(Role, u64)>,
    link: Mutex<Link>,
    following: Mutex<Following>,
    /// Entries that have a number, durable or not yet.
    accepted: AtomicU64,
    /// How many entries are durable.
    durable: watch::Sender<u64>,
    /// How many entries the standby has confirmed in this term.
    confirmed: watch::Sender<u64>,
    /// Counts the changes of role.
    terms: watch::Sender<u64>,
    /// Promoted, and not followed yet: acknowledges alone even if replication is synchronous.
    /// A restart forgets it, which is the safe side.
    alone: AtomicBool,
    /// The disk failed half-way: takes no more writes.
    broken: AtomicBool,
    /// When a write failed, if none has gone well since.
    failed: Mutex<Option<Instant>>,
    /// Monotonic microseconds of the first acknowledgement in this term, 0 before it.
    first_ack_us: AtomicU64,
    /// How far the sender of an entry and this core may be apart in time, in seconds.
    clocks_apart_max_s: AtomicI64,
    figures: Figures,
}

/// The line to the standby.
#[derive(Debug)]
struct Link {
    replication: Replication,
    delay: Duration,
    /// How many entries have surely come down the link.
    settled: u64,
    /// Groups that became durable lately: how many entries there were then, and when.
    underway: VecDeque<(u64, Instant)>,
}

/// What a core exports beside its requests.
struct Figures {
    fsync: Histogram,
    entries: Gauge,
    epoch: Gauge,
    fenced: Gauge,
    lag: Gauge,
}

/// A core as its handlers see it.
struct Core {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    client: reqwest::Client,
    peers: Arc<Peers>,
    clock: BankClock,
    stop: web::Stop,
}

/// Runs `core-a` or `core-b`.
pub(super) async fn run(here: Here) -> io::Result<()> {
    let (ledger, view) = Ledger::open(&here.home.join("ledger.jsonl"))?;
    let role_file = role::file(&here.home);
    let role = match Role::read(&role_file)? {
        Some(role) => role,
        None => first_role(&here.name, &here.book)?,
    };
    role.write(&role_file)?;
    let token = Token::of(&here.home);
    let gate = Gate::new(token.clone(), role.epoch)?;
    let count = view.count();
    let shared = Arc::new(Shared {
        name: here.name,
        token,
        gate: Arc::clone(&gate),
        view,
        role: Mutex::new((role, 1)),
        link: Mutex::new(Link {
            replication: here.book.replication,
            delay: Duration::from_millis(here.book.link_delay_ms),
            settled: count,
            underway: VecDeque::new(),
        }),
        following: Mutex::default(),
        accepted: AtomicU64::new(count),
        durable: watch::Sender::new(count),
        confirmed: watch::Sender::new(0),
        terms: watch::Sender::new(1),
        alone: AtomicBool::new(false),
        broken: AtomicBool::new(false),
        failed: Mutex::new(None),
        first_ack_us: AtomicU64::new(0),
        clocks_apart_max_s: AtomicI64::new(CLOCKS_APART_MAX_S),
        figures: figures(&here.metrics),
    });
    let measured = Arc::clone(&shared);
    here.metrics.before_each_page(move || measured.measure());
    let (jobs, todo) = mpsc::channel(JOBS_MAX);
    let writer = Writer::new(ledger, Arc::clone(&shared), role_file);
    tokio::spawn(writer.work(todo));
    let client = web::client_of(&here.dir)?;
    let clock = BankClock::new(here.book.since.as_ref());
    let peers = Arc::new(Peers::new(here.dir, here.book));
    let stop = here.stop.clone();
    let core = Arc::new(Core { shared, jobs, client, peers, clock, stop });
    let (following, client) = (Arc::clone(&core), core.client.clone());
    tokio::spawn(follow::follow(following, client, Arc::clone(&core.peers)));
    let app = here.metrics.wrap(handlers::routes(core));
    let listener = GatedListener { inner: here.listener, gate };
    let app = app.into_make_service_with_connect_info::<gate::Acknowledging>();
    let server = axum::serve(listener, app).with_graceful_shutdown(here.stop.clone().asked());
    web::until_stopped(server, here.stop).await
}

/// What a core is when it first runs: `core-a` the primary, `core-b` its standby.
fn first_role(name: &str, book: &Book) -> io::Result<Role> {
    if name == "core-a" {
        return Ok(Role { part: Part::Primary, epoch: 1, primary: None });
    }
    let address = book.address("core-a").ok_or_else(|| {
        io::Error::other("the first standby needs its primary: start core-a before it")
    })?;
    let primary = Primary { address, name: Some("core-a".to_owned()) };
    Ok(Role { part: Part::Standby, epoch: 1, primary: Some(primary) })
}

fn figures(metrics: &super::metrics::Metrics) -> Figures {
    let figures = Figures {
        fsync: latency_histogram(),
        entries: Gauge::default(),
        epoch: Gauge::default(),
        fenced: Gauge::default(),
        lag: Gauge::default(),
    };
    metrics.register(|it| {
        it.register_with_unit(
            "ledger_write_duration",
            "Time to write a group of entries and have it on the disk",
            Unit::Seconds,
            figures.fsync.clone(),
        );
        it.register("ledger_entries", "Durable entries", figures.entries.clone());
        it.register("ledger_epoch", "Newest epoch this core took part in", figures.epoch.clone());
        it.register(
            "ledger_fenced",
            "1 if the fencing token forbids acknowledgements",
            figures.fenced.clone(),
        );
        it.register("replication_lag_entries", "Entries the standby lacks", figures.lag.clone());
    });
    figures
}

impl Core {
    /// Asks the writer and waits for its answer.
    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, Problem>>) -> Job,
    ) -> Result<T, Problem> {
        let busy = || Problem::unavailable("the writer of this core has ended");
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| busy())?;
        answer.await.map_err(|_| busy())?
    }
}

impl Shared {
    fn role(&self) -> (Role, u64) {
        self.role.lock().expect("no holder panics").clone()
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().expect("no holder panics")
    }

    fn following<T>(&self, see: impl FnOnce(&mut Following) -> T) -> T {
        see(&mut self.following.lock().expect("no holder panics"))
    }

    /// Whether this core may number entries.
    fn may_write(&self, role: &Role) -> Result<(), Problem> {
        if role.part == Part::Standby {
            return Err(Problem::conflict("not a primary: this core is a standby"));
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(Problem::unavailable("a write failed half-way: start this core again"));
        }
        match self.gate.fenced() {
            None => Ok(()),
            Some(token) => {
                let epoch = role.epoch;
                Err(Problem::conflict(format!("fenced: epoch {epoch} is below token {token}")))
            }
        }
    }

    fn accepted(&self, count: u64) {
        self.accepted.store(count, Ordering::SeqCst);
    }

    /// The view has just grown.
    fn grown(&self) {
        let count = self.view.count();
        self.link().underway.push_back((count, Instant::now()));
        self.changed(count);
    }

    /// The view has just been cut.
    fn shrunk(&self) {
        let count = self.view.count();
        let mut link = self.link();
        link.underway.clear();
        link.settled = count;
        drop(link);
        self.changed(count);
    }

    fn changed(&self, count: u64) {
        self.arrived();
        self.accepted(count);
        self.durable.send_replace(count);
    }

    /// How many entries have come down the link, and when the next ones will.
    fn arrived(&self) -> (u64, Option<Instant>) {
        let mut link = self.link();
        let now = Instant::now();
        while let Some((count, at)) = link.underway.front().copied() {
            if at + link.delay > now {
                return (link.settled, Some(at + link.delay));
            }
            link.settled = count;
            link.underway.pop_front();
        }
        (link.settled, None)
    }

    /// The same role in a later epoch.
    fn same_term(&self, role: Role) {
        self.gate.enter(role.epoch);
        self.role.lock().expect("no holder panics").0 = role;
    }

    /// Another role begins.
    fn new_term(&self, role: Role) {
        self.first_ack_us.store(0, Ordering::SeqCst);
        self.alone.store(role.part == Part::Primary, Ordering::SeqCst);
        self.confirmed.send_replace(0);
        self.following(|it| *it = Following::default());
        self.gate.enter(role.epoch);
        let mut now = self.role.lock().expect("no holder panics");
        *now = (role, now.1 + 1);
        let term = now.1;
        drop(now);
        self.terms.send_replace(term);
    }

    /// How many entries the standby lacks, as far as this core knows.
    fn lag(&self) -> u64 {
        let durable = self.view.count();
        match self.role().0.part {
            Part::Primary => durable.saturating_sub(*self.confirmed.borrow()),
            Part::Standby => self.following(|it| it.primary_has).saturating_sub(durable),
        }
    }

    /// Brings the gauges up to date.
    fn measure(&self) {
        let number = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        self.figures.entries.set(number(self.view.count()));
        self.figures.epoch.set(number(self.role().0.epoch));
        self.figures.fenced.set(i64::from(self.gate.fenced().is_some()));
        self.figures.lag.set(number(self.lag()));
    }

    /// Notes that a write failed, and says so.
    fn failed(&self, why: &io::Error) -> Problem {
        if self.failed.lock().expect("no holder panics").replace(Instant::now()).is_none() {
            tracing::error!(%why, "could not write");
        }
        Problem::unavailable(format!("could not write: {why}"))
    }

    /// Notes that a write went well.
    fn written(&self) {
        if self.failed.lock().expect("no holder panics").take().is_some() {
            tracing::info!("can write again");
        }
    }

    /// Whether a write failed a moment ago. It is forgotten soon, since only the next attempt
    /// can tell whether the disk is well again.
    fn has_just_failed(&self) -> bool {
        let failed = *self.failed.lock().expect("no holder panics");
        failed.is_some_and(|it| it.elapsed() < FAILURE_LASTS)
    }

    /// Notes that an entry is acknowledged now.
    fn acknowledged(&self) {
        let now = monotonic_us();
        // Only the first one of a term is kept; a later one finds it there.
        self.first_ack_us.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst).ok();
    }
}

/// `CLOCK_MONOTONIC` in microseconds.
fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(now.tv_nsec / 1_000).unwrap_or(0)
}
