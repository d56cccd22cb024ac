//! Sites elsewhere: their Prometheus is asked for what it has seen since the last time. It runs
//! beside the probes, so that a slow answer delays no step.
//!
//! The instant of a reading is that of the scrape, by the server's clock; `time()` ties it to ours,
//! to half of what that question took. Values between scrapes are nobody's: of each scrape one row
//! is kept, and where there was none there is a gap.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, timeout},
};

use crate::{
    engine::rows::{Row, Rows},
    journal::{
        index::EnergyFigures,
        site::{Resource, SiteRow, SiteRows},
    },
    script::sites::{Column, Queries, Remote},
    world::{
        World,
        promql::{self, Series},
        web::{Ask, Method},
    },
};

/// Between two rounds of questions.
const EVERY: Duration = Duration::from_secs(10);
/// So long before the run's beginning readings are asked for, so that its beginning lies between
/// two of them.
const BEFORE: f64 = 120.0;
/// Further back than this nothing is asked for, in seconds.
const BACK_MAX: f64 = 86_400.0;
/// Points of a series in one answer.
const POINTS_MAX: f64 = 2_000.0;
/// No scrapes follow each other faster, in seconds.
const STEP_MIN: f64 = 0.25;

/// Asks until `end` says so, and then once more.
pub(in crate::engine) async fn watch(
    (site, remote): (String, Remote),
    world: World,
    rows: Rows,
    mut end: watch::Receiver<bool>,
) {
    let begun_us = world.clock.now_us();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: BTreeMap<String, f64> = BTreeMap::new();
    let mut ended = false;
    while !ended {
        ended = tokio::select! {
            _ = tick.tick() => false,
            _ = end.wait_for(|it| *it) => true,
        };
        // One round has one deadline: a run's end does not wait for question after question.
        let all = async {
            match zero(&remote, &world).await {
                Ok(clock) => round((&site, &remote), &world, (clock, begun_us), &mut seen).await,
                Err(why) => blind((&site, &remote), &why),
            }
        };
        let told = timeout(remote.timeout.duration().saturating_mul(2), all).await;
        let told = told.unwrap_or_else(|_| blind((&site, &remote), "no answer in time"));
        for it in told {
            rows.put(Row::Site(Box::new(it)));
        }
    }
}

fn blind((site, remote): (&str, &Remote), why: &str) -> Vec<SiteRows> {
    let told = |process: &String| SiteRows {
        site: site.to_owned(),
        process: process.clone(),
        blind: Some(why.to_owned()),
        ..SiteRows::default()
    };
    remote.scopes.keys().map(told).collect()
}

/// An instant by both clocks: the server's seconds since the epoch, our microseconds, and by how
/// much the two may be apart.
#[derive(Debug, Clone, Copy)]
struct Tie {
    server: f64,
    ours_us: u64,
    error_us: u64,
}

impl Tie {
    /// Ours, of an instant of the server's.
    fn ours(self, server: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "86,400 s fit")]
        let apart_us = ((server - self.server) * 1e6).round() as i64;
        self.ours_us.saturating_add_signed(apart_us)
    }
}

async fn ask(remote: &Remote, world: &World, url: String) -> Result<serde_json::Value, String> {
    let (headers, timeout) = (remote.headers.clone(), remote.timeout.duration());
    let ask = Ask { method: Method::Get, url, headers, body: None, timeout };
    let answer = world.web.ask(ask).await.map_err(|why| why.to_string())?;
    promql::said(&remote.url, &answer)
}

async fn zero(remote: &Remote, world: &World) -> Result<Tie, String> {
    let from = world.clock.now_us();
    let said = ask(remote, world, promql::now(&remote.url, "time()")).await?;
    let took = world.clock.now_us().saturating_sub(from);
    let (_, result) = promql::result(&said)?;
    Ok(Tie {
        server: promql::sample(result)?,
        ours_us: from.saturating_add(took / 2),
        error_us: took.div_ceil(2),
    })
}

async fn round(
    (site, remote): (&str, &Remote),
    world: &World,
    (tie, begun_us): (Tie, u64),
    seen: &mut BTreeMap<String, f64>,
) -> Vec<SiteRows> {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a run fit")]
    let since = tie.ours_us.saturating_sub(begun_us) as f64 / 1e6;
    let begun = tie.server - since.min(BACK_MAX) - BEFORE;
    let asked = remote.scopes.iter().map(|(process, queries)| {
        let from = seen.get(process).copied().unwrap_or(begun);
        let step = ((tie.server - from) / POINTS_MAX).max(STEP_MIN);
        let range = (from, tie.server, step);
        async move { (process, from, scope(queries, remote, range, world).await) }
    });
    let mut told = Vec::new();
    for (process, from, answers) in join_all(asked).await {
        let mut rows = SiteRows {
            site: site.to_owned(),
            process: process.clone(),
            clock_error_us: Some(tie.error_us),
            ..SiteRows::default()
        };
        match answers {
            Ok(answers) => {
                let last = gather(answers, (from, tie), &mut rows);
                seen.extend(last.map(|it| (process.clone(), it)));
            }
            Err(why) => rows.blind = Some(why),
        }
        told.push(rows);
    }
    told
}

/// What was said of one host or process: the instants of its scrapes, by those of the questions,
/// and each figure.
struct Answers {
    times: Vec<(f64, f64)>,
    figures: Vec<(Column, Result<Vec<Series>, String>)>,
}

async fn scope(
    queries: &Queries,
    remote: &Remote,
    range: (f64, f64, f64),
    world: &World,
) -> Result<Answers, String> {
    let one = |query: String| async move {
        let said = ask(remote, world, promql::range(&remote.url, &query, range)).await?;
        let series = promql::matrix(&said, "method")?;
        if series.is_empty() { Err(format!("there are no series for {query}")) } else { Ok(series) }
    };
    let figures = queries.figures.iter().map(|(column, query)| {
        let asked = one(query.clone());
        async move { (*column, asked.await) }
    });
    let (times, figures) = tokio::join!(one(queries.time.clone()), join_all(figures));
    let times = times?.into_iter().next().map(|it| it.1).unwrap_or_default();
    Ok(Answers { times, figures })
}

/// Puts the figures of each scrape into one row, and tells the instant of the last.
fn gather(answers: Answers, (from, tie): (f64, Tie), into: &mut SiteRows) -> Option<f64> {
    let Answers { times, figures } = answers;
    let mut columns: BTreeMap<Column, BTreeMap<i64, f64>> = BTreeMap::new();
    let mut method = String::new();
    for (column, series) in figures {
        let one = series.and_then(|it| match <[Series; 1]>::try_from(it) {
            Ok([one]) => Ok(one),
            Err(all) => Err(format!("{} series, which are not added: name one", all.len())),
        });
        match one {
            Ok((label, points)) => {
                if column.resource() == Resource::Energy {
                    method = label;
                }
                let points = points.into_iter().filter(|it| it.1.is_finite());
                columns.insert(column, points.map(|(at, it)| (key(at), it)).collect());
            }
            Err(why) => {
                into.missing.insert(column.resource(), why);
            }
        }
    }
    let mut known: BTreeSet<i64> = BTreeSet::new();
    for (asked, scraped) in times {
        if scraped <= from + 1e-3 || !known.insert(key(scraped)) {
            continue;
        }
        let of = |column: Column| columns.get(&column)?.get(&key(asked)).copied();
        let joules = of(Column::Joules);
        let energy = joules.map(|joules| EnergyFigures {
            joules,
            low: of(Column::JoulesLow).unwrap_or(joules),
            high: of(Column::JoulesHigh).unwrap_or(joules),
            method: if method.is_empty() { "counter".to_owned() } else { method.clone() },
        });
        let row = SiteRow {
            at_us: tie.ours(scraped),
            cpu_seconds: of(Column::CpuSeconds),
            cpus: of(Column::Cpus),
            memory_bytes: of(Column::MemoryBytes),
            memory_total_bytes: of(Column::MemoryTotalBytes),
            disk_read_bytes: of(Column::DiskReadBytes),
            disk_written_bytes: of(Column::DiskWrittenBytes),
            network_received_bytes: of(Column::NetworkReceivedBytes),
            network_sent_bytes: of(Column::NetworkSentBytes),
            energy,
            ..SiteRow::default()
        };
        // Of a target that is down the server knows only when it tried.
        if (SiteRow { at_us: row.at_us, ..SiteRow::default() }) != row {
            into.rows.push(row);
        }
    }
    let last = known.last().copied();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit")]
    last.map(|it| it as f64 / 1e3)
}

/// Instants that two answers share are the same to the millisecond.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since the epoch fit")]
fn key(at: f64) -> i64 {
    (at * 1e3).round() as i64
}
