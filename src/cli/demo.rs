//! `holdfast demo`: the three programs together on real processes, in one command.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    cli::{args, exit::Exit, play, show, signals, vars},
    engine::run::{Ending, Order},
    evidence::{
        energy::Energy,
        fold::{self, Evidence},
        folder, say,
    },
    journal::{chain, entry::Family},
    manifest::{render::render, source::Source},
    registry,
    sandbox::{
        bank::{self, Settings},
        book::{Book, Replication},
    },
    script::read,
    world::{
        linux::{self, served::Served, state::StateFolder},
        rules::{Environment, Rules},
        stop::Stop,
        web::{Ask, Method},
    },
};

/// The scenario and the drill, as they are shipped.
const SCENARIO: (&str, &str) =
    ("chaos-scenarios/kyc-frozen.yaml", include_str!("../../chaos-scenarios/kyc-frozen.yaml"));
const DRILL: (&str, &str) = (
    "chaos-scenarios/drills/ledger-primary-lost.yaml",
    include_str!("../../chaos-scenarios/drills/ledger-primary-lost.yaml"),
);
/// Payments a second while the demo runs.
const RATE: u32 = 20;

/// What `holdfast demo` is told.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Leave the sandbox and the agent running, and print their addresses.
    #[arg(long)]
    keep: bool,
    /// Where the evidence goes: one folder for each run, with its journal, reports and seal.
    #[arg(long, value_name = "DIR", default_value = "holdfast-demo")]
    out: PathBuf,
}

/// What was shown.
#[derive(Default)]
struct Shown {
    runs: Vec<Ending>,
    exit: Option<Exit>,
    metrics: Option<String>,
}

/// Shows everything; whatever happens on the way, what was started is stopped again.
pub(super) fn run(it: &DemoArgs) -> Exit {
    let folder = match tempfile::Builder::new().prefix("holdfast-demo-").tempdir() {
        Ok(it) => it,
        Err(why) => {
            show::error(
                format!("could not make a temporary folder: {why}"),
                "make room, or set TMPDIR",
            );
            return Exit::Refused;
        }
    };
    let state = StateFolder::at(folder.path().join("state"));
    let stop = Stop::default();
    let mut shown = Shown::default();
    let staged = stage(&state, &stop, &mut shown);
    let exit = match &staged {
        Ok(_) => shown.exit.unwrap_or(Exit::Inconclusive),
        Err(why) => {
            show::error(why, "");
            Exit::Refused
        }
    };
    let copied = shown.runs.iter().try_for_each(|run| state.copy_run(&run.run, &it.out));
    let evidence = copied.map(|()| it.out.as_path()).inspect_err(|why| show::error(why, ""));
    summary(&shown, evidence.ok(), &state);
    match staged {
        Ok((agent, book)) if it.keep => {
            keep(&agent, &book, &state);
            agent.leave();
            if let Err(why) = std::path::absolute(folder.keep()) {
                show::error(why, "");
            }
        }
        Ok(_) | Err(_) => take_down(&state),
    }
    exit
}

/// Starts the sandbox and the agent, plays the scenario and the drill.
fn stage(state: &StateFolder, stop: &Stop, shown: &mut Shown) -> Result<(Served, Book), String> {
    drop(state.lock().map_err(|why| why.to_string())?);
    show::talk("starting the agent and the miniature bank …");
    let (root, log) = (state.root().display().to_string(), state.root().join("agent.log"));
    let agent = ["--state", &root, "agent", "--web.listen-address", "127.0.0.1:0"];
    let agent = Served::start(&args::program(), &agent, &log).map_err(|why| why.to_string())?;
    let address = agent.first().rsplit(' ').next().unwrap_or_default().to_owned();
    let mut settings = Settings::new(state.root().join("sandbox"));
    settings.replication = Replication::Sync;
    settings.rate = RATE;
    settings.events_url = Some(format!("{address}/v1/events"));
    let up = signals::block_on(stop, bank::up(&settings)).map_err(|why| why.to_string())?;
    let book = up.map_err(|why| why.to_string())?;
    show::talk(format!(
        "  metrics at {address}/metrics, a bank of {} processes",
        book.processes.len()
    ));
    let mut exit = Exit::Pass;
    for (name, text) in [SCENARIO, DRILL] {
        if stop.said().is_some() {
            return Err("stopped before the end".to_owned());
        }
        show::talk("");
        exit = exit.and(play_one((name, text), state, stop, shown)?);
    }
    shown.exit = Some(exit);
    shown.metrics = Some(metrics(&address, stop)?);
    Ok((agent, book))
}

fn play_one(
    (name, text): (&str, &str),
    state: &StateFolder,
    stop: &Stop,
    shown: &mut Shown,
) -> Result<Exit, String> {
    let source = Source::new(name, text);
    let (vars, mut complaints) = (vars::vars(state, &[], true)?, Vec::new());
    let read = read::script(&source, &vars, &registry::kinds(), &mut complaints);
    let script = read.ok_or_else(|| render(&source, &complaints, show::coloured()))?;
    let file = (source.path(), source.text());
    let (program, approvals) = (args::program(), Vec::new());
    let (rehearse, lines) = (false, show::answers);
    let script = &script;
    let order = Order { script, file, seed: None, state, program, approvals, rehearse, lines };
    let (ending, exit) = play::play(
        &order,
        &Rules { environment: Some(Environment::Sandbox), ..Rules::default() },
        stop,
        play::Audience::People,
    );
    shown.runs.extend(ending);
    Ok(exit)
}

/// What the agent exports by now, in a sentence.
fn metrics(address: &str, stop: &Stop) -> Result<String, String> {
    let asked = signals::block_on(stop, async {
        let world = linux::world(args::program()).map_err(|why| why.to_string())?;
        let ask = Ask {
            method: Method::Get,
            url: format!("{address}/metrics"),
            headers: [].into(),
            body: None,
            timeout: std::time::Duration::from_secs(5),
        };
        world.web.ask(ask).await.map_err(|why| why.to_string())
    });
    let answer = asked.map_err(|why| why.to_string())??;
    let page = String::from_utf8_lossy(&answer.body).into_owned();
    let series = page.lines().filter(|it| !it.starts_with('#')).count();
    let sum: f64 = page
        .lines()
        .filter(|it| it.starts_with("holdfast_payment_attempts_total"))
        .filter_map(|it| it.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    Ok(format!("{series} series at {address}/metrics, {sum} payment attempts among them"))
}

fn take_down(state: &StateFolder) {
    let down = signals::block_on(&Stop::default(), bank::down(&state.root().join("sandbox")));
    match down {
        Ok(Ok(_) | Err(bank::UpError::NoSandbox(_))) => {}
        Ok(Err(why)) => show::error(why, ""),
        Err(why) => show::error(why, ""),
    }
}

/// One screen: what broke, what it cost, and where the proof is.
fn summary(shown: &Shown, evidence: Option<&Path>, state: &StateFolder) {
    show::line("");
    for ending in &shown.runs {
        let journal = folder::journal(&state.run(&ending.run)).ok().flatten();
        let Some(lines) = journal.and_then(|it| chain::read(&it).ok()) else { continue };
        for line in tell(&fold::fold(&lines.entries)) {
            show::line(line);
        }
        if let Some(out) = evidence {
            let run = out.join(&ending.run);
            show::line(format!("  report    {}", run.join("report.html").display()));
            show::line(format!("  verify    holdfast verify {}", run.display()));
        }
    }
    if let Some(metrics) = &shown.metrics {
        show::line(format!("metrics     {metrics}"));
    }
}

fn tell(it: &Evidence) -> Vec<String> {
    let mut lines = vec![format!("{:<11} {}", show::verdict(it.verdict), it.run.title)];
    let broke: Vec<_> = it.timeline.acts.iter().filter(|it| it.family == Family::Fault).collect();
    for act in broke {
        lines.push(format!("  broke     {}: {}", act.name, act.will));
    }
    if let Some(drill) = &it.drill {
        let (rto, rpo) = (&drill.rto, &drill.rpo);
        let interval = rto
            .lower_us
            .map_or("not measured".to_owned(), |lower| say::interval(lower, rto.upper_us));
        lines
            .push(format!("  RTO       {interval}, objective {}", say::length_u(rto.objective_us)));
        let (lost, acked) = (rpo.classes.lost, rpo.acknowledged);
        lines.push(format!("  RPO       {lost} of {acked} acknowledged payments lost"));
    }
    lines.push(match &it.whole.energy {
        Energy::Measured { figures, .. } => {
            let wh = |joules| say::watt_hours(joules);
            let (low, high) = (wh(figures.low), wh(figures.high));
            format!("  energy    {} Wh [{low}, {high}], by {}", wh(figures.joules), figures.method)
        }
        Energy::Unavailable { why } => format!("  energy    unavailable: {why}"),
    });
    lines
}

fn keep(agent: &Served, book: &Book, state: &StateFolder) {
    let root = state.root().display();
    show::line("");
    show::line("kept running:");
    show::line(format!("  agent      {} (process {})", agent.first(), agent.pid()));
    for (name, process) in &book.processes {
        show::line(format!("  {name:<10} http://{}", process.address));
    }
    show::line(format!("to stop them: holdfast --state {root} sandbox down; kill {}", agent.pid()));
}
