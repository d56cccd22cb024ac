//! Going on with a drill whose runner vanished: from its journal, in its journal, and without
//! doing again what was done. What nobody can know is asked of the operator, by name.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    action::{ActionKind, Effect},
    engine::{
        desk::{Desk, Listener, Teller},
        kit::Kit,
        past::{self, StepSoFar},
        play::play,
        recover::{self, Healed, Then},
        run::{self, Ending, NoRun, Order},
    },
    journal::{
        book::Journal,
        chain,
        course::{Course, How, Resumed, Settled},
        entry::{Anchor, Entry, Fact, Family, Intent, UndoClass},
        fold,
    },
    script::{
        course::Step,
        lines::{Item, WitnessCue},
    },
    verdict::Verdict,
    world::{
        World,
        linux::{facts, state::JOURNAL, store::FileStore},
        stop::Stop,
    },
};

/// A run that is to go on.
pub struct Going<'a> {
    /// Which.
    pub run: &'a str,
    /// Its script, read from its own journal, and what else playing needs.
    pub order: Order<'a>,
    /// What the operator says of steps that had been begun and not finished.
    pub said: &'a [(String, How)],
}

/// A step that had been begun and not finished, and what is to be done about it.
struct Verified<'a> {
    step: &'a Step,
    how: How,
    why: String,
    /// The act to be written down as applied, and how it was seen.
    act: Option<(Intent, u64, Verdict)>,
}

/// Goes on. What faults left is healed first, whoever was to do it.
pub async fn resume(
    going: &Going<'_>,
    (world, kit): (World, &Kit),
    stop: Stop,
    (listener, teller): (Listener, Teller),
) -> Result<Ending, NoRun> {
    let Going { run, order, .. } = going;
    let _lock = order.state.lock()?;
    let no = |why: String| NoRun::NotResumable(why);
    if !order.state.open_runs()?.iter().any(|it| it == run) {
        return Err(no("it has ended".to_owned()));
    }
    match recover::one(order.state, run, Then::Wait, (&world, kit)).await {
        Healed::Suspended { .. } => {}
        Healed::Stuck { .. } => return Err(NoRun::Residue((*run).to_owned())),
        Healed::Alive => return Err(no("it is still being played".to_owned())),
        Healed::Broken(why) => return Err(no(format!("its journal cannot be believed: {why}"))),
        Healed::Unwritable(why) | Healed::Unsealed(why) => return Err(no(why)),
        Healed::Ended | Healed::Nothing | Healed::Clean { .. } => {
            return Err(no("it has ended".to_owned()));
        }
    }
    let (store, bytes) = FileStore::open(&order.state.run(run).join(JOURNAL))?;
    let lines = chain::read(&bytes).map_err(|why| no(why.to_string()))?;
    let began = fold::began(&lines.entries).ok_or_else(|| no("nothing was begun".to_owned()))?;
    if began.manifest != order.file.1 || began.plan != order.script.plan() {
        return Err(no("its plan is not the one that was begun".to_owned()));
    }
    let world = world.bounded(run::bounds(order.script, Some(began.seed)));
    let world = world.knowing(Arc::clone(&order.script.secrets.secrets));
    let rehearsed = began.course.as_ref().is_some_and(|it| it.rehearsed);
    let settled = settle(going, &lines.entries, (&world.marked(run, 0), kit)).await?;
    let so_far = past::steps(&lines.entries);
    let starts = |it: &&Step| matches!(it.item, Item::Witness(WitnessCue::Start));
    let witness = order.script.steps().find(starts).and_then(|it| so_far.get(&it.id));
    let before = past::before(&lines.entries, witness);
    let unwritten = past::unwritten(&lines.entries, witness);
    let (gap_us, restarted) = past::gap(&lines.entries, &Anchor::now(&world));
    let journal = Journal::take_over(Box::new(store), Arc::clone(&world.clock), lines);
    let desk = Desk::new((run, kit.actions.clone()), world.clone(), stop, journal, listener);
    desk.tell_by(teller);
    desk.set_folder(order.state.run(run));
    desk.counter.rehearse(rehearsed);
    run::keep(order, &desk, &world);
    desk.anchor()?;
    desk.write(Fact::Course(Course::Resumed(Resumed {
        operator: facts::operator(),
        gap_us,
        restarted,
        unwritten,
        settled: settled.iter().map(Verified::told).collect(),
    })))?;
    settled.into_iter().try_for_each(|it| it.write(&desk))?;
    desk.go_on();
    let played = match run::watched(order, (&desk, &before), (&world, kit)) {
        Ok(()) => play(order.script, &desk).await,
        Err(why) => run::refused(&desk, &why),
    };
    Ok(run::end(order, &desk, played, (&world, kit)))
}

impl Verified<'_> {
    fn told(&self) -> Settled {
        Settled { step: self.step.id.clone(), how: self.how, why: self.why.clone() }
    }

    /// A step that was done is written down as such.
    fn write(self, desk: &Desk) -> Result<(), crate::world::host::HostError> {
        let Some((intent, from_us, seen)) = self.act else { return Ok(()) };
        let (act, to_us) = (intent.act, desk.world.clock.now_us());
        desk.write(Fact::Applied { act, from_us, to_us })?;
        desk.write(Fact::Effect { act, seen, how: self.why })?;
        desk.write(Fact::Course(Course::Ended { step: self.step.id.clone() }))
    }
}

/// Finds out what became of every step that had been begun and not finished.
async fn settle<'a>(
    going: &Going<'a>,
    entries: &[Entry],
    (world, kit): (&World, &Kit),
) -> Result<Vec<Verified<'a>>, NoRun> {
    let so_far = past::steps(entries);
    let (mut all, mut unknown) = (Vec::new(), Vec::new());
    let unfinished: Vec<&Step> = going.order.script.steps().collect();
    for step in unfinished {
        let Some(it) = so_far.get(&step.id).filter(|it| !it.done) else { continue };
        let said = going.said.iter().find(|it| it.0 == step.id || it.0 == step.name);
        match one(step, it, entries, (said.map(|it| it.1), world, kit)).await {
            Ok(Some(it)) => all.push(it),
            Ok(None) => {}
            Err(why) => unknown.push(format!("{} “{}”: {why}", step.id, step.name)),
        }
    }
    for (named, _) in going.said {
        let fits = |it: &Verified<'_>| it.step.id == *named || it.step.name == *named;
        if unknown.is_empty() && !all.iter().any(fits) {
            let why = format!("the step “{named}” had not been begun and left unfinished");
            return Err(NoRun::NotResumable(why));
        }
    }
    if unknown.is_empty() { Ok(all) } else { Err(NoRun::Unsettled(unknown)) }
}

/// What became of one of them; none if it is played anew without a question, an error if nobody
/// knows.
async fn one<'a>(
    step: &'a Step,
    so_far: &StepSoFar,
    entries: &[Entry],
    (said, world, kit): (Option<How>, &World, &Kit),
) -> Result<Option<Verified<'a>>, String> {
    let intent = entries.iter().find_map(|it| match &it.fact {
        Fact::Intent(intent) if Some(intent.act) == so_far.act => Some((&**intent, it.at_us)),
        _ => None,
    });
    // What changes nothing is played anew, and so is what was not even written down.
    let Some((intent, at_us)) = intent else { return Ok(None) };
    let kind = kit.actions.iter().copied().find(|it| it.about.name == intent.kind);
    let healed = intent.family == Family::Fault && intent.class != UndoClass::OneShot;
    let verified = |how, why: String, seen: Option<Verdict>| {
        let act = seen.map(|seen| (intent.clone(), from(entries, at_us, world), seen));
        Ok(Some(Verified { step, how, why, act }))
    };
    let operator = facts::operator();
    match said {
        Some(How::Done) => {
            let why = format!("{operator} says that it was done");
            return verified(How::Done, why, Some(Verdict::Inconclusive));
        }
        Some(How::Again) => {
            return verified(
                How::Again,
                format!("{operator} says that it is to be done again"),
                None,
            );
        }
        None if healed => {
            let why = "it had been put back before it stood".to_owned();
            return verified(How::Again, why, None);
        }
        None => {}
    }
    let failed = entries.iter().find_map(|it| match &it.fact {
        Fact::Failed { act, why } if *act == intent.act => Some(why),
        _ => None,
    });
    if let Some(why) = failed {
        return Err(format!("it had failed: {why}"));
    }
    match kind.filter(|it| it.confirms) {
        None => Err("it had been begun, and cannot say itself whether it was done".to_owned()),
        Some(kind) => match look(kind, &intent.undo, (world, intent.act)).await {
            Ok(how) => verified(How::Done, how, Some(Verdict::Pass)),
            Err(why) => Err(format!("it had been begun, and is not seen to be done: {why}")),
        },
    }
}

/// Whether an act of a kind that can tell was done.
async fn look(
    kind: &'static ActionKind,
    undo: &Value,
    (world, act): (&World, u32),
) -> Result<String, String> {
    let run = world.mark.split('/').next().unwrap_or_default();
    match kind.confirm(undo, &world.marked(run, act)).await {
        Ok(Effect::Seen(how)) => Ok(how),
        Ok(Effect::NotSeen(how)) => Err(how),
        Err(why) => Err(why.to_string()),
    }
}

/// Since when it may have been done: since it was written down, or, if the machine was restarted
/// meanwhile and its clock began anew, since now.
fn from(entries: &[Entry], at_us: u64, world: &World) -> u64 {
    let boot = world.host.boot();
    let same = entries.iter().all(|it| match &it.fact {
        Fact::Anchor(it) => it.boot_id == boot,
        _ => true,
    });
    if same { at_us } else { world.clock.now_us() }
}
