//! The thread that asks one collector after the other, and a fresh one when a collector hangs.
//!
//! Most collectors read files that answer at once. When one overstays all the same, the thread is
//! left to it, and a fresh one asks the others. Who hangs is not asked again before its thread is
//! back: it costs one thread, however often the machine is scraped.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    rules::Limits,
    scrape::{Make, attempt},
};
use crate::{
    collector::{Blank, Collector, Samples},
    world::{roots::Roots, thread},
};

/// A round ends after so many times the patience that one collector gets: so many that never hung
/// before can hang in one scrape, and it is still answered.
const PATIENCE_TIMES: u32 = 4;

/// The collectors, and the thread that goes from one to the next.
pub(crate) struct Round {
    desk: Arc<Mutex<Desk>>,
    roots: Roots,
    patience: Duration,
    orders: Option<mpsc::Sender<Order>>,
    /// The order that the thread works at; still there when a client went away meanwhile.
    pending: Option<oneshot::Receiver<()>>,
}

/// What the threads and the scrape share.
#[derive(Default)]
struct Desk {
    seats: Vec<Seat>,
    /// The order that counts. A thread that works at an earlier one was given up.
    order: u64,
    /// With whom its thread is, and since when.
    with: Option<(usize, Instant)>,
    found: Found,
}

struct Seat {
    make: Make,
    /// What counts for this one, if it was said.
    limits: Limits,
    /// Nobody, while a thread is with it.
    collector: Option<Box<dyn Collector>>,
}

struct Order {
    number: u64,
    seats: Vec<usize>,
    series_max: usize,
    done: oneshot::Sender<()>,
}

/// What a round brought.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) samples: Samples,
    pub(crate) visits: Vec<Visit>,
}

/// What came of a call.
pub(crate) struct Visit {
    pub(crate) seat: usize,
    pub(crate) took: Duration,
    /// Series beyond the budget.
    pub(crate) left_out: usize,
    pub(crate) outcome: Result<(), Blank>,
}

impl Visit {
    fn late(seat: usize, took: Duration, why: &str) -> Self {
        Self { seat, took, left_out: 0, outcome: Err(Blank::Late(why.to_owned())) }
    }
}

impl Round {
    /// Nobody yet. Each collector may take so long.
    pub(crate) fn new(roots: Roots, patience: Duration) -> Self {
        Self { desk: Arc::default(), roots, patience, orders: None, pending: None }
    }

    /// Gives a collector a seat.
    pub(crate) fn seat(&mut self, make: Make) -> usize {
        let mut desk = lock(&self.desk);
        let collector = Some(make());
        desk.seats.push(Seat { make, limits: Limits::default(), collector });
        desk.seats.len() - 1
    }

    /// Lets other limits count for a collector.
    pub(crate) fn limit(&self, seat: usize, limits: Limits) {
        if let Some(seat) = lock(&self.desk).seats.get_mut(seat) {
            seat.limits = limits;
        }
    }

    /// Asks those who sit there, in this order. Each may bring so many series. The buffers of the
    /// last round's samples come back with `spare`.
    pub(crate) async fn go(
        &mut self,
        mut seats: Vec<usize>,
        series_max: usize,
        spare: Samples,
    ) -> Found {
        let until = Instant::now() + self.patience * PATIENCE_TIMES;
        // A client that went away left an order behind; its findings are nobody's.
        self.finish(until).await;
        let mut found = Found { samples: spare, visits: Vec::new() };
        found.samples.clear();
        lock(&self.desk).found = found;
        while !seats.is_empty() {
            if let Err(why) = self.send(seats.clone(), series_max) {
                let why = format!("there is no thread to ask on: {why}");
                self.note_late(&seats, &why);
                break;
            }
            self.finish(until).await;
            let found = &lock(&self.desk).found;
            seats.retain(|seat| !found.visits.iter().any(|visit| visit.seat == *seat));
            if Instant::now() >= until {
                break;
            }
        }
        self.note_late(&seats, "others hang, and the time for all of them is over");
        std::mem::take(&mut lock(&self.desk).found)
    }

    fn note_late(&self, seats: &[usize], why: &str) {
        let mut desk = lock(&self.desk);
        for seat in seats {
            if !desk.found.visits.iter().any(|visit| visit.seat == *seat) {
                desk.found.visits.push(Visit::late(*seat, Duration::ZERO, why));
            }
        }
    }

    fn send(&mut self, seats: Vec<usize>, series_max: usize) -> io::Result<()> {
        let orders = match self.orders.take() {
            Some(orders) => orders,
            None => self.start()?,
        };
        let (done, pending) = oneshot::channel();
        let number = lock(&self.desk).order;
        // A thread that is gone closes the channel, and `finish` sees it.
        drop(orders.send(Order { number, seats, series_max, done }));
        self.orders = Some(orders);
        self.pending = Some(pending);
        Ok(())
    }

    fn start(&self) -> io::Result<mpsc::Sender<Order>> {
        let (orders, inbox) = mpsc::channel();
        let (desk, roots) = (Arc::clone(&self.desk), self.roots.clone());
        drop(thread::start("collect", move || go_round(&desk, &roots, inbox))?);
        Ok(orders)
    }

    /// Waits until the order is done, or its thread has been with one collector for too long and
    /// is given up.
    async fn finish(&mut self, until: Instant) {
        let Some(pending) = &mut self.pending else { return };
        loop {
            let (since, patience) = lock(&self.desk).with(self.patience);
            let end = until.min(since + patience);
            let is_alive = match timeout_at(end, &mut *pending).await {
                Ok(Ok(())) => break,
                Ok(Err(_)) => false,
                Err(_) => true,
            };
            let mut desk = lock(&self.desk);
            let hangs = desk.with.is_some_and(|(_, since)| since.elapsed() >= patience);
            if is_alive && !hangs && Instant::now() < until {
                continue; // It went on to the next meanwhile.
            }
            desk.order += 1;
            if let Some((seat, since)) = desk.with.take() {
                let visit = Visit::late(seat, since.elapsed(), "a call hangs");
                desk.found.visits.push(visit);
            }
            self.orders = None;
            break;
        }
        self.pending = None;
    }
}

impl Desk {
    /// Since when the thread is with a collector, and how long it may be.
    fn with(&self, usual: Duration) -> (Instant, Duration) {
        let Some((at, since)) = self.with else { return (Instant::now(), usual) };
        let said = self.seats.get(at).and_then(|it| it.limits.deadline);
        (since, said.unwrap_or(usual))
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread's life. It ends when it was given up, or when nobody orders any more.
fn go_round(desk: &Mutex<Desk>, roots: &Roots, orders: mpsc::Receiver<Order>) {
    let mut samples = Samples::default();
    for order in orders {
        for seat in &order.seats {
            if !visit(desk, roots, &order, *seat, &mut samples) {
                return;
            }
        }
        // Nobody waits any more when the client went away.
        order.done.send(()).unwrap_or(());
    }
}

/// Asks one collector; false when the thread was given up meanwhile, and is to end.
fn visit(
    desk: &Mutex<Desk>,
    roots: &Roots,
    order: &Order,
    at: usize,
    samples: &mut Samples,
) -> bool {
    let begun = Instant::now();
    let mut shared = lock(desk);
    if shared.order != order.number {
        return false;
    }
    let Some(seat) = shared.seats.get_mut(at) else { return true };
    let Some(mut collector) = seat.collector.take() else {
        shared.found.visits.push(Visit::late(at, Duration::ZERO, "an earlier call hangs"));
        return true;
    };
    let make = Arc::clone(&seat.make);
    let series_max = seat.limits.series_max.unwrap_or(order.series_max);
    shared.with = Some((at, begun));
    let round = shared.found.samples.round();
    drop(shared);
    samples.clear();
    samples.belong_to(round);
    let mark = samples.mark();
    let outcome = attempt(&mut collector, &make, roots, samples);
    let left_out = samples.keep_rows(mark, series_max);
    let mut shared = lock(desk);
    if let Some(seat) = shared.seats.get_mut(at) {
        seat.collector = Some(collector);
    }
    // What it found too late belongs to an earlier scrape, and is not passed off as new.
    if shared.order != order.number {
        return false;
    }
    shared.with = None;
    shared.found.samples.append(samples);
    shared.found.visits.push(Visit { seat: at, took: begun.elapsed(), left_out, outcome });
    true
}
