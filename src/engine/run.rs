//! A run from its first line to its seal.

use std::{path::PathBuf, sync::Arc};

use crate::{
    action::{Plan, Refusal},
    engine::{
        back::Left,
        conditions,
        counter::{self, Lines},
        desk::{Desk, Listener, Teller},
        guardian,
        index::Keeper,
        kit::Kit,
        observe::{Before, Observer},
        play::{Halt, Played, play},
        recover::{self, Healed},
        residue,
    },
    evidence::fold as evidence,
    journal::{
        began::{Approval, Began, PlannedWitness},
        book::Journal,
        census::Census,
        entry::{Fact, Family},
        index::RunKind,
    },
    script::{course, lines::Script, load::Load},
    verdict::Verdict,
    world::{
        World,
        bounds::Bounds,
        dice::Dice,
        host::HostError,
        linux::{
            facts,
            inbox::Inbox,
            state::{JOURNAL, StateError, StateFolder},
            store::{FileStore, OpenError},
        },
        rules::Environment,
        stop::Stop,
    },
};

/// What a run is made of.
pub struct Order<'a> {
    /// What to play.
    pub script: &'a Script,
    /// The file's name and text.
    pub file: (&'a str, &'a str),
    /// The seed, if the command line names one.
    pub seed: Option<u64>,
    /// The state folder.
    pub state: &'a StateFolder,
    /// This executable.
    pub program: PathBuf,
    /// Who approved it.
    pub approvals: Vec<Approval>,
    /// Questions are answered by the file.
    pub rehearse: bool,
    /// What is typed at the terminal, once somebody is asked.
    pub lines: fn() -> Option<Lines>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ending {
    /// The run's id.
    pub run: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, one sentence each.
    pub why: Vec<String>,
    /// Nothing was touched.
    pub refused: bool,
    /// Something of ours still stands in the world.
    pub residue: bool,
}

/// Why there was no run at all.
#[derive(Debug, thiserror::Error)]
pub enum NoRun {
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Earlier runs left something that could not be taken down.
    #[error("run {0} left something that still stands: `holdfast recover` tells what to do")]
    Residue(String),
    /// An earlier run has ended, and something that bears its name stands all the same.
    #[error("something that bears the name of an earlier run still stands: {}", .0.join("; "))]
    Leftover(Vec<String>),
    /// A drill waits to be resumed.
    #[error("the drill {0} waits: its runner vanished, and what it did on purpose stands")]
    Waiting(String),
    /// Answers that were written beforehand do not count here.
    #[error("this is a production machine, and a rehearsal's answers were given by nobody")]
    Rehearsal,
    /// A run cannot go on.
    #[error("it cannot go on: {0}")]
    NotResumable(String),
    /// Nobody knows whether steps were done.
    #[error("it is not known whether these steps were done:\n  {}", .0.join("\n  "))]
    Unsettled(Vec<String>),
    /// An act would be refused.
    #[error("{name} cannot be done: {why}")]
    Refused {
        /// The act.
        name: String,
        /// Why.
        why: Refusal,
    },
    /// This is not the time.
    #[error("this is not the time: {}", .0.join("; "))]
    NotNow(Vec<String>),
    /// The machine said no.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl From<OpenError> for NoRun {
    fn from(why: OpenError) -> Self {
        match why {
            OpenError::Host(why) => Self::Host(why),
            OpenError::Busy(path) => {
                Self::Host(HostError::os(format!("write {path}"), "it is busy"))
            }
        }
    }
}

/// An act, and what it would do.
pub struct Foreseen {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static crate::action::ActionKind,
    /// What it would do, or why it would be refused.
    pub plan: Result<Plan<serde_json::Value>, Refusal>,
}

/// What bounds a run of `script`: the seed is the command line's, or the file's, or a fresh one.
pub fn bounds(script: &Script, seed: Option<u64>) -> Bounds {
    let seed = seed.or(script.seed).unwrap_or_else(Dice::fresh_seed);
    Bounds { seed, deny: script.safety.deny.clone() }
}

/// Plans every act, and touches nothing.
pub async fn foresee(script: &Script, world: &World) -> Vec<Foreseen> {
    let mut all = Vec::new();
    for (n, act) in script.acts().enumerate() {
        let world = world.marked("dry-run", u32::try_from(n + 1).unwrap_or(u32::MAX));
        let plan = act.action.plan(&world).await;
        all.push(Foreseen { name: act.name.clone(), kind: act.kind, plan });
    }
    all
}

/// Heals what earlier runs left, then plays, goes back, says the last word and seals. The listener
/// hears every line of the journal as it is written.
pub async fn run(
    order: &Order<'_>,
    (world, kit): (World, &Kit),
    stop: Stop,
    (listener, teller): (Listener, Teller),
) -> Result<Ending, NoRun> {
    let Order { script, state, .. } = order;
    if order.rehearse && world.rules.environment == Some(Environment::Production) {
        return Err(NoRun::Rehearsal);
    }
    let _lock = state.lock()?;
    for (run, healed) in recover::recover(state, &world, kit).await? {
        if !healed.clean() {
            return Err(NoRun::Residue(run));
        }
        if let Healed::Suspended { .. } = healed {
            return Err(NoRun::Waiting(run));
        }
        if let Healed::Clean { undone } = healed {
            tracing::warn!("run {run} had not ended: {undone} acts of it were taken down");
        }
    }
    let there = residue::census(&world);
    if let Some(what) = residue::of_earlier_runs(&there, state, &world) {
        return Err(NoRun::Leftover(what));
    }
    let bounds = bounds(script, order.seed);
    let seed = bounds.seed;
    let world = world.bounded(bounds).knowing(Arc::clone(&script.secrets.secrets));
    let not_now = conditions::not_now(script, &world).await;
    if !not_now.is_empty() {
        return Err(NoRun::NotNow(not_now));
    }
    // Later steps of a drill depend on earlier ones; its faults must find their targets now.
    for it in foresee(script, &world).await {
        if let (Family::Fault, Err(why)) = (it.kind.family, it.plan) {
            return Err(NoRun::Refused { name: it.name, why });
        }
    }
    let id = id(&world, seed);
    let journal = match begin(state, &id, &world) {
        Ok(it) => it,
        Err(why) => {
            state.abandon(&id);
            return Err(why);
        }
    };
    let names = (id.as_str(), kit.actions.clone());
    let at_desk = world.clone().kept_in(&state.run(&id));
    let desk = Desk::new(names, at_desk, stop, journal, listener);
    desk.tell_by(teller);
    desk.set_folder(state.run(&id));
    desk.counter.rehearse(order.rehearse);
    if let Err(why) = fix(order, (&desk, seed, there), &world) {
        state.abandon(&id);
        return Err(why.into());
    }
    let played = match watched(order, (&desk, &Before::default()), (&world, kit)) {
        Ok(()) => play(script, &desk).await,
        Err(why) => refused(&desk, &why),
    };
    Ok(end(order, &desk, played, (&world, kit)))
}

fn begin(state: &StateFolder, id: &str, world: &World) -> Result<Journal, NoRun> {
    let store = FileStore::create(&state.begin(id)?.join(JOURNAL))?;
    Ok(Journal::new(Box::new(store), Arc::clone(&world.clock)))
}

/// Writes down all that is fixed before anything is touched.
fn fix(
    order: &Order<'_>,
    (desk, seed, there): (&Desk, u64, Census),
    world: &World,
) -> Result<(), HostError> {
    desk.keep(Keeper::open(order.state, &desk.run, world.clock.stamp()));
    desk.anchor()?;
    let environment = world.rules.environment.map(|it| it.word().to_owned());
    let began = Began { environment, ..began(order, &desk.run, seed) };
    desk.write(Fact::Began(Box::new(began)))?;
    desk.write(Fact::Census(Box::new(there)))
}

/// Nothing is begun before the guardian watches and the observer looks.
pub(super) fn watched(
    order: &Order<'_>,
    (desk, before): (&Desk, &Before),
    (world, kit): (&World, &Kit),
) -> Result<(), HostError> {
    desk.guard(guardian::start(&order.program, order.state, &desk.run)?);
    desk.observe(Observer::start(order.script, (&desk.run, before), (world, kit.meter))?);
    if counter::asks(order.script) {
        let inbox = Inbox::open(order.state.root(), &desk.run)?;
        let lines = if desk.counter.is_rehearsal() { None } else { (order.lines)() };
        desk.counter.open(order.script, inbox, lines);
    }
    Ok(())
}

/// Brings the index up to what the journal says so far, and keeps it so.
pub(super) fn keep(order: &Order<'_>, desk: &Desk, world: &World) {
    let mut keeper = Keeper::open(order.state, &desk.run, world.clock.stamp());
    desk.fold(|entries| {
        for it in entries {
            keeper.note_soon(it, || crate::evidence::figures::figures(&evidence::fold(entries)));
        }
    });
    desk.keep(keeper);
}

pub(super) fn refused(desk: &Desk, why: &HostError) -> Played {
    let why = why.to_string();
    if let Err(why) = desk.write(Fact::Aborted { why: why.clone() }) {
        tracing::error!("the journal could not be written: {why}");
    }
    Played { halt: Some(Halt::Refused(why)), left: Left::default() }
}

/// Says the last word, unless something still stands: then the run has not ended.
pub(super) fn end(
    order: &Order<'_>,
    desk: &Desk,
    Played { halt, left }: Played,
    (world, kit): (&World, &Kit),
) -> Ending {
    // Nobody renews the lease any more, and nothing that could be taken down stands: folding and
    // sealing a long journal may take longer than a lease.
    if let Some(it) = desk.take_guardian() {
        it.dismiss();
    }
    if let Some(mut observer) = desk.take_observer() {
        observer.end();
        desk.observe(observer);
    }
    let (verdict, why) = desk.fold(evidence::outcome);
    let mut written = desk.rows().and_then(|()| desk.anchor());
    let (verdict, mut why) =
        if written.is_ok() { desk.fold(evidence::outcome) } else { (verdict, why) };
    if left.clean() {
        let fact = Fact::Ended { verdict, why: why.clone() };
        written = written.and_then(|()| desk.write(fact));
    }
    if let Err(failed) = &written {
        why.push(format!("the run is not written down to its end: {failed}"));
    }
    desk.summarise();
    let mut settled = left.clean() && left.unwritten == 0 && written.is_ok();
    if settled {
        // A run that is not sealed stays open, and the next recovery tries again.
        if let Err(failed) = recover::seal(order.state, &desk.run, (world, kit)) {
            why.push(format!("the run is not sealed: could not {failed}"));
            settled = false;
        } else if let Err(why) = order.state.close(&desk.run) {
            tracing::warn!("the run has ended, but is not marked so: {why}");
        }
    }
    Ending {
        run: desk.run.clone(),
        verdict: if settled { verdict } else { verdict.max(Verdict::Inconclusive) },
        why,
        refused: matches!(halt, Some(Halt::Refused(_))),
        residue: !left.clean(),
    }
}

/// `20261122T150405Z-0badcafe`: sorts by time, and two runs of one second differ.
fn id(world: &World, seed: u64) -> String {
    let at = crate::world::clock::rfc3339(world.clock.stamp().wall_us);
    let at: String = at.chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    let differ = Dice::new(seed ^ world.clock.now_us()).below(1 << 32);
    format!("{at}Z-{differ:08x}")
}

fn began(order: &Order<'_>, id: &str, seed: u64) -> Began {
    let script = order.script;
    Began {
        run: id.to_owned(),
        kind: script.kind,
        title: script.title.clone(),
        description: script.description.clone(),
        tags: script.labels.tags.clone(),
        owner: script.labels.owner.clone(),
        controls: script.labels.controls.clone(),
        file: order.file.0.to_owned(),
        manifest: order.file.1.to_owned(),
        vars: script.vars_in(order.file.1),
        secrets: script.secrets.sources.clone(),
        seed,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        operator: facts::operator(),
        host: facts::facts(),
        plan: script.plan(),
        hypotheses: script
            .hypotheses
            .iter()
            .map(crate::script::hypothesis::Hypothesis::planned)
            .chain(script.loads.iter().filter_map(Load::hypothesis))
            .collect(),
        loads: script.loads.iter().map(Load::planned).collect(),
        sites: script.sites.iter().map(|it| it.planned.clone()).collect(),
        objectives: script.objectives.clone(),
        witness: script.witness.as_ref().map(|it| PlannedWitness {
            target: it.ledger.target(),
            every_us: it.every.micros(),
            deadline_us: it.deadline.micros(),
            good_in_a_row: it.good_in_a_row,
        }),
        course: (script.kind == RunKind::Drill).then(|| {
            let exercise = script.exercise.as_ref();
            Box::new(course::plan(&script.phases, exercise, order.rehearse))
        }),
        environment: None,
        approvals: order.approvals.clone(),
    }
}
