//! The shipped drill, on real processes: what it measures is what others measure, too.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use holdfast::{
    journal::{
        entry::{Fact, OnVanish, Successor},
        fold,
    },
    sandbox::bank,
    world::{clock::Clock as _, linux::clock::LinuxClock},
};
use serde_json::{Value, json};

use crate::{
    ground::within,
    stage::{self, Played, Stage, text},
};

const DRILL: &str = "chaos-scenarios/drills/ledger-primary-lost.yaml";

fn now_us() -> u64 {
    LinuxClock.now_us()
}

/// Pays once through the gateway, with a deadline; true if the payment was acknowledged.
async fn pay(client: &reqwest::Client, gateway: SocketAddr, key: &str) -> bool {
    let body = json!({
        "debtor": "observer", "creditor": "observer", "creditor_name": "Independent Observer",
        "amount_minor": 1, "currency": "EUR",
    });
    let ask = client.post(format!("http://{gateway}/payments")).header("idempotency-key", key);
    let sent = ask.json(&body).timeout(Duration::from_millis(500)).send().await;
    sent.is_ok_and(|it| it.status().is_success())
}

/// What somebody else saw: each payment with its sending, its answer and how it went, and the first
/// instant at which the standby says that it acknowledged as a primary.
#[derive(Default)]
struct Seen {
    payments: Vec<(u64, u64, bool)>,
    resumed_us: Option<u64>,
}

/// An observer of its own, with its own client, thread and schedule.
struct Observer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Seen>>,
}

impl Observer {
    fn start(gateway: SocketAddr, standby: SocketAddr) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Seen>>::default());
        let (ended, shared) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(observe(gateway, standby, &ended, &shared));
        });
        Self { stop, thread: Some(thread), seen }
    }

    fn end(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

async fn observe(
    gateway: SocketAddr,
    standby: SocketAddr,
    ended: &AtomicBool,
    shared: &Arc<Mutex<Seen>>,
) {
    let client = bank::client().unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(15));
    let mut tasks = tokio::task::JoinSet::new();
    let mut n = 0;
    while !ended.load(Ordering::Relaxed) {
        tick.tick().await;
        n += 1;
        let (client, shared) = (client.clone(), Arc::clone(shared));
        tasks.spawn(async move {
            let sent = now_us();
            let good = pay(&client, gateway, &format!("observer-{n}")).await;
            shared.lock().unwrap().payments.push((sent, now_us(), good));
            let asked = client.get(format!("http://{standby}/status")).send().await;
            let Ok(said) = asked else { return };
            let status: Value = said.json().await.unwrap_or_default();
            if let (Some("primary"), Some(at)) =
                (status["role"].as_str(), status["first_ack_mono_us"].as_u64())
            {
                shared.lock().unwrap().resumed_us.get_or_insert(at);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// The interval in which an observer saw the service come back, counted from the fault's window.
fn interval(payments: &[(u64, u64, bool)], (from, to): (u64, u64)) -> (i64, i64) {
    let mut sorted = payments.to_vec();
    sorted.sort_unstable();
    let first_bad = sorted.iter().position(|it| it.0 >= from && !it.2).expect("an outage");
    let after = &sorted[first_bad..];
    let good = after.windows(5).position(|it| it.iter().all(|it| it.2)).expect("a recovery");
    let (last_bad, first_good) = (after[good - 1], after[good]);
    (last_bad.0.cast_signed() - to.cast_signed(), first_good.1.cast_signed() - from.cast_signed())
}

fn rto(played: &Played) -> (i64, i64) {
    let rto = &played.report["drill"]["rto"];
    (rto["lower_us"].as_i64().unwrap(), rto["upper_us"].as_i64().unwrap())
}

/// Plays a drill while somebody else looks on.
fn watched(stage: &Stage, file: &str) -> (Played, Seen) {
    let book = stage.book();
    let (gateway, standby) = (book.address("gateway").unwrap(), book.address("core-b").unwrap());
    let observer = Observer::start(gateway, standby);
    let played = stage.play(&["drill", "run", file]);
    let seen = observer.end();
    assert_eq!(played.code(), 0, "{}", played.said());
    (played, seen)
}

/// The server's own record lies in the interval, whichever instant of the fault's window is taken
/// for its beginning, and what somebody else saw overlaps.
fn assert_contains((played, seen): (&Played, &Seen)) {
    let (lower, upper) = rto(played);
    assert!(0 < lower && lower <= upper, "{lower} {upper}");
    let (from, to) = played.fault();
    let resumed = seen.resumed_us.expect("the standby tells when it resumed");
    let (shortest, longest) =
        (resumed.cast_signed() - to.cast_signed(), resumed.cast_signed() - from.cast_signed());
    assert!(
        lower <= shortest && longest <= upper,
        "{shortest}..{longest} is not in {lower}..{upper}"
    );
    let (their_lower, their_upper) = interval(&seen.payments, (from, to));
    assert!(
        lower <= their_upper && their_lower <= upper,
        "{lower}..{upper} and {their_lower}..{their_upper} do not overlap"
    );
}

#[test]
fn with_synchronous_replication_nothing_is_lost_and_the_time_is_what_others_measure() {
    let stage = Stage::with_bank(&["--replication", "sync", "--link-delay", "5ms"]);
    let (played, seen) = watched(&stage, DRILL);
    assert_eq!(played.report["drill"]["rpo"]["classes"]["lost"], 0);
    assert_eq!(stage.gone(&played), 0);
    assert_contains((&played, &seen));
    // Energy and utilisation are told for each phase, with bounds and a method, or with a reason.
    let phases = played.report["phases"].as_array().unwrap();
    assert!(phases.len() >= 9);
    assert!(
        played.report["whole"]["energy"].to_string().contains("method"),
        "{played:?}",
        played = played.report["whole"]
    );
    stage.assert_verifies(&played);
}

/// The shipped drill up to the recovery, with short pauses: what is measured is the same.
fn short(stage: &Stage) -> String {
    let shipped = std::fs::read_to_string(DRILL).unwrap();
    let (there, _) = shipped.split_once("  - phase: fail back").unwrap();
    let pauses = [("5s", "100ms"), ("3s", "300ms"), ("2s", "100ms")];
    let text = pauses.iter().fold(there.to_owned(), |text, (long, short)| {
        text.replace(&format!("pause: {long}"), &format!("pause: {short}"))
    });
    let file = stage.state().join("short.yaml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn in_every_run_the_interval_contains_the_true_recovery_and_overlaps_what_others_saw() {
    let times = if std::env::var_os("HOLDFAST_SOAK").is_some() { 100 } else { 5 };
    for _ in 0..times {
        let stage = Stage::with_bank(&["--replication", "sync", "--link-delay", "5ms"]);
        let file = short(&stage);
        let (played, seen) = watched(&stage, &file);
        assert_contains((&played, &seen));
        assert_eq!(stage.gone(&played), 0);
    }
}

#[test]
fn with_asynchronous_replication_over_a_slow_link_exactly_what_is_gone_is_told() {
    let stage = Stage::with_bank(&["--replication", "async", "--link-delay", "300ms"]);
    let played = stage.play(&["drill", "run", DRILL]);
    assert_eq!(played.code(), 1, "{}", played.said());
    let lost = played.report["drill"]["rpo"]["classes"]["lost"].as_u64().unwrap();
    assert!(lost > 0);
    assert_eq!(stage.gone(&played), usize::try_from(lost).unwrap());
    assert_eq!(played.report["verdict"], "fail");
    assert!(played.said().contains(&format!("{lost} of ")), "{}", played.said());
    stage.assert_verifies(&played);
}

#[test]
fn when_the_runner_of_a_drill_dies_its_deliberate_steps_stand() {
    let stage = Stage::with_bank(&["--replication", "sync", "--link-delay", "5ms"]);
    let mut runner = stage.command(&["drill", "run", DRILL]).spawn().unwrap();
    let journal = || {
        let runs = std::fs::read_dir(stage.state().join("runs")).ok()?;
        let run = runs.flatten().map(|it| it.path()).max()?;
        std::fs::read_to_string(run.join("journal.jsonl")).ok()
    };
    let until = |what: &str| {
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        while !journal().is_some_and(|it| it.contains(what)) {
            assert!(std::time::Instant::now() < deadline, "{what} never came");
            std::thread::yield_now();
        }
    };
    until(r#"{"phase_began":{"phase":"verify"}}"#);
    runner.kill().unwrap();
    let output = runner.wait_with_output().unwrap();
    until(r#"{"taken_over":"#);
    let waits = || fold::suspended(&stage::entries(&stage.newest()));
    assert!(within(Duration::from_mins(1), waits), "it waits");
    let played = stage.played(output);
    let facts: Vec<_> = played.entries.iter().map(|it| &it.fact).collect();
    let taken =
        facts.iter().any(|it| matches!(it, Fact::TakenOver { by: Successor::Guardian, .. }));
    assert!(taken, "the guardian took over");
    let meant = facts
        .iter()
        .filter(|it| matches!(it, Fact::Intent(it) if it.on_vanish == OnVanish::Keep))
        .count();
    assert!(meant >= 3, "fence, promote and route were done");
    // They stand, with the kill that nobody can undo, until the run is resumed or ended.
    assert_eq!(fold::outstanding(&played.entries).len(), meant + 1);
    let gateway = stage.book().address("gateway").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let paid = runtime.block_on(async { pay(&bank::client().unwrap(), gateway, "after").await });
    assert!(paid, "the route to the promoted standby stands");
    let ended = stage.run(&["drill", "abort", &played.id()]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let after = stage::entries(&played.folder);
    assert!(fold::ended(&after) && fold::outstanding(&after).is_empty());
    let kept = after.iter().filter(|it| matches!(it.fact, Fact::Kept { .. })).count();
    assert_eq!(kept, meant + 1);
    stage.assert_verifies(&played);
}
