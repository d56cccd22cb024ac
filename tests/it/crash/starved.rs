//! How starved this machine is: a reference beside the healing, so that its limits can be held
//! against a machine that is busy with other things, and fail for nothing else.
//!
//! The reference is a thread that naps, works for a while and syncs a byte to the disk, over and
//! over. What it waited, though it could have run, every other process of this machine waited, too.

use std::{
    fs::File,
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::{PATIENCE, within};

/// How long the reference sleeps and works, and how often it syncs.
const NAP: Duration = Duration::from_millis(4);
const WORK: Duration = Duration::from_millis(1);
const SYNC_EVERY: Duration = Duration::from_millis(40);
/// Syncs that healing waits for, one after the other: the journal is taken over and anchored, and
/// what is put back is synced, with its folder.
const SYNCS: u32 = 4;
/// What healing has to work at most: on an idle machine the slowest takes a tenth of a second.
const HEALING: Duration = Duration::from_millis(100);
/// How often healing sleeps and has to be woken: a death is told, a child is gone, an undo is done.
const WAKES: u32 = 4;

/// What one turn of the reference saw.
struct Turn {
    at: Instant,
    /// It woke so much later than it asked for.
    late: Duration,
    /// Its work took so long, on the clock and on the processor.
    work: (Duration, Duration),
    sync: Option<Duration>,
}

/// The reference, while it runs.
#[derive(Default)]
pub(super) struct Reference {
    turns: Mutex<Vec<Turn>>,
    over: AtomicBool,
}

/// What a stretch of time was like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Starved {
    /// How much longer work took than it was worked on: 1 on an idle machine.
    pub(super) slower: f64,
    /// The worst waking took so much longer than asked.
    pub(super) late: Duration,
    /// The slowest sync.
    pub(super) sync: Duration,
}

impl Starved {
    /// What is allowed where an idle machine is allowed `limit`, seen by looks that take `look`.
    pub(super) fn allowed(&self, limit: Duration, look: Duration) -> Duration {
        let work = HEALING.mul_f64(self.slower - 1.0);
        limit + work + self.late * WAKES + self.sync * SYNCS + look
    }
}

impl Reference {
    /// Runs the reference as long as `what` does.
    pub(super) fn beside<T>(what: impl FnOnce(&Self) -> T) -> T {
        let it = Self::default();
        thread::scope(|scope| {
            scope.spawn(|| it.run());
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| what(&it)));
            it.over.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|why| std::panic::resume_unwind(why))
        })
    }

    fn run(&self) {
        let mut file = tempfile::tempfile().expect("a file");
        let mut synced = Instant::now();
        while !self.over.load(Ordering::Relaxed) {
            let mut turn = turn();
            if synced.elapsed() > SYNC_EVERY {
                turn.sync = Some(sync(&mut file));
                synced = Instant::now();
            }
            self.turns.lock().expect("no panic").push(turn);
        }
    }

    /// What it was like from then until now.
    pub(super) fn since(&self, from: Instant) -> Starved {
        let turns = self.turns.lock().expect("no panic");
        // The turn that was going on at its beginning, and the one before, count.
        let from = from.checked_sub(SYNC_EVERY * 2).unwrap_or(from);
        let of_it: Vec<&Turn> = turns.iter().rev().take_while(|it| it.at >= from).collect();
        let sum = |of: fn(&Turn) -> Duration| of_it.iter().map(|it| of(it)).sum::<Duration>();
        let (clock, processor) = (sum(|it| it.work.0), sum(|it| it.work.1));
        Starved {
            slower: (clock.as_secs_f64() / processor.as_secs_f64().max(1e-6)).max(1.0),
            late: of_it.iter().map(|it| it.late).max().unwrap_or_default(),
            sync: of_it.iter().filter_map(|it| it.sync).max().unwrap_or_default(),
        }
    }
}

/// A promise: a lease that has to run out first, and so long for the healing itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promise {
    pub(super) lease: Duration,
    pub(super) limit: Duration,
}

impl Promise {
    /// Waits until `is_healed`, and holds that against the promise; tells how long it took.
    pub(super) fn hold(
        self,
        (death, reference): (Instant, &Reference),
        story: &str,
        mut is_healed: impl FnMut() -> bool,
    ) -> Duration {
        let Self { lease, limit } = self;
        let mut look = Duration::ZERO;
        let is_healed = within(lease + PATIENCE, || {
            let began = Instant::now();
            let is = is_healed();
            look = look.max(began.elapsed());
            is
        });
        // While the lease runs out nobody is kept waiting.
        let (took, starved) = (death.elapsed(), reference.since(death + lease));
        assert!(is_healed, "{story}: not healed in {took:?}");
        let (bare, allowed) = (lease + limit, lease + starved.allowed(limit, look));
        println!(
            "{story}: healed in {took:?}, promised {bare:?}, here {allowed:?}: {starved:?}, \
             looks of {look:?}"
        );
        assert!(took <= allowed, "{story}: {took:?} is more than {bare:?}: {starved:?}");
        took
    }
}

fn turn() -> Turn {
    let asleep = Instant::now();
    thread::sleep(NAP);
    let late = asleep.elapsed().saturating_sub(NAP);
    // A timer that is not late at all is late by its slack.
    let late = late.saturating_sub(Duration::from_micros(200));
    let (began, before) = (Instant::now(), processor());
    while processor().saturating_sub(before) < WORK {
        std::hint::black_box(began);
    }
    let work = (began.elapsed(), processor().saturating_sub(before));
    Turn { at: Instant::now(), late, work, sync: None }
}

fn sync(file: &mut File) -> Duration {
    let began = Instant::now();
    file.write_all(b"x").and_then(|()| file.sync_data()).expect("a byte can be written");
    began.elapsed()
}

/// Processor time of this thread.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |it: i64| u64::try_from(it).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

#[test]
fn what_an_idle_machine_is_not_allowed_is_allowed_to_a_starved_one_by_what_was_measured() {
    let limit = Duration::from_secs(1);
    let idle = Starved { slower: 1.0, late: Duration::ZERO, sync: Duration::ZERO };
    assert_eq!(idle.allowed(limit, Duration::ZERO), limit);
    let busy =
        Starved { slower: 1.5, late: Duration::from_millis(20), sync: Duration::from_millis(10) };
    let look = Duration::from_millis(5);
    assert_eq!(busy.allowed(limit, look), Duration::from_millis(1_000 + 50 + 80 + 40 + 5));
    let began = Instant::now();
    let seen = Reference::beside(|it| {
        let turned = || it.turns.lock().expect("no panic").iter().any(|it| it.sync.is_some());
        assert!(within(PATIENCE, turned), "it turns");
        it.since(began)
    });
    assert!(seen.slower >= 1.0 && seen.slower.is_finite(), "{seen:?}");
    assert!(seen.sync > Duration::ZERO, "{seen:?}");
}
