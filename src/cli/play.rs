//! `holdfast chaos run` and `holdfast drill run`.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};

use crate::{
    about::Need,
    cli::{
        args, consent, exit::Exit, host_file, outside::Around, runs, script, show, signals, vars,
    },
    engine::{
        conditions,
        desk::{Listener, Teller},
        kit::Kit,
        run::{self, Ending, NoRun, Order},
    },
    journal::{entry::UndoClass, index::RunKind},
    registry,
    script::{lines::Script, load::Load},
    world::{
        World,
        host::HostError,
        linux::{self, powers, state::StateFolder},
        rules::{Environment, Rules},
        stop::Stop,
    },
};

/// What `holdfast chaos` and `holdfast drill` can do.
#[derive(Debug, Subcommand)]
pub(super) enum Play {
    /// Play files, one after the other.
    Run(RunArgs),
    /// List runs, the newest first.
    List(runs::ListArgs),
    /// Tell how a run stands, also while it is being played.
    Status(runs::StatusArgs),
    /// End a run from another terminal: everything is put back first.
    Abort(runs::AbortArgs),
}

/// What `run` is told.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct RunArgs {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Say what would be done and how to go back by hand; touch nothing.
    #[arg(long)]
    dry_run: bool,
    /// The seed of all chance; one is rolled and printed if none is named.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A variable, over the file's own.
    #[arg(long, value_name = "NAME=VALUE", value_parser = args::pair)]
    set: Vec<(String, String)>,
    /// Go on without asking, where a person would be asked.
    #[arg(long)]
    yes: bool,
    /// An approver's signature over the plan (`--dry-run` tells how it is made); repeatable.
    #[arg(long, value_name = "FILE")]
    approve: Vec<PathBuf>,
    /// Have a drill's questions answered by its file, which is marked as a rehearsal.
    #[arg(long)]
    rehearse: bool,
    /// Print every line of the journal as it is written, one JSON object a line.
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

/// Who reads along while a run is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// What matters, in words, on standard error.
    People,
    /// Every line of the journal, on standard output.
    Machines,
}

/// Does what the command line says.
pub(super) fn run(it: &Play, kind: RunKind, state: &StateFolder) -> Exit {
    match it {
        Play::Run(it) => run_files(it, kind, state),
        Play::List(it) => runs::list(it, kind, state),
        Play::Status(it) => runs::status(it, state),
        Play::Abort(it) => runs::abort(it, state),
    }
}

fn run_files(it: &RunArgs, kind: RunKind, state: &StateFolder) -> Exit {
    if it.rehearse && kind == RunKind::Scenario {
        show::error(
            "scenarios ask nothing, so there is nothing to rehearse",
            "leave --rehearse out",
        );
        return Exit::Usage;
    }
    let known = match vars::vars(state, &it.set, true) {
        Ok(it) => it,
        Err(why) => {
            show::error(why, "");
            return Exit::Usage;
        }
    };
    // Every file is read before the first is played: a mistake in the last one is told now.
    let read: Vec<_> =
        it.files.iter().map(|path| script::read(path, &known, Around::All)).collect();
    let mut scripts = Vec::new();
    for (read, path) in read.into_iter().zip(&it.files) {
        match read {
            Ok(it) if it.script.kind == kind => scripts.push(it),
            Ok(it) => {
                let (is, wanted) = (it.script.kind.word(), kind.word());
                let command = if kind == RunKind::Drill { "chaos" } else { "drill" };
                show::error(
                    format!("{} is a {is}, and a {wanted} is wanted here", path.display()),
                    &format!("type `holdfast {command} run {}`", path.display()),
                );
                return Exit::Usage;
            }
            Err(exit) => return exit,
        }
    }
    let rules = match host_file::rules(state) {
        Ok(it) => it,
        Err(exit) => return exit,
    };
    if it.rehearse && rules.environment == Some(Environment::Production) {
        return refused(&NoRun::Rehearsal);
    }
    if it.dry_run {
        return scripts.iter().fold(Exit::Pass, |worst, one| {
            let exit = dry_run(&one.script, (&rules, it.seed));
            consent::tell(one, &rules);
            worst.and(exit)
        });
    }
    let asked = consent::consent(&scripts, &rules, (it.yes, &it.approve), |one| {
        dry_run(&one.script, (&rules, it.seed))
    });
    let approved = match asked {
        Ok(it) => it,
        Err(exit) => return exit,
    };
    let mut worst = Exit::Pass;
    for (one, approvals) in scripts.iter().zip(approved) {
        let file = (one.source.path(), one.source.text());
        let (seed, program) = (it.seed, args::program());
        let (rehearse, lines) = (it.rehearse, show::answers);
        let script = &one.script;
        let order = Order { script, file, seed, state, program, approvals, rehearse, lines };
        let audience = if it.json { Audience::Machines } else { Audience::People };
        let exit = play(&order, &rules, &Stop::default(), audience).1;
        worst = worst.and(exit);
        if matches!(exit, Exit::Residue | Exit::Refused) {
            break;
        }
    }
    worst
}

/// Plays one script, tells it as it goes, and says how it ended.
pub(super) fn play(
    order: &Order<'_>,
    rules: &Rules,
    stop: &Stop,
    audience: Audience,
) -> (Option<Ending>, Exit) {
    playing((order.state, ""), rules, (stop, audience), async |world, kit, stop, ears| {
        run::run(order, (world, kit), stop, ears).await
    })
}

/// Has something played, a run that goes on by its id, and says how it ended.
pub(super) fn playing(
    (state, run): (&StateFolder, &str),
    rules: &Rules,
    (stop, audience): (&Stop, Audience),
    what: impl AsyncFnOnce(World, &Kit, Stop, (Listener, Teller)) -> Result<Ending, NoRun>,
) -> (Option<Ending>, Exit) {
    let ended = signals::block_on(stop, async {
        let world = linux::world(args::program())?.ruled(rules.clone());
        let mut progress = show::Progress::of(run);
        let listener = Box::new(move |entry: &_| match audience {
            Audience::People => progress.tell(entry),
            Audience::Machines => show::json(entry),
        });
        let teller = Box::new(|text: &str| show::talk(text));
        what(world, &registry::kit(), stop.clone(), (listener, teller)).await
    });
    match ended {
        Ok(Ok(ending)) => {
            let exit = told(&ending, state, audience);
            (Some(ending), exit)
        }
        Ok(Err(why)) => (None, refused(&why)),
        Err(why) => {
            show::error(format!("could not start: {why}"), "");
            (None, Exit::Refused)
        }
    }
}

fn told(ending: &Ending, state: &StateFolder, audience: Audience) -> Exit {
    for why in &ending.why {
        show::talk(format!("           {why}"));
    }
    let last = format!("{} {}", ending.run, ending.verdict);
    match audience {
        Audience::People => show::line(last),
        // Standard output is the journal's lines and nothing else.
        Audience::Machines => show::talk(last),
    }
    if ending.residue {
        show::error(
            format!("run {} left something that still stands", ending.run),
            &format!("type `holdfast --state {} recover`", state.root().display()),
        );
        return Exit::Residue;
    }
    if ending.refused { Exit::Refused } else { ending.verdict.into() }
}

fn refused(why: &NoRun) -> Exit {
    let waiting = |run: &String| {
        format!("type `holdfast drill resume {run}` to go on, or `holdfast drill abort {run}`")
    };
    let help = match why {
        NoRun::Waiting(run) => waiting(run),
        NoRun::Rehearsal => "play it for real, or on a machine that is no production".to_owned(),
        NoRun::NotResumable(_) => "`drill status` tells how it stands".to_owned(),
        NoRun::Unsettled(_) => {
            "look at each, and say --done STEP or --again STEP; nothing was touched".to_owned()
        }
        other => refusal(other).to_owned(),
    };
    show::error(why, &help);
    if matches!(why, NoRun::Residue(_) | NoRun::Leftover(_)) {
        Exit::Residue
    } else {
        Exit::Refused
    }
}

fn refusal(why: &NoRun) -> &'static str {
    use crate::world::linux::state::StateError;
    match why {
        NoRun::State(StateError::Busy { .. }) => {
            "wait until it has ended, or name another folder with --state"
        }
        NoRun::State(_) => "name a folder that you may write with --state or HOLDFAST_STATE",
        NoRun::Residue(_) => "type `holdfast recover`",
        NoRun::Refused { .. } => "look with --dry-run; nothing was touched",
        NoRun::Leftover(_) => {
            "`drill status` and `chaos status` tell what that run did; take it away by hand"
        }
        NoRun::NotNow(_) => "wait until it is so; nothing was touched",
        NoRun::Host(_)
        | NoRun::Waiting(_)
        | NoRun::Rehearsal
        | NoRun::NotResumable(_)
        | NoRun::Unsettled(_) => "nothing was touched",
    }
}

/// Says what would be done.
fn dry_run(script: &Script, (rules, seed): (&Rules, Option<u64>)) -> Exit {
    let bounds = run::bounds(script, seed);
    let seed = bounds.seed;
    let foreseen = signals::block_on(&Stop::default(), async {
        let world = linux::world(args::program())?.bounded(bounds).ruled(rules.clone());
        let world = world.knowing(Arc::clone(&script.secrets.secrets));
        let not_now = conditions::not_now(script, &world).await;
        Ok::<_, HostError>((run::foresee(script, &world).await, not_now))
    });
    let (all, not_now) = match foreseen {
        Ok(Ok(it)) => it,
        Ok(Err(why)) => {
            show::error(why, "");
            return Exit::Refused;
        }
        Err(why) => {
            show::error(why, "");
            return Exit::Refused;
        }
    };
    show::line(format!("{}: a dry run with seed {seed}, nothing is touched", script.title));
    for it in script.loads.iter().map(Load::planned) {
        show::line(format!("  load {}: {}, {}", it.name, it.target, it.rate));
    }
    let mut exit = Exit::Pass;
    for why in not_now {
        show::line(format!("  would be refused now: {why}"));
        exit = Exit::Refused;
    }
    for it in all {
        let needs: Vec<String> = it.kind.about.needs.iter().map(|it| needed(*it)).collect();
        let class = match it.kind.class {
            UndoClass::Kernel => "the kernel goes back if we vanish",
            UndoClass::Guardian => "the guardian goes back if we vanish",
            UndoClass::OneShot => "there is no way back",
        };
        match it.plan {
            Ok(plan) => {
                show::line(format!("  {} ({}): would {}", it.name, it.kind.about.name, plan.will));
                show::line(format!("    {class}"));
                for line in plan.by_hand {
                    show::line(format!("    by hand: {line}"));
                }
            }
            Err(why) => {
                show::line(format!(
                    "  {} ({}): would be refused: {why}",
                    it.name, it.kind.about.name
                ));
                exit = Exit::Refused;
            }
        }
        needs.iter().for_each(show::line);
    }
    exit
}

/// Whether what a kind needs is here, and if not, how a person gives it.
fn needed(need: Need) -> String {
    match powers::have(need) {
        Ok(how) => format!("    needs {}: yes, {how}", need.word()),
        Err(why) => format!("    needs {}: no, {why}: {}", need.word(), need.remedy()),
    }
}
