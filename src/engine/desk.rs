//! The player's desk: the journal, the guardian's lease, the observer's rows, and the word to stop,
//! in one place and on one thread. What pumps the lease is what plays: if one hangs, so does the
//! other, and the guardian notices.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    path::PathBuf,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::Instant;

use crate::{
    action::ActionKind,
    engine::{
        back::{Left, back},
        counter::Counter,
        dues::Dues,
        index::Keeper,
        observe::Observer,
        past::{self, Past},
        veil::veiled,
    },
    evidence,
    journal::{
        book::Journal,
        entry::{Anchor, Entry, Fact, OnVanish},
        fold::{self, Open},
    },
    world::{World, host::HostError, linux::watch::Watcher, stop::Stop},
};

/// How often the lease is renewed and rows are written down.
pub const BEAT: Duration = Duration::from_millis(100);
/// So long before an instant at which something is due, rows wait.
const QUIET: Duration = Duration::from_millis(60);
/// How often the clocks are read together.
const ANCHOR: Duration = Duration::from_mins(1);

/// Who is told of each line as it is written.
pub type Listener = Box<dyn FnMut(&Entry)>;

/// Who says something to the one at the terminal.
pub type Teller = Box<dyn FnMut(&str)>;

/// What a player works with.
pub struct Desk {
    /// The run's id.
    pub run: String,
    /// The world.
    pub world: World,
    /// The word to stop.
    pub stop: Stop,
    /// Every action there is.
    pub kinds: Vec<&'static ActionKind>,
    /// Where questions are answered.
    pub counter: Counter,
    /// What was done before the run was resumed.
    pub past: Past,
    /// The run's folder.
    folder: RefCell<Option<PathBuf>>,
    journal: RefCell<Journal>,
    keeper: RefCell<Option<Keeper>>,
    guardian: RefCell<Option<Watcher>>,
    observer: RefCell<Option<Observer>>,
    listener: RefCell<Listener>,
    teller: RefCell<Teller>,
    dues: Dues,
    appointments: RefCell<BTreeSet<Instant>>,
    acts: Cell<u32>,
    /// The same instant by both clocks: for waiting, and for the journal.
    began: (Instant, u64),
    refused: Cell<bool>,
}

impl Desk {
    /// A desk with nothing on it but the journal.
    pub fn new(
        (run, kinds): (&str, Vec<&'static ActionKind>),
        world: World,
        stop: Stop,
        journal: Journal,
        listener: Listener,
    ) -> Self {
        let began = together(&world);
        Self {
            began,
            run: run.to_owned(),
            world,
            stop,
            kinds,
            counter: Counter::default(),
            past: Past::default(),
            folder: RefCell::default(),
            journal: RefCell::new(journal),
            keeper: RefCell::default(),
            guardian: RefCell::default(),
            observer: RefCell::default(),
            listener: RefCell::new(listener),
            teller: RefCell::new(Box::new(|_| {})),
            dues: Dues::default(),
            appointments: RefCell::default(),
            acts: Cell::new(0),
            refused: Cell::new(false),
        }
    }

    /// Puts the keeper of the index on the desk.
    pub fn keep(&self, keeper: Keeper) {
        *self.keeper.borrow_mut() = Some(keeper);
    }

    /// Knows the run's folder.
    pub fn set_folder(&self, folder: PathBuf) {
        *self.folder.borrow_mut() = Some(folder);
    }

    /// The run's folder.
    pub fn folder(&self) -> Option<PathBuf> {
        self.folder.borrow().clone()
    }

    /// Goes on from the journal.
    pub fn go_on(&self) {
        self.acts.set(self.fold(past::acts));
        self.fold(|entries| self.past.learn(entries));
    }

    /// Tells whoever sits at the terminal.
    pub fn say(&self, text: &str) {
        (self.teller.borrow_mut())(text);
    }

    /// Who tells it.
    pub fn tell_by(&self, teller: Teller) {
        *self.teller.borrow_mut() = teller;
    }

    /// Puts the guardian on the desk.
    pub fn guard(&self, guardian: Watcher) {
        *self.guardian.borrow_mut() = Some(guardian);
    }

    /// Puts the observer on the desk.
    pub fn observe(&self, observer: Observer) {
        *self.observer.borrow_mut() = Some(observer);
    }

    /// The run stops, and it is as if it had never been let in.
    pub fn refuse(&self) {
        self.refused.set(true);
    }

    /// Whether it was refused.
    pub fn is_refused(&self) -> bool {
        self.refused.get()
    }

    /// Does something with the observer, if there is one.
    pub fn with_observer(&self, what: impl FnOnce(&mut Observer)) {
        if let Some(it) = self.observer.borrow_mut().as_mut() {
            what(it);
        }
    }

    /// Takes the guardian off the desk.
    pub fn take_guardian(&self) -> Option<Watcher> {
        self.guardian.borrow_mut().take()
    }

    /// Takes the observer off the desk.
    pub fn take_observer(&self) -> Option<Observer> {
        self.observer.borrow_mut().take()
    }

    /// Writes one fact down; when this returns, it would survive what it must survive.
    pub fn write(&self, fact: Fact) -> Result<(), HostError> {
        let fact = veiled(fact, &self.world.secrets);
        let mut journal = self.journal.borrow_mut();
        if let Err(why) = journal.append(fact) {
            self.stop.say(format!("the journal could not be written: {why}"));
            return Err(why);
        }
        let entries = journal.entries();
        let Some(entry) = entries.last() else { return Ok(()) };
        if let Some(keeper) = self.keeper.borrow_mut().as_mut() {
            keeper.note_soon(entry, || evidence::figures::figures(&evidence::fold::fold(entries)));
        }
        (self.listener.borrow_mut())(entry);
        Ok(())
    }

    /// Reads the clocks together and writes them down.
    pub fn anchor(&self) -> Result<(), HostError> {
        self.write(Fact::Anchor(Anchor::now(&self.world)))
    }

    /// Folds the journal so far.
    pub fn fold<T>(&self, how: impl FnOnce(&[Entry]) -> T) -> T {
        how(self.journal.borrow().entries())
    }

    /// The number of the next act.
    pub fn next_act(&self) -> u32 {
        self.acts.set(self.acts.get() + 1);
        self.acts.get()
    }

    /// An act is to be undone at `end`, while the script goes on.
    pub fn undo_after(&self, act: u32, end: Instant) {
        self.dues.put(act, end);
    }

    /// Something is to be done at this instant: what can wait is not written down just before.
    pub fn appoint(&self, at: Instant) {
        self.appointments.borrow_mut().insert(at);
    }

    /// An instant by the journal's clock, in microseconds.
    pub fn on_clock(&self, at: Instant) -> u64 {
        let (began, began_us) = self.began;
        let since = at.saturating_duration_since(began);
        began_us.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// Whether something is due so soon that a slow disk would make it late.
    fn is_busy_soon(&self) -> bool {
        let now = Instant::now();
        self.appointments.borrow_mut().retain(|it| *it > now);
        self.appointments.borrow().first().is_some_and(|it| *it < now + QUIET)
    }

    /// Waits for `what`, unless the word to stop comes first.
    pub async fn heed<T>(&self, what: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            why = self.stop.wait() => Err(why),
            done = what => Ok(done),
        }
    }

    /// Undoes what fits, newest first, because its length is over: also what would else be kept.
    pub async fn undo(&self, which: impl Fn(&Open) -> bool) -> Left {
        let mut open = self.outstanding();
        open.retain(which);
        for it in &mut open {
            it.on_vanish = OnVanish::Heal;
        }
        self.back(open).await
    }

    /// What stands, and is not being undone.
    fn outstanding(&self) -> Vec<Open> {
        let mut open = self.fold(fold::outstanding);
        open.retain(|it| !self.dues.goes(it.act));
        open
    }

    async fn back(&self, open: Vec<Open>) -> Left {
        let names = (self.run.as_str(), self.kinds.as_slice());
        let _going = self.dues.begin(open.iter().map(|it| it.act).collect());
        back(open, names, &self.world, &mut |fact| self.write(fact)).await
    }

    /// Takes back everything; nothing falls due by itself any more. What is being undone by then is
    /// not undone a second time beside that: two at once are not the same as two in a row.
    pub async fn back_all(&self) -> Left {
        let others = self.dues.close();
        let left = self.back(self.outstanding()).await;
        self.dues.settled().await;
        let mut rest = self.outstanding();
        rest.retain(|it| others.contains(&it.act));
        left.and(self.back(rest).await)
    }

    /// Renews the lease, writes rows down and undoes what is due, until dropped. The lease does not
    /// wait for an undo: a service that is slow to answer is no reason to kill the run.
    pub async fn pump(&self) {
        tokio::join!(self.beats(), self.dues());
    }

    async fn beats(&self) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut anchored = Instant::now();
        loop {
            beat.tick().await;
            self.beat();
            if self.is_busy_soon() {
                continue;
            }
            self.summarise();
            if self.rows().is_ok() && anchored.elapsed() > ANCHOR && self.anchor().is_ok() {
                anchored = Instant::now();
            }
        }
    }

    async fn dues(&self) {
        let mut going = FuturesUnordered::new();
        loop {
            tokio::select! {
                // Something that falls due sooner may have been put down meanwhile.
                () = tokio::time::sleep(BEAT) => {}
                () = self.dues.next() => {}
                Some(()) = going.next() => {}
            }
            // What takes its time to be undone keeps nothing else standing for longer.
            let due = self.dues.take();
            if !due.is_empty() {
                going.push(self.undo_due(due));
            }
        }
    }

    /// Writes down what the observer has seen since the last time.
    pub fn rows(&self) -> Result<(), HostError> {
        let facts = self.observer.borrow_mut().as_mut().map_or_else(Vec::new, Observer::take_facts);
        facts.into_iter().try_for_each(|it| self.write(it))
    }

    /// Brings the index up to date.
    pub fn summarise(&self) {
        if let Some(keeper) = self.keeper.borrow_mut().as_mut() {
            keeper.save();
        }
    }

    fn beat(&self) {
        if let Some(it) = self.guardian.borrow_mut().as_mut()
            && !it.beat()
        {
            self.stop.say("the guardian died, so nobody would go back for us");
        }
    }

    async fn undo_due(&self, due: Vec<u32>) {
        if self.undo(|it| due.contains(&it.act)).await.stuck > 0 {
            self.stop.say("an act could not be undone");
        }
    }
}

/// One instant by both clocks. Between two readings the machine may have been busy elsewhere, so
/// the closest of a few counts.
fn together(world: &World) -> (Instant, u64) {
    let reading = || {
        let before = world.clock.now_us();
        let instant = Instant::now();
        (world.clock.now_us().saturating_sub(before), (instant, before))
    };
    let best = (0..5).map(|_| reading()).min_by_key(|it| it.0);
    best.map_or_else(|| reading().1, |it| it.1)
}
