//! Questions that may never be answered, such as `statfs(2)` on a file system whose server is gone.
//!
//! They are asked on a thread of their own, one after the other. When an answer does not come in
//! time, the thread is left to its question, and a fresh one asks the others; the question is not
//! asked again before its thread is back. So a hung place costs one thread, however often it is
//! looked at.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use crate::world::thread;

/// So many questions may hang at the same time. More are not asked, nor any other meanwhile.
const HUNG_MAX: usize = 32;

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
    questions: mpsc::Sender<String>,
    answers: mpsc::Receiver<T>,
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

    /// Asks about a place. Takes no longer than the patience; an error means that there is no
    /// thread to ask on.
    pub fn ask(&mut self, place: &str) -> io::Result<Asked<T>> {
        if let Some(line) = self.hung.get(place) {
            match line.answers.try_recv() {
                Err(mpsc::TryRecvError::Empty) => return Ok(Asked::Hangs),
                // What it found is old: it is asked again, on a thread that is known to live.
                Ok(_) | Err(mpsc::TryRecvError::Disconnected) => drop(self.hung.remove(place)),
            }
        }
        if self.hung.len() >= HUNG_MAX {
            return Ok(Asked::Hangs);
        }
        let line = match self.ready.take() {
            Some(line) => line,
            None => Line::start(&self.ask)?,
        };
        let is_gone = || io::Error::other("the thread that asks is gone");
        line.questions.send(place.to_owned()).map_err(|_| is_gone())?;
        match line.answers.recv_timeout(self.patience) {
            Ok(answer) => {
                self.ready = Some(line);
                Ok(Asked::Answered(answer))
            }
            Err(RecvTimeoutError::Timeout) => {
                self.hung.insert(place.to_owned(), line);
                Ok(Asked::Hangs)
            }
            Err(RecvTimeoutError::Disconnected) => Err(is_gone()),
        }
    }

    /// How many places hang.
    pub fn hung(&self) -> usize {
        self.hung.len()
    }
}

impl<T: Send + 'static> Line<T> {
    fn start(ask: &Ask<T>) -> io::Result<Self> {
        let (questions, asked) = mpsc::channel::<String>();
        let (answer, answers) = mpsc::channel();
        let ask = Arc::clone(ask);
        drop(thread::start("ask", move || {
            for place in asked {
                if answer.send(ask(&place)).is_err() {
                    return;
                }
            }
        })?);
        Ok(Self { questions, answers })
    }
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
        for _ in 0..5 {
            assert_eq!(asker.ask("good").unwrap(), Asked::Answered(4));
            assert_eq!(asker.ask("bad").unwrap(), Asked::Hangs);
        }
        assert_eq!((asker.hung(), asked.load(Ordering::SeqCst)), (1, 6), "asked once");
        gate.open();
        let comes_back = (0..200).any(|_| {
            thread::nap(Duration::from_millis(5));
            asker.ask("bad").unwrap() == Asked::Answered(3)
        });
        assert!(comes_back && asker.hung() == 0);
    }

    #[test]
    fn threads_do_not_pile_up() {
        let gate = Arc::new(Gate::default());
        let inner = Arc::clone(&gate);
        let mut asker = Asker::new(Duration::from_millis(1), move |_: &str| inner.wait());
        for place in 0..HUNG_MAX * 2 {
            assert_eq!(asker.ask(&place.to_string()).unwrap(), Asked::Hangs);
        }
        assert_eq!(asker.hung(), HUNG_MAX);
        gate.open();
    }
}
