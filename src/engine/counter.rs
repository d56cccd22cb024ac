//! Where a drill's questions are answered: at the run's terminal, by command from another, or by
//! the file itself in a rehearsal. Whoever may not answer is told so, and the journal keeps it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::{Notify, mpsc};

use crate::{
    engine::{
        claim::Claim,
        desk::Desk,
        handed::{Handed, Reply, attested, keep},
    },
    evidence::approval::{Plan, approval},
    journal::{
        course::{Answered, Asked, Course, Outcome, Signed, Sort, Voice, Word},
        entry::Fact,
        fold,
    },
    script::lines::{Item, Script},
    world::linux::{
        facts,
        inbox::{Caller, Inbox},
    },
};

/// So many callers are heard at once.
const CALLERS_MAX: usize = 16;
/// So many answers in vain are written down; the rest are only turned away.
const VAIN_MAX: u32 = 100;
/// A name is at most so long, in characters.
const NAME_MAX: usize = 200;
/// A note is at most so long, in characters.
const NOTE_MAX: usize = 4_000;

/// Lines that are typed at the run's terminal.
pub type Lines = mpsc::UnboundedReceiver<String>;

/// A question that was asked.
pub(super) struct Question {
    pub(super) asked: Asked,
    pub(super) answers: RefCell<Vec<Answered>>,
    pub(super) news: Notify,
    outcome: Cell<Option<Outcome>>,
}

impl Question {
    /// What the answers come to, if they come to anything yet.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let answers = self.answers.borrow();
        if let Some(no) = answers.iter().find(|it| !it.word.is_yes()) {
            return Some(if no.word == Word::NoGo { Outcome::Abort } else { Outcome::Fail });
        }
        let yes = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        (yes >= self.asked.persons).then_some(Outcome::Go)
    }

    /// Nothing more is heard.
    pub(super) fn close(&self, outcome: Outcome) {
        self.outcome.set(Some(outcome));
    }
}

/// The counter.
#[derive(Default)]
pub struct Counter {
    /// Every question of the script: its step, and its name.
    known: RefCell<BTreeMap<String, String>>,
    questions: RefCell<Vec<Rc<Question>>>,
    inbox: RefCell<Option<Rc<Inbox>>>,
    lines: RefCell<Option<Lines>>,
    vain: Cell<u32>,
    /// Questions are answered by the file.
    rehearsal: Cell<bool>,
    /// The exercise changes nothing.
    talk: Cell<bool>,
}

/// Whether a script asks anything.
pub(super) fn asks(script: &Script) -> bool {
    script.steps().any(|it| matches!(it.item, Item::Ask(_)))
}

impl Counter {
    /// Opens it for the questions of a script.
    pub(super) fn open(&self, script: &Script, inbox: Inbox, lines: Option<Lines>) {
        let asks = script.steps().filter(|it| matches!(it.item, Item::Ask(_)));
        *self.known.borrow_mut() = asks.map(|it| (it.id.clone(), it.name.clone())).collect();
        self.talk.set(script.exercise.as_ref().is_some_and(|it| it.kind.is_talk()));
        *self.inbox.borrow_mut() = Some(Rc::new(inbox));
        *self.lines.borrow_mut() = lines;
    }

    /// Questions are answered by the file from here on.
    pub(super) fn rehearse(&self, it: bool) {
        self.rehearsal.set(it);
    }

    /// Whether they are.
    pub(super) fn is_rehearsal(&self) -> bool {
        self.rehearsal.get()
    }

    /// Asks; answers that were given before count.
    pub(super) fn ask(&self, asked: Asked, before: Vec<Answered>) -> Rc<Question> {
        let (answers, news, outcome) = (RefCell::new(before), Notify::new(), Cell::new(None));
        let question = Rc::new(Question { asked, answers, news, outcome });
        self.questions.borrow_mut().push(Rc::clone(&question));
        question
    }

    /// Hears callers and the terminal, until dropped.
    pub(super) async fn serve(&self, desk: &Desk) {
        tokio::join!(self.callers(desk), self.terminal(desk));
    }

    async fn callers(&self, desk: &Desk) {
        let Some(inbox) = self.inbox.borrow().clone() else { return };
        let mut heard = FuturesUnordered::new();
        loop {
            tokio::select! {
                caller = inbox.next(), if heard.len() < CALLERS_MAX => {
                    heard.push(self.caller(caller, desk));
                }
                Some(()) = heard.next() => {}
            }
        }
    }

    async fn caller(&self, mut caller: Caller, desk: &Desk) {
        let Some(bytes) = caller.hear().await else { return };
        let (name, own) = (caller.name.clone(), caller.is_own);
        let line = bytes.split(|it| *it == b'\n').next().unwrap_or_default();
        let rest = bytes.get(line.len() + 1..).unwrap_or_default();
        let said = match serde_json::from_slice::<Handed>(line) {
            Ok(handed) => self.take(handed, rest, ((&name, own), Voice::Command), desk),
            Err(why) => Err(format!("it is no answer: {why}")),
        };
        let reply = match said {
            Ok(said) => Reply { taken: true, said },
            Err(said) => Reply { taken: false, said },
        };
        caller.reply(&serde_json::to_vec(&reply).expect("a reply is plain data")).await;
    }

    /// What is typed: `go`, `no-go because …`, or with the question's step before it.
    async fn terminal(&self, desk: &Desk) {
        let Some(mut lines) = self.lines.borrow_mut().take() else { return };
        while let Some(line) = lines.recv().await {
            let mut words = line.trim().splitn(2, ' ');
            let (first, rest) = (words.next().unwrap_or(""), words.next().unwrap_or("").trim());
            if first.is_empty() {
                continue;
            }
            let (step, word, note) = if let Some(word) = Word::read(first) {
                (self.only(), word, rest)
            } else {
                let (word, note) = rest.split_once(' ').unwrap_or((rest, ""));
                let Some(word) = Word::read(word) else {
                    desk.say("type go, no-go, done or not-done, and a note if you like");
                    continue;
                };
                (Some(first.to_owned()), word, note)
            };
            let Some(step) = step else {
                desk.say("several questions are open, or none: type the step before the answer");
                continue;
            };
            let (between, note) = Claim::typed(note.trim());
            let between = between.map(|it| it.attested(desk.world.clock.now_us())).transpose();
            let between = match between {
                Ok(it) => it,
                Err(why) => {
                    desk.say(&why);
                    continue;
                }
            };
            let (note, attached, on_behalf) = (note.trim().to_owned(), None, None);
            let handed = Handed { step, word, note, between, attached, signature: None, on_behalf };
            let who = facts::operator();
            if let Err(why) = self.take(handed, &[], ((&who, true), Voice::Terminal), desk) {
                desk.say(&why);
            }
        }
    }

    /// The question that is open, if it is one alone.
    fn only(&self) -> Option<String> {
        let questions = self.questions.borrow();
        let mut open = questions.iter().filter(|it| it.outcome.get().is_none());
        open.next().filter(|_| open.next().is_none()).map(|it| it.asked.step.clone())
    }

    /// Takes an answer, or says why it does not count.
    fn take(
        &self,
        handed: Handed,
        rest: &[u8],
        (who, voice): ((&str, bool), Voice),
        desk: &Desk,
    ) -> Result<String, String> {
        let step = handed.step.clone();
        let taken = self.weigh(&handed, who, desk).and_then(|(question, by, signed)| {
            let attested = attested(&handed, &question.asked)?;
            let n = question.answers.borrow().len() + 1;
            let attachment = keep(&handed, rest, (&question.asked, n), desk)?;
            let Handed { word, note, on_behalf, .. } = handed;
            let on_behalf = on_behalf.map(|it| it.chars().take(NAME_MAX).collect());
            let step = question.asked.step.clone();
            let note = note.chars().take(NOTE_MAX).collect();
            let answered =
                Answered { step, by, on_behalf, word, note, voice, attested, attachment, signed };
            Self::put(&question, answered, desk)
        });
        if let Err(why) = &taken
            && self.vain.replace(self.vain.get().saturating_add(1)) < VAIN_MAX
        {
            let why = why.clone();
            let step = step.chars().take(200).collect();
            let fact = Course::TurnedAway { step, by: who.0.to_owned(), why };
            if let Err(why) = desk.write(Fact::Course(fact)) {
                tracing::error!("the journal could not be written: {why}");
            }
        }
        taken
    }

    /// An answer that counts is written down before anybody acts on it.
    pub(super) fn put(
        question: &Question,
        answered: Answered,
        desk: &Desk,
    ) -> Result<String, String> {
        let name = &question.asked.name;
        desk.write(Fact::Course(Course::Answered(answered.clone())))
            .map_err(|why| format!("it could not be written down: {why}"))?;
        let said = format!("{} answered “{name}”: {}", answered.whose(), answered.word.word());
        question.answers.borrow_mut().push(answered);
        let more = question.answers.borrow().len();
        let more = question.asked.persons.saturating_sub(u32::try_from(more).unwrap_or(u32::MAX));
        question.news.notify_one();
        Ok(match question.outcome() {
            None => format!("{said}; {more} more must answer"),
            Some(_) => said,
        })
    }

    /// Whether an answer counts: which question it answers, and whose it is.
    fn weigh(
        &self,
        handed: &Handed,
        (name, is_own): (&str, bool),
        desk: &Desk,
    ) -> Result<(Rc<Question>, String, Option<Signed>), String> {
        let question = self.find(&handed.step)?;
        let asked = &question.asked;
        if handed.word.sort() != asked.sort {
            let words = match asked.sort {
                Sort::Gate => "go or no-go",
                Sort::Manual => "done or not-done",
                Sort::Approval => "with a signature (`holdfast drill approve`)",
            };
            let (name, word) = (&asked.name, handed.word.word());
            return Err(format!("“{name}” is not answered by {word}: answer {words}"));
        }
        let (by, signed) = match &handed.signature {
            Some(signature) => signer(signature, desk)?,
            None => (name.to_owned(), None),
        };
        if signed.is_none() && !asked.who.is_empty() && !asked.who.contains(&by) {
            let who = asked.who.join(", ");
            return Err(format!("{by} may not answer “{}”: {who} may", asked.name));
        }
        if signed.is_none() && asked.who.is_empty() && !is_own {
            return Err(format!("{by} may not answer “{}”: the run is not theirs", asked.name));
        }
        // Around a table one person may type for all; elsewhere nobody is two.
        let talk = self.talk.get() && signed.is_none();
        let person = |by: &String, other: &Option<String>| match other {
            Some(other) if talk => other.clone(),
            Some(_) | None => by.clone(),
        };
        let own = person(&by, &handed.on_behalf);
        let before = question.answers.borrow();
        if let Some(it) = before.iter().find(|it| person(&it.by, &it.on_behalf) == own) {
            let word = it.word.word();
            return Err(format!("{own} has answered “{}” already: {word}", asked.name));
        }
        drop(before);
        Ok((Rc::clone(&question), by, signed))
    }

    /// The question that is open under this name or at this step.
    fn find(&self, named: &str) -> Result<Rc<Question>, String> {
        let known = self.known.borrow();
        let step = known.iter().find(|(step, name)| *step == named || *name == named);
        let Some((step, name)) = step else {
            let all: Vec<String> =
                known.iter().map(|(step, name)| format!("{step} “{name}”")).collect();
            return Err(format!("no question is called “{named}”: there are {}", all.join(", ")));
        };
        let questions = self.questions.borrow();
        let question = questions.iter().rfind(|it| it.asked.step == *step);
        match question.map(|it| (it, it.outcome.get())) {
            None => Err(format!("“{name}” is not asked yet, or was decided before")),
            Some((_, Some(outcome))) => {
                Err(format!("“{name}” has been decided: {}", outcome.word()))
            }
            Some((it, None)) => Ok(Rc::clone(it)),
        }
    }
}

/// Whose signature over the run's plan it is.
fn signer(signature: &str, desk: &Desk) -> Result<(String, Option<Signed>), String> {
    let approvers = desk.world.rules.approvers.iter();
    let approvers = approvers.map(|it| (it.name.as_str(), it.key.as_str()));
    let (signed, operator) = desk.fold(|entries| {
        let began = fold::began(entries).ok_or_else(|| "the run has no plan".to_owned())?;
        let signed = approval(&Plan::of(began), signature, approvers);
        let signed = signed.map_err(|why| format!("it is no approval: {why}"))?;
        Ok::<_, String>((signed, began.operator.clone()))
    })?;
    if signed.name == operator {
        return Err(format!("{operator} runs the drill, and cannot approve it"));
    }
    let (key, signature) = (signed.key, signed.signature);
    Ok((signed.name, Some(Signed { key, signature })))
}
