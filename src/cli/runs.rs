//! `list`, `status` and `abort`: looking at runs from another terminal, and ending one.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::{
    cli::{args, exit::Exit, report, show, signals},
    engine::recover::{self, Then},
    evidence::{
        fold::{self, Evidence},
        folder, say,
        timeline::{ActState, MomentKind},
    },
    journal::{chain, index::RunKind},
    registry,
    verdict::Verdict,
    world::{
        host::{Sent, Signal},
        linux::{
            self,
            state::{StateError, StateFolder},
        },
        stop::Stop,
    },
};

/// How long a run may take to go back and to be sealed after it was told to stop.
const ABORT_MAX: Duration = Duration::from_mins(2);

/// What `list` is told.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// So many of the newest
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `status` is told.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The run; the newest if none is named
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `abort` is told.
#[derive(Debug, Args)]
pub(super) struct AbortArgs {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
}

/// A run as far as its journal tells.
fn evidence(state: &StateFolder, run: &str) -> Result<Evidence, String> {
    let dir = report::find(run, state.root()).map_err(|why| format!("could not {why}"))?;
    let journal = folder::journal(&dir).map_err(|why| format!("could not {why}"))?;
    let lines = chain::read(&journal.unwrap_or_default());
    let lines = lines.map_err(|why| format!("the journal cannot be believed: {why}"))?;
    Ok(fold::fold(&lines.entries))
}

/// How a run stands, in a word: its verdict if it has ended.
fn standing(it: &Evidence, open: &[String]) -> &'static str {
    match (&it.stated, open.contains(&it.run.id)) {
        (Some(stated), false) => stated.verdict.word(),
        (Some(_), true) => "unsealed",
        (None, true) if waits(it) => "waits",
        (None, true) => "open",
        (None, false) => "not ended",
    }
}

/// Whether its runner vanished, and nobody has resumed or ended it.
fn waits(it: &Evidence) -> bool {
    let moments = it.timeline.moments.iter().map(|it| it.what);
    let mut last = moments.filter(|it| {
        matches!(it, MomentKind::Guardian | MomentKind::Recover | MomentKind::Resumed)
    });
    let last = last.next_back();
    it.run.kind == Some(RunKind::Drill) && last.is_some_and(|it| it != MomentKind::Resumed)
}

/// What is asked and not decided, one line each.
fn open_questions(it: &Evidence) -> Vec<String> {
    let questions = it.course.iter().flat_map(|it| &it.questions);
    let open = questions.filter(|it| it.decided.is_none());
    open.map(|it| {
        let (asked, given) = (&it.asked, say::count(it.answers.len()));
        let who = if asked.who.is_empty() { "who may use this state folder" } else { "" };
        let who = if who.is_empty() { asked.who.join(", ") } else { who.to_owned() };
        format!(
            "asked: {} “{}”: {} ({} of {} answered; {who} may)",
            asked.step, asked.name, asked.text, given, asked.persons
        )
    })
    .collect()
}

/// Lists runs, the newest first.
pub(super) fn list(it: &ListArgs, kind: RunKind, state: &StateFolder) -> Exit {
    let open = state.open_runs().unwrap_or_default();
    let mut rows = Vec::new();
    for run in state.runs().into_iter().rev() {
        if rows.len() == it.limit {
            break;
        }
        match evidence(state, &run) {
            Ok(seen) if seen.run.kind == Some(kind) => rows.push(row(&seen, &open)),
            Ok(_) => {}
            Err(why) => rows.push((run, "broken", String::new(), why)),
        }
    }
    if it.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(run, state, began, title)| {
                json!({ "run": run, "state": state, "began": began, "title": title })
            })
            .collect();
        show::line(serde_json::Value::from(rows).to_string());
        return Exit::Pass;
    }
    if rows.is_empty() {
        show::talk(format!("no {} was played yet in {}", kind.word(), state.root().display()));
    }
    for (run, state, _, title) in rows {
        show::line(format!("{run}  {state:<12} {title}"));
    }
    Exit::Pass
}

type Row = (String, &'static str, String, String);

fn row(it: &Evidence, open: &[String]) -> Row {
    let began = it.run.began.clone().unwrap_or_default();
    (it.run.id.clone(), standing(it, open), began, it.run.title.clone())
}

/// Tells how a run stands: also one that is being played.
pub(super) fn status(it: &StatusArgs, state: &StateFolder) -> Exit {
    let seen = match evidence(state, &it.run) {
        Ok(it) => it,
        Err(why) => {
            show::error(why, "`list` tells which runs there are");
            return Exit::Usage;
        }
    };
    let open = state.open_runs().unwrap_or_default();
    let stands: Vec<_> = seen
        .timeline
        .acts
        .iter()
        .filter(|it| matches!(it.state, ActState::Outstanding | ActState::Stuck))
        .collect();
    let phase = seen.timeline.phases.iter().rev().find(|it| it.to_us.is_none());
    if it.json {
        let stands: Vec<_> = stands
            .iter()
            .map(|it| json!({ "act": it.act, "name": it.name, "will": it.will }))
            .collect();
        let phase = phase.map(|it| it.name.as_str());
        let id = &seen.run.id;
        let told = json!({ "run": id, "title": seen.run.title, "state": standing(&seen, &open),
            "phase": phase, "stands": stands, "why": seen.why,
            "asked": open_questions(&seen) });
        show::line(told.to_string());
        return Exit::Pass;
    }
    show::line(format!("{}  {}  {}", seen.run.id, standing(&seen, &open), seen.run.title));
    if let Some(phase) = phase.filter(|_| seen.stated.is_none()) {
        show::line(format!("phase: {}", phase.name));
    }
    for asked in open_questions(&seen).iter().filter(|_| seen.stated.is_none()) {
        show::line(asked);
    }
    for it in &stands {
        show::line(format!("stands: {}: {}", it.name, it.will));
        for line in it.by_hand.iter().filter(|_| it.state == ActState::Stuck) {
            show::line(format!("  by hand: {line}"));
        }
    }
    for it in &seen.hypotheses {
        let bad = it.looks.iter().filter(|it| it.grade != Verdict::Pass).count();
        let (n, last) = (it.looks.len(), it.looks.last());
        let last = last.map_or("nobody looked yet", |it| it.grade.word());
        show::line(format!("{}: {bad} of {n} looks not good; the last: {last}", it.planned.name));
    }
    for why in seen.why.iter().filter(|_| seen.stated.is_some()) {
        show::line(format!("because {why}"));
    }
    Exit::Pass
}

/// Tells the runner of a run to stop, and waits until everything is put back.
pub(super) fn abort(it: &AbortArgs, state: &StateFolder) -> Exit {
    let is_open = || state.open_runs().unwrap_or_default().contains(&it.run);
    if !is_open() {
        let help = "`list` tells which runs there are";
        show::error(format!("the run `{}` is not being played", it.run), help);
        return Exit::Usage;
    }
    let done = signals::block_on(&Stop::default(), async {
        let world = linux::world(args::program())?;
        match state.lock() {
            // Nobody plays it: its runner died, and what it left is ours to take down.
            Ok(_lock) => {
                let (kit, then) = (registry::kit(), Then::End);
                Ok(Ok(recover::one(state, &it.run, then, (&world, &kit)).await.clean()))
            }
            Err(StateError::Busy { holder, .. }) => {
                let runner = holder.trim().parse().ok();
                let runner = runner.map(|it| world.host.by_number(it)).transpose()?.flatten();
                let sent = runner.map(|it| world.host.signal(&it.id, Signal::Int)).transpose()?;
                if sent == Some(Sent::Delivered) {
                    show::talk("told it to stop; it goes back first …");
                }
                let deadline = tokio::time::Instant::now() + ABORT_MAX;
                while is_open() && tokio::time::Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok(Ok(!is_open()))
            }
            Err(why) => Ok(Err(why)),
        }
    });
    match done.map_err(|why| why.to_string()) {
        Ok(Ok(Ok(true))) => {
            show::line(format!("{} has ended, and nothing of it stands", it.run));
            Exit::Pass
        }
        Ok(Ok(Ok(false))) => {
            show::error(format!("{} has not ended", it.run), "type `holdfast recover`");
            Exit::Residue
        }
        Ok(Ok(Err(why))) => refused(&why),
        Ok(Err::<_, crate::world::host::HostError>(why)) => refused(&why),
        Err(why) => refused(&why),
    }
}

fn refused(why: &impl std::fmt::Display) -> Exit {
    show::error(why, "");
    Exit::Refused
}
