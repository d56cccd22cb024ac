//! Questions that may never be answered, such as `statfs(2)` on a file system whose server is gone.
//!
//! They are asked on a thread of their own, one after the other, and handed over together: two
//! threads that take turns at each question would cost more than the questions. When an answer
//! does not come in time, the thread is left to its question, and a fresh one asks the others; the
//! question is not asked again before its thread is back. So a hung place costs one thread,
//! however often it is looked at.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, TryRecvError},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::world::thread;

/// So many questions may hang at the same time. More are not asked, nor any other meanwhile.
const HUNG_MAX: usize = 32;
/// So many that never hung before get the whole patience in one look, all others the least: so a
/// server that takes fifty places with it does not cost fifty times the patience.
const PATIENT_TIMES: u32 = 3;
/// Enough for a place on this machine.
const PATIENCE_MIN: Duration = Duration::from_millis(10);

/// What is asked about a place.
pub type Ask<T> = Arc<dyn Fn(&str) -> T + Send + Sync>;

/// Asks about places, and gives up on those that do not answer.
pub struct Asker<T> {
    ask: Ask<T>,
    patience: Duration,
    /// The thread that waits for questions.
    ready: Option<Line<T>>,
    /// Threads that were left behind, by the place they hang at.
    hung: BTreeMap<String, Line<T>>,
}

/// Both ends of a thread.
struct Line<T> {
    questions: mpsc::Sender<Vec<String>>,
    /// Says that no question is left, or that the rest was left to others.
    done: mpsc::Receiver<()>,
    notes: Arc<Mutex<Notes<T>>>,
}

/// How far a thread is.
struct Notes<T> {
    answers: Vec<T>,
    /// When the question was asked that is being answered.
    asked: Instant,
    /// Nobody waits for its answers any more.
    is_left: bool,
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<T> {
    /// It was answered.
    Answered(T),
    /// No answer came in time, now or when it was asked last.
    Hangs,
}

impl<T: Send + 'static> Asker<T> {
    /// An asker that waits so long for each answer.
    pub fn new(patience: Duration, ask: impl Fn(&str) -> T + Send + Sync + 'static) -> Self {
        Self { ask: Arc::new(ask), patience, ready: None, hung: BTreeMap::new() }
    }

    /// Asks about places, and says of each what came of it. None takes longer than the patience;
    /// an error means that there is no thread to ask on.
    pub fn ask(&mut self, places: &[String]) -> io::Result<Vec<Asked<T>>> {
        // What those find who come back is old: their places are asked again.
        self.hung.retain(|_, line| matches!(line.done.try_recv(), Err(TryRecvError::Empty)));
        let mut outcome: Vec<Asked<T>> = places.iter().map(|_| Asked::Hangs).collect();
        let mut open: Vec<usize> = (0..places.len()).collect();
        let mut left = self.patience * PATIENT_TIMES;
        loop {
            let place = |at: &usize| places.get(*at).map_or("", String::as_str);
            open.retain(|at| !self.hung.contains_key(place(at)));
            if open.is_empty() || self.hung.len() >= HUNG_MAX {
                return Ok(outcome);
            }
            let line = match self.ready.take() {
                Some(line) => line,
                None => Line::start(&self.ask)?,
            };
            let questions = open.iter().map(|at| place(at).to_owned()).collect();
            let patience = self.patience.min(left.max(PATIENCE_MIN));
            let (answers, is_done) = line.ask(questions, patience)?;
            let answered = answers.len();
            for (at, answer) in open.iter().zip(answers) {
                if let Some(outcome) = outcome.get_mut(*at) {
                    *outcome = Asked::Answered(answer);
                }
            }
            if is_done {
                self.ready = Some(line);
                return Ok(outcome);
            }
            left = left.saturating_sub(patience);
            if let Some(at) = open.get(answered) {
                self.hung.insert(place(at).to_owned(), line);
            }
            open.drain(..open.len().min(answered + 1));
        }
    }

    /// How many places hang.
    pub fn hung(&self) -> usize {
        self.hung.len()
    }
}

impl<T: Send + 'static> Line<T> {
    fn start(ask: &Ask<T>) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel::<Vec<String>>();
        let (over, done) = mpsc::channel();
        let notes = Notes { answers: Vec::new(), asked: Instant::now(), is_left: false };
        let notes = Arc::new(Mutex::new(notes));
        let (ask, own) = (Arc::clone(ask), Arc::clone(&notes));
        drop(thread::start("ask", move || {
            for places in asked {
                for place in places {
                    see(&own).asked = Instant::now();
                    let answer = ask(&place);
                    let mut notes = see(&own);
                    if notes.is_left {
                        break;
                    }
                    notes.answers.push(answer);
                }
                if over.send(()).is_err() {
                    return;
                }
            }
        })?);
        Ok(Self { questions, done, notes })
    }

    /// The answers, and whether they are all.
    fn ask(&self, questions: Vec<String>, patience: Duration) -> io::Result<(Vec<T>, bool)> {
        let is_gone = || io::Error::other("the thread that asks is gone");
        see(&self.notes).asked = Instant::now();
        self.questions.send(questions).map_err(|_| is_gone())?;
        let mut left = patience;
        loop {
            match self.done.recv_timeout(left) {
                Ok(()) => return Ok((std::mem::take(&mut see(&self.notes).answers), true)),
                Err(RecvTimeoutError::Disconnected) => return Err(is_gone()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let mut notes = see(&self.notes);
            left = patience.saturating_sub(notes.asked.elapsed());
            if left.is_zero() {
                notes.is_left = true;
                return Ok((std::mem::take(&mut notes.answers), false));
            }
        }
    }
}

fn see<T>(notes: &Mutex<Notes<T>>) -> MutexGuard<'_, Notes<T>> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// Lets those pass who wait, once it is open.
    #[derive(Default)]
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        fn wait(&self) {
            drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
        }

        fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
    }

    #[test]
    fn a_place_that_hangs_costs_one_thread_and_comes_back() {
        let (gate, asked) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
        let (inner, count) = (Arc::clone(&gate), Arc::clone(&asked));
        let mut asker = Asker::new(Duration::from_millis(100), move |place: &str| {
            count.fetch_add(1, Ordering::SeqCst);
            if place == "bad" {
                inner.wait();
            }
            place.len()
        });
        let places = ["good", "bad", "bad", "better"].map(str::to_owned);
        let outcome = [Asked::Answered(4), Asked::Hangs, Asked::Hangs, Asked::Answered(6)];
        for _ in 0..5 {
            assert_eq!(asker.ask(&places).unwrap(), outcome);
        }
        assert_eq!((asker.hung(), asked.load(Ordering::SeqCst)), (1, 11), "asked once");
        gate.open();
        let comes_back = (0..200).any(|_| {
            thread::nap(Duration::from_millis(5));
            asker.ask(&places).unwrap()[1] == Asked::Answered(3)
        });
        assert!(comes_back && asker.hung() == 0);
    }

    #[test]
    fn threads_do_not_pile_up() {
        let gate = Arc::new(Gate::default());
        let inner = Arc::clone(&gate);
        let mut asker = Asker::new(Duration::from_millis(1), move |_: &str| inner.wait());
        let places: Vec<String> = (0..HUNG_MAX * 2).map(|it| it.to_string()).collect();
        assert!(asker.ask(&places).unwrap().iter().all(|it| *it == Asked::Hangs));
        assert_eq!(asker.hung(), HUNG_MAX);
        gate.open();
    }
}
