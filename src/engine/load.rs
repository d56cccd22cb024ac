//! Sends a load: each request at its planned instant, whether or not earlier ones were answered,
//! and counts from that instant. A system that is slow cannot slow its load down, so that what it
//! kept waiting is seen (coordinated omission).

use std::{collections::BTreeMap, thread::JoinHandle, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use tokio::{sync::watch, time::Instant};

use crate::{
    engine::{
        desk::Desk,
        rows::{Row, Rows},
    },
    journal::{
        entry::{Entry, Fact, When},
        load::{LoadRow, Sum, bucket},
    },
    script::{
        expect::Expect,
        load::{Load, Part, reading},
    },
    verdict::Verdict,
    world::{World, host::HostError, thread},
};

/// Requests that are under way at once; each has a connection, and so a descriptor.
const FLIGHT_MAX: usize = 512;
/// The length of a stretch that has one row, in microseconds.
const STRETCH_US: u64 = 250_000;
/// So long a load must be as it should when everything was undone, in microseconds.
const SECOND_US: u64 = 1_000_000;
/// How long answers are waited for when the run is over.
const REST: Duration = Duration::from_millis(500);

/// Where a run is, for loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// The baseline is being looked at.
    Baseline,
    /// The method is being played, and so many phases of it have begun.
    Method(u32),
    /// It has been.
    After,
    /// The run is over.
    End,
}

/// What became of one request, and when it was planned for, by the world's clock.
struct Ended {
    planned_us: u64,
    took_us: u64,
    wanted: bool,
}

/// What is counted of one stretch.
#[derive(Default)]
struct Stretch {
    row: LoadRow,
    open: u64,
    times: BTreeMap<u16, u64>,
}

struct Counted {
    n: usize,
    began_us: u64,
    in_time_us: u64,
    stretches: BTreeMap<u64, Stretch>,
    rows: Rows,
}

/// Judges a load by what was planned to leave, and whose stretch was over, while faults stood or
/// before; or when everything was undone, at `back_us`.
pub(super) fn judge(
    it: &Load,
    desk: &Desk,
    (windows, back_us): (&[(u64, u64)], u64),
) -> Result<(), HostError> {
    let first = windows.iter().map(|it| it.0).min().unwrap_or(u64::MAX);
    for (expect, when) in &it.expects {
        let sum = match when {
            When::Before => sum(it, desk, |row| end(row) <= first),
            When::During => {
                sum(it, desk, |row| windows.iter().any(|it| row.0 >= it.0 && end(row) <= it.1))
            }
            When::After => match second(it, desk, back_us) {
                Some(sum) if expect.judge(&reading(&sum)).is_ok() => sum,
                _ => sum(it, desk, |row| row.0 >= back_us),
            },
        };
        say(&it.name, (expect, *when), &sum, desk)?;
    }
    Ok(())
}

/// Whether a load has shown what it must show once everything was undone, at `back_us`.
pub(super) fn settled(it: &Load, desk: &Desk, back_us: u64) -> bool {
    it.expects.iter().filter(|it| it.1 == When::After).all(|(expect, _)| {
        second(it, desk, back_us).is_some_and(|it| expect.judge(&reading(&it)).is_ok())
    })
}

/// The last whole second since `back_us`, if there is one.
fn second(it: &Load, desk: &Desk, back_us: u64) -> Option<Sum> {
    let (from, to) = desk.fold(|entries| {
        let rows = || rows_of(it, entries).filter(|it| it.0 >= back_us);
        Some((rows().map(|it| it.0).min()?, rows().map(end).max()?))
    })?;
    let start = to.saturating_sub(SECOND_US);
    (from <= start).then(|| sum(it, desk, |row| row.0 >= start))
}

fn end(row: &LoadRow) -> u64 {
    row.0.saturating_add(row.1)
}

fn rows_of<'a>(it: &Load, entries: &'a [Entry]) -> impl Iterator<Item = &'a LoadRow> {
    let name = it.name.clone();
    let rows = entries.iter().filter_map(move |entry| match &entry.fact {
        Fact::Loaded { load, rows } if *load == name => Some(rows),
        _ => None,
    });
    rows.flatten()
}

fn sum(it: &Load, desk: &Desk, counts: impl Fn(&LoadRow) -> bool) -> Sum {
    desk.fold(|entries| Sum::of(rows_of(it, entries).filter(|it| counts(it))))
}

fn say(
    name: &str,
    (expect, when): (&Expect, When),
    sum: &Sum,
    desk: &Desk,
) -> Result<(), HostError> {
    let (reading, of) = (reading(sum), sum.planned());
    let (verdict, why) = match expect.judge(&reading) {
        _ if of == 0 => (Verdict::Inconclusive, "nothing was sent over this stretch".to_owned()),
        Ok(()) => (Verdict::Pass, format!("{}, of {of} requests", expect.shown(&reading))),
        Err(why) => (Verdict::Fail, format!("{why}, of {of} requests")),
    };
    desk.write(Fact::Judged { hypothesis: name.to_owned(), when, verdict, why })
}

/// Sends the loads on a thread of their own: what is measured must not wait for what is sent.
pub(super) fn send_all(
    (loads, run, first): (Vec<Load>, &str, u64),
    world: &World,
    rows: &Rows,
    at: &watch::Receiver<At>,
) -> Option<JoinHandle<()>> {
    if loads.is_empty() {
        return None;
    }
    let (world, rows, at, run) = (world.clone(), rows.clone(), at.clone(), run.to_owned());
    let work = move || {
        let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = built.inspect_err(|why| tracing::error!("nothing is sent: {why}")) else {
            return;
        };
        let to = (&world, &rows);
        let send =
            |(n, it)| send((n, it, (run.clone(), first)), (to.0.clone(), to.1.clone()), at.clone());
        runtime.block_on(join_all(loads.into_iter().enumerate().map(send)));
        runtime.shutdown_background();
    };
    let started = thread::start("load", work);
    started.inspect_err(|why| tracing::error!("nothing is sent: {why}")).ok()
}

/// Sends the load with this number until the run says that it is over; its first request has the
/// number that is told.
pub(super) async fn send(
    (n, load, (run, number)): (usize, Load, (String, u64)),
    (world, rows): (World, Rows),
    mut at: watch::Receiver<At>,
) {
    let (first, last) = match load.during {
        Part::Run => (At::Baseline, At::End),
        Part::Method => (At::Method(0), At::After),
    };
    let first = load.from.map_or(first, At::Method);
    if at.wait_for(|it| *it >= first).await.is_err() {
        return;
    }
    let (began, began_us) = (Instant::now(), world.clock.now_us());
    let in_time_us = load.in_time.micros();
    let mut counted = Counted { n, began_us, in_time_us, stretches: BTreeMap::new(), rows };
    let mut flight = FuturesUnordered::new();
    let (mut since, mut seq) = (Duration::ZERO, number);
    loop {
        tokio::select! {
            biased;
            // Whoever holds the other end may also just vanish.
            _ = at.wait_for(|it| *it >= last) => break,
            () = tokio::time::sleep_until(began + since) => {
                let planned_us = began_us.saturating_add(micros(since));
                let leaves = flight.len() < FLIGHT_MAX;
                counted.planned(planned_us, leaves);
                if leaves {
                    flight.push(one(&load, (&run, seq), planned_us, &world));
                    seq += 1;
                }
                since += Duration::from_secs_f64(1.0 / load.rate_at(since));
            }
            Some(it) = flight.next() => counted.ended(&it),
        }
        counted.hand_over(world.clock.now_us());
    }
    let rest = Instant::now() + REST;
    while let Ok(Some(it)) = tokio::time::timeout_at(rest, flight.next()).await {
        counted.ended(&it);
    }
    counted.hand_over_all();
}

async fn one(load: &Load, (run, seq): (&str, u64), planned_us: u64, world: &World) -> Ended {
    let name = load.name.replace(|it: char| !it.is_ascii_alphanumeric(), "-");
    let ask = load.request.ask(&format!("{run}-{name}-{seq}"), seq, load.timeout.duration());
    let answer = world.web.ask(ask).await;
    let took_us = world.clock.now_us().saturating_sub(planned_us);
    Ended { planned_us, took_us, wanted: answer.is_ok_and(|it| load.wants(it.status)) }
}

fn micros(it: Duration) -> u64 {
    u64::try_from(it.as_micros()).unwrap_or(u64::MAX)
}

impl Counted {
    fn stretch(&mut self, planned_us: u64) -> &mut Stretch {
        let at = planned_us.saturating_sub(self.began_us) / STRETCH_US;
        self.stretches.entry(at).or_default()
    }

    fn planned(&mut self, planned_us: u64, leaves: bool) {
        let it = self.stretch(planned_us);
        if leaves {
            it.row.2 += 1;
            it.open += 1;
        } else {
            it.row.6 += 1;
        }
    }

    fn ended(&mut self, Ended { planned_us, took_us, wanted }: &Ended) {
        let in_time = *took_us <= self.in_time_us;
        let it = self.stretch(*planned_us);
        it.open = it.open.saturating_sub(1);
        match (wanted, in_time) {
            (true, true) => it.row.3 += 1,
            (true, false) => it.row.4 += 1,
            (false, _) => it.row.5 += 1,
        }
        *it.times.entry(bucket(*took_us)).or_default() += 1;
    }

    /// Hands over what is over and answered.
    fn hand_over(&mut self, now_us: u64) {
        let now = now_us.saturating_sub(self.began_us) / STRETCH_US;
        while let Some(first) = self.stretches.first_entry() {
            if *first.key() >= now || first.get().open > 0 {
                return;
            }
            let (at, it) = first.remove_entry();
            self.put(at, it);
        }
    }

    /// What has no answer by now has failed.
    fn hand_over_all(&mut self) {
        for (at, mut it) in std::mem::take(&mut self.stretches) {
            it.row.5 += it.open;
            self.put(at, it);
        }
    }

    fn put(&self, at: u64, it: Stretch) {
        let mut row = it.row;
        (row.0, row.1) = (self.began_us + at * STRETCH_US, STRETCH_US);
        row.7 = it.times.into_iter().collect();
        self.rows.put(Row::Load(self.n, row));
    }
}
