//! One long-lived thread for a collector that can hang, with one call in flight at most.

use std::{sync::mpsc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::scrape::{Make, attempt};
use crate::{
    collector::{Blank, Samples},
    world::roots::Roots,
};

/// The thread's other end.
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    pending: Option<oneshot::Receiver<Answer>>,
    /// The pending call was begun for the scrape of now, not for an earlier one.
    is_fresh: bool,
    since: Instant,
    spare: Samples,
    roots: Box<Roots>,
}

struct Job {
    samples: Samples,
    answer: oneshot::Sender<Answer>,
}

/// What came of a call.
pub(crate) struct Answer {
    pub(crate) samples: Samples,
    pub(crate) outcome: Result<(), Blank>,
    pub(crate) took: Duration,
}

impl Worker {
    /// Starts the thread. It ends with its last job after this value is gone; one that hangs in
    /// the kernel is left behind, since nobody can call it back.
    pub(crate) fn start(name: &'static str, make: Make, roots: Roots) -> std::io::Result<Self> {
        let ((jobs, inbox), own) = (mpsc::channel::<Job>(), roots.clone());
        std::thread::Builder::new().name(format!("collect {name}")).spawn(move || {
            let mut collector = make();
            for Job { mut samples, answer } in inbox {
                let begun = Instant::now();
                samples.clear();
                let outcome = attempt(&mut collector, &make, &roots, &mut samples);
                // Nobody waits any more when the scrape gave up: the answer is stale.
                drop(answer.send(Answer { samples, outcome, took: begun.elapsed() }));
            }
        })?;
        Ok(Self {
            jobs,
            pending: None,
            is_fresh: false,
            since: Instant::now(),
            spare: Samples::default(),
            roots: Box::new(own),
        })
    }

    /// Begins a call, unless the last one still hangs.
    pub(crate) fn begin(&mut self) {
        self.is_fresh = false;
        if let Some(pending) = &mut self.pending {
            match pending.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => return,
                // What it found belongs to an earlier scrape, and is not passed off as new.
                Ok(stale) => self.spare = stale.samples,
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        let (answer, pending) = oneshot::channel();
        let samples = std::mem::take(&mut self.spare);
        self.since = Instant::now();
        self.pending = Some(pending);
        self.is_fresh = true;
        // A thread that is gone closes the channel, and `finish` says so.
        drop(self.jobs.send(Job { samples, answer }));
    }

    /// Makes the call on the caller's own thread: for what cannot hang now.
    pub(crate) fn here(&mut self, make: &Make) -> Answer {
        let (begun, mut samples) = (Instant::now(), std::mem::take(&mut self.spare));
        samples.clear();
        let outcome = attempt(&mut make(), make, &self.roots, &mut samples);
        Answer { samples, outcome, took: begun.elapsed() }
    }

    /// Waits for the call until the deadline.
    pub(crate) async fn finish(&mut self, deadline: Instant) -> Answer {
        let waited = self.since;
        let blank = |why: String| Answer {
            samples: Samples::default(),
            outcome: Err(Blank::Late(why)),
            took: waited.elapsed(),
        };
        let hangs = || "a call hangs, as on a file system whose server is gone".to_owned();
        let Some(pending) = self.pending.as_mut().filter(|_| self.is_fresh) else {
            return blank(hangs());
        };
        match timeout_at(deadline, pending).await {
            Ok(Ok(answer)) => {
                self.pending = None;
                answer
            }
            Ok(Err(_)) => {
                self.pending = None;
                blank("its thread is gone".to_owned())
            }
            Err(_) => blank(hangs()),
        }
    }

    /// Gives the buffers back.
    pub(crate) fn give_back(&mut self, samples: Samples) {
        self.spare = samples;
    }
}
