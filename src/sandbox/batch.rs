//! `batch`: pays out what was collected, by workers that are processes of their own. When work
//! piles up it starts more of them, when there is none it lets them go, and one that dies is
//! started again.
#![expect(clippy::disallowed_methods, reason = "the sandbox is a room that may touch the world")]
#![expect(clippy::disallowed_types, reason = "the sandbox is a room that may touch the world")]

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    routing::get,
};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    bank::own_program,
    process::Here,
    web::{self, Problem},
};
use crate::world::thread;

/// What a worker's process is called.
pub(super) const WORKER: &str = "batch-worker";
const RATE_MAX: u32 = 1_000;
const WORKERS_MAX: u32 = 16;
const JOB_MAX_MS: u64 = 1_000;
const JOB_MAX_MIB: u32 = 256;
/// Jobs that wait beyond this are turned away.
const QUEUE_MAX: u64 = 100_000;
/// How often it is decided whether there are enough workers.
const DECIDE_EVERY: Duration = Duration::from_millis(100);
/// More jobs than this for each worker call for another one.
const PILE: u64 = 4;
/// For so long there must be no job before a worker is let go.
const IDLE: Duration = Duration::from_secs(2);
/// A worker that takes longer over a job is dead or hangs.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Before a worker that died is started again: so long at first, and twice as long each time that
/// it has done nothing in between.
const RESTART_AFTER: Duration = Duration::from_millis(50);
const RESTART_AFTER_MAX: Duration = Duration::from_millis(800);

/// How much work comes, and who may do it.
#[derive(Debug, Clone, Copy, Serialize)]
struct Settings {
    /// Jobs a second.
    rate: u32,
    /// How long a worker needs for one.
    job_ms: u64,
    /// How much memory it needs for one, in MiB.
    job_mib: u32,
    /// The most workers.
    workers_max: u32,
    /// Whether a worker that died is started again.
    restart: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    rate: Option<u32>,
    job_ms: Option<u64>,
    job_mib: Option<u32>,
    workers_max: Option<u32>,
    restart: Option<bool>,
}

struct Batch {
    dir: PathBuf,
    settings: Mutex<Settings>,
    waiting: Mutex<u64>,
    more: Notify,
    arrived: Counter,
    done: Counter,
    restarts: Counter,
    depth: Gauge,
    /// How many workers there shall be; whoever has a higher number goes.
    wanted: AtomicU32,
}

/// Runs the batch with its first worker.
pub(super) async fn run(here: Here) -> io::Result<()> {
    // While a worker that was ended still has its memory, the kernel would take whoever asks for
    // more, and that is who starts the next one. Without the power to say so it stays as it was.
    if let Err(why) = fs::write("/proc/self/oom_score_adj", "-1000") {
        tracing::debug!(%why, "the batch may go when memory is out");
    }
    let settings = Settings { rate: 0, job_ms: 20, job_mib: 0, workers_max: 4, restart: true };
    let batch = Arc::new(Batch {
        dir: here.dir,
        settings: Mutex::new(settings),
        waiting: Mutex::new(0),
        more: Notify::new(),
        arrived: Counter::default(),
        done: Counter::default(),
        restarts: Counter::default(),
        depth: Gauge::default(),
        wanted: AtomicU32::new(1),
    });
    here.metrics.register(|it| {
        it.register("batch_jobs_arrived", "Jobs that arrived", batch.arrived.clone());
        it.register("batch_jobs_done", "Jobs that workers have done", batch.done.clone());
        it.register("batch_worker_restarts", "Workers started again", batch.restarts.clone());
        it.register("batch_jobs_waiting", "Jobs that nobody has begun", batch.depth.clone());
    });
    let app = Router::new()
        .route("/settings", get(show).put(change))
        .route("/status", get(status))
        .route("/healthz", get(async || Json(json!({ "ok": true }))))
        .with_state(Arc::clone(&batch))
        .layer(web::body_limit());
    let work = [tokio::spawn(arrive(Arc::clone(&batch))), tokio::spawn(supervise(batch))];
    let ended = web::serve(here.listener, here.metrics.wrap(app), here.stop).await;
    // With its pipe a worker loses its reason to be.
    work.iter().for_each(tokio::task::JoinHandle::abort);
    ended
}

/// Lets jobs arrive, whether or not earlier ones are done.
async fn arrive(batch: Arc<Batch>) {
    const TICK: Duration = Duration::from_millis(10);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut thousandths: u64 = 0;
    loop {
        tick.tick().await;
        thousandths += u64::from(batch.settings().rate) * 10;
        let more = thousandths / 1_000;
        thousandths %= 1_000;
        if more > 0 {
            batch.arrived.inc_by(more);
            let mut waiting = batch.waiting();
            *waiting = (*waiting + more).min(QUEUE_MAX);
            drop(waiting);
            batch.more.notify_waiters();
        }
    }
}

/// Keeps as many workers as the work needs.
async fn supervise(batch: Arc<Batch>) {
    let mut workers = tokio::task::JoinSet::new();
    let mut idle_since = Instant::now();
    let mut tick = interval(DECIDE_EVERY);
    for number in 0..WORKERS_MAX {
        workers.spawn(employ(Arc::clone(&batch), number));
    }
    loop {
        tick.tick().await;
        let (waiting, most) = (*batch.waiting(), batch.settings().workers_max);
        let wanted = batch.wanted.load(Ordering::SeqCst);
        batch.depth.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        if waiting > 0 {
            idle_since = Instant::now();
        }
        let next = if waiting > PILE * u64::from(wanted) && wanted < most {
            wanted + 1
        } else if wanted > most || (idle_since.elapsed() > IDLE && wanted > 1) {
            idle_since = Instant::now();
            wanted - 1
        } else {
            continue;
        };
        tracing::info!(waiting, workers = next, "has another number of workers");
        batch.wanted.store(next, Ordering::SeqCst);
        batch.more.notify_waiters();
    }
}

/// Keeps the worker of this number alive as long as it is wanted, and gives it jobs.
async fn employ(batch: Arc<Batch>, number: u32) {
    let mut lost = false;
    let mut rest = RESTART_AFTER;
    loop {
        if !batch.wants(number) || (lost && !batch.settings().restart) {
            batch.news().await;
            continue;
        }
        let mut done = 0;
        let ended = attend(&batch, number, &mut done).await;
        lost = ended.is_err();
        match ended {
            Ok(()) => tracing::info!(number, "let a worker go"),
            Err(why) => {
                tracing::warn!(number, %why, "lost a worker");
                batch.restarts.inc();
                rest = if done > 0 { RESTART_AFTER } else { rest };
                sleep(rest).await;
                rest = (rest * 2).min(RESTART_AFTER_MAX);
            }
        }
    }
}

/// One worker's life, and the jobs that it has done.
async fn attend(batch: &Batch, number: u32, done: &mut u64) -> io::Result<()> {
    let mut child = Command::new(own_program())
        .args(["sandbox-process", WORKER, "--dir"])
        .arg(&batch.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    // When memory is out it is a worker that goes, and not who starts the next one. Until the
    // worker itself could say so, the kernel may have looked for one.
    if let Some(pid) = child.id()
        && let Err(why) = fs::write(format!("/proc/{pid}/oom_score_adj"), "1000")
    {
        tracing::warn!(number, %why, "a worker is not the first to go when memory is out");
    }
    let lost = || io::Error::other("it has no pipes");
    let mut give = child.stdin.take().ok_or_else(lost)?;
    let mut take = BufReader::new(child.stdout.take().ok_or_else(lost)?).lines();
    while batch.wants(number) {
        if !batch.take_one() {
            tokio::select! {
                () = batch.news() => {}
                ended = child.wait() => return Err(io::Error::other(format!("{}", ended?))),
            }
            continue;
        }
        let Settings { job_ms, job_mib, .. } = batch.settings();
        let job = format!("{job_ms} {job_mib}\n");
        let worked = async {
            give.write_all(job.as_bytes()).await?;
            take.next_line().await
        };
        match timeout(ANSWER_MAX, worked).await {
            Ok(Ok(Some(_))) => {
                batch.done.inc();
                *done += 1;
            }
            outcome => {
                // Not done: somebody else will do it.
                *batch.waiting() += 1;
                // What it had is free once it is gone, and not before.
                child.kill().await?;
                return Err(match outcome {
                    Ok(Err(why)) => why,
                    Ok(Ok(_)) => io::Error::other("it hung up over a job"),
                    Err(_) => io::Error::other("it does not answer"),
                });
            }
        }
    }
    drop(give);
    child.wait().await.map(drop)
}

/// A worker: each line is a job, which takes so many milliseconds and so many MiB of memory. Its
/// input's end is its own.
pub(super) fn work() -> io::Result<()> {
    // What nobody may end must not take memory: it has that from the batch, until it is said.
    fs::write("/proc/self/oom_score_adj", "1000")?;
    for job in io::stdin().lock().lines() {
        let job = job?;
        let (ms, mib) = job.trim().split_once(' ').unwrap_or((job.trim(), "0"));
        let ms = ms.parse().map_err(io::Error::other)?;
        let mib: usize = mib.parse().map_err(io::Error::other)?;
        let taken = vec![1_u8; mib << 20];
        thread::nap(Duration::from_millis(ms));
        drop(std::hint::black_box(taken));
        let mut out = io::stdout().lock();
        out.write_all(b"done\n")?;
        out.flush()?;
    }
    Ok(())
}

impl Batch {
    fn settings(&self) -> Settings {
        *self.settings.lock().expect("no holder panics")
    }

    fn waiting(&self) -> MutexGuard<'_, u64> {
        self.waiting.lock().expect("no holder panics")
    }

    fn wants(&self, number: u32) -> bool {
        number < self.wanted.load(Ordering::SeqCst)
    }

    /// Waits until something may have changed, for a moment at most: what changes between a look
    /// and the wait after it is told to nobody.
    async fn news(&self) {
        tokio::select! { () = self.more.notified() => {}, () = sleep(DECIDE_EVERY) => {} }
    }

    fn take_one(&self) -> bool {
        let mut waiting = self.waiting();
        let some = *waiting > 0;
        *waiting = waiting.saturating_sub(1);
        some
    }
}

async fn show(State(batch): State<Arc<Batch>>) -> Json<Settings> {
    Json(batch.settings())
}

async fn change(
    State(batch): State<Arc<Batch>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Settings>, Problem> {
    let change: Change = web::read(body)?;
    if change.rate.is_some_and(|it| it > RATE_MAX) {
        return Err(Problem::unprocessable(format!("`rate` is at most {RATE_MAX}")));
    }
    if change.job_ms.is_some_and(|it| it > JOB_MAX_MS) {
        return Err(Problem::unprocessable(format!("`job_ms` is at most {JOB_MAX_MS}")));
    }
    if change.job_mib.is_some_and(|it| it > JOB_MAX_MIB) {
        return Err(Problem::unprocessable(format!("`job_mib` is at most {JOB_MAX_MIB}")));
    }
    if change.workers_max.is_some_and(|it| !(1..=WORKERS_MAX).contains(&it)) {
        return Err(Problem::unprocessable(format!("`workers_max` is 1 to {WORKERS_MAX}")));
    }
    let mut settings = batch.settings.lock().expect("no holder panics");
    settings.rate = change.rate.unwrap_or(settings.rate);
    settings.job_ms = change.job_ms.unwrap_or(settings.job_ms);
    settings.job_mib = change.job_mib.unwrap_or(settings.job_mib);
    settings.restart = change.restart.unwrap_or(settings.restart);
    settings.workers_max = change.workers_max.unwrap_or(settings.workers_max);
    Ok(Json(*settings))
}

async fn status(State(batch): State<Arc<Batch>>) -> Json<Value> {
    Json(json!({
        "waiting": *batch.waiting(),
        "workers": batch.wanted.load(Ordering::SeqCst),
        "done": batch.done.get(),
        "owed": batch.arrived.get().saturating_sub(batch.done.get()),
        "restarts": batch.restarts.get(),
    }))
}
