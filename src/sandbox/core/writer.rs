//! The one writer of a core: entries in groups, copies from the primary, changes of role.
//!
//! All that changes ledger or role passes through here one after the other, so that no entry is
//! numbered by a core that has just ceased to be primary.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use axum::http::StatusCode;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Shared,
    entry::{Entry, Order},
    ledger::{ENTRIES_MAX, Ledger},
    role::{Part, Primary, Role},
};
use crate::sandbox::web::Problem;

/// How many entries share one wait for the disk.
const GROUP_MAX: usize = 256;
/// How many jobs may wait.
pub(super) const JOBS_MAX: usize = 1_024;

/// An entry that is durable here.
#[derive(Debug, Clone)]
pub(super) struct Entered {
    pub(super) entry: Entry,
    /// It was not there before.
    pub(super) fresh: bool,
    /// The term in which it was entered or found.
    pub(super) term: u64,
}

type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Enter a payment.
    Enter(Order, Reply<Entered>),
    /// Append a primary's lines, if this core is still in the term in which they were asked for.
    Copy { term: u64, epoch: u64, lines: Vec<u8>, reply: Reply<()> },
    /// Become primary.
    Promote { epoch: u64, reply: Reply<()> },
    /// Become standby.
    Demote { epoch: u64, primary: Primary, reply: Reply<u64> },
    /// Drop the entries from `keep` on, if still in that term. Answers how many there were.
    Cut { term: u64, keep: u64, reply: Reply<u64> },
}

pub(super) struct Writer {
    ledger: Option<Ledger>,
    shared: Arc<Shared>,
    role_file: PathBuf,
}

impl Writer {
    pub(super) fn new(ledger: Ledger, shared: Arc<Shared>, role_file: PathBuf) -> Self {
        Self { ledger: Some(ledger), shared, role_file }
    }

    /// Works until nobody can ask any more.
    pub(super) async fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut held = None;
        loop {
            let next = match held.take() {
                Some(job) => Some(job),
                None => jobs.recv().await,
            };
            match next {
                None => return,
                Some(Job::Enter(order, reply)) => {
                    let mut group = vec![(order, reply)];
                    while group.len() < GROUP_MAX {
                        match jobs.try_recv() {
                            Ok(Job::Enter(order, reply)) => group.push((order, reply)),
                            Ok(other) => {
                                held = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.enter(group).await;
                }
                Some(Job::Copy { term, epoch, lines, reply }) => {
                    answer(reply, self.copy(term, epoch, lines).await);
                }
                Some(Job::Promote { epoch, reply }) => answer(reply, self.promote(epoch)),
                Some(Job::Demote { epoch, primary, reply }) => {
                    answer(reply, self.demote(epoch, primary));
                }
                Some(Job::Cut { term, keep, reply }) => answer(reply, self.cut(term, keep).await),
            }
        }
    }

    async fn enter(&mut self, group: Vec<(Order, Reply<Entered>)>) {
        let (role, term) = self.shared.role();
        if let Err(why) = self.shared.may_write(&role) {
            return group.into_iter().for_each(|(_, reply)| answer(reply, Err(why.clone())));
        }
        let mut next = self.shared.view.count();
        let mut lines = Vec::new();
        let mut new: BTreeMap<String, Entry> = BTreeMap::new();
        let mut decided = Vec::with_capacity(group.len());
        for (order, reply) in group {
            let known = match new.get(&order.id) {
                Some(entry) => Ok(Some(entry.clone())),
                None => self.known(&order.id),
            };
            let outcome = match known {
                Err(why) => Err(self.shared.failed(&why)),
                Ok(Some(entry)) if order.payment.repeats(&entry.payment) => {
                    Ok(Entered { entry, fresh: false, term })
                }
                Ok(Some(_)) => {
                    let said = format!("the key `{}` belongs to another payment", order.id);
                    Err(Problem::unprocessable(said))
                }
                Ok(None) if next >= ENTRIES_MAX => Err(Problem::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    format!("the ledger holds {ENTRIES_MAX} entries and takes no more"),
                )),
                Ok(None) => {
                    let (seq, epoch) = (next, role.epoch);
                    let entry = Entry { seq, epoch, id: order.id, payment: order.payment };
                    lines.extend_from_slice(&entry.line());
                    new.insert(entry.id.clone(), entry.clone());
                    next += 1;
                    Ok(Entered { entry, fresh: true, term })
                }
            };
            decided.push((outcome, reply));
        }
        // Told before it is durable: `entries` and `durable` differ while the disk is slow.
        self.shared.accepted(next);
        let written = if lines.is_empty() { Ok(()) } else { self.append(lines).await };
        self.shared.accepted(self.shared.view.count());
        for (outcome, reply) in decided {
            let outcome = match (&written, outcome) {
                // A repetition of an entry that failed with this group has failed too.
                (Err(why), Ok(entered)) if entered.fresh || new.contains_key(&entered.entry.id) => {
                    Err(self.shared.failed(why))
                }
                (_, outcome) => outcome,
            };
            answer(reply, outcome);
        }
    }

    fn known(&self, id: &str) -> io::Result<Option<Entry>> {
        match self.shared.view.find(id) {
            Some(seq) => self.shared.view.entry(seq),
            None => Ok(None),
        }
    }

    /// Writes lines on a thread that may wait for the disk, then shows them.
    async fn append(&mut self, lines: Vec<u8>) -> io::Result<()> {
        let began = Instant::now();
        let ((), lines) = self
            .on_disk(move |ledger| {
                let done = ledger.append(&lines);
                done.map(|()| ((), lines))
            })
            .await?;
        self.shared.figures.fsync.observe(began.elapsed().as_secs_f64());
        self.shared.written();
        self.shared.view.publish(&lines)?;
        self.shared.grown();
        Ok(())
    }

    async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Ledger) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let lost = || io::Error::other("the ledger was lost to a crash: start this core again");
        let mut ledger = self.ledger.take().ok_or_else(lost)?;
        let (ledger, done) = tokio::task::spawn_blocking(move || {
            let done = work(&mut ledger);
            (ledger, done)
        })
        .await
        .map_err(io::Error::other)
        .inspect_err(|_| self.shared.broken.store(true, Ordering::SeqCst))?;
        if ledger.is_broken() {
            self.shared.broken.store(true, Ordering::SeqCst);
        }
        self.ledger = Some(ledger);
        done
    }

    async fn copy(&mut self, term: u64, epoch: u64, lines: Vec<u8>) -> Result<(), Problem> {
        let (mut role, now) = self.shared.role();
        if now != term || role.part != Part::Standby {
            return Err(Problem::conflict("the role changed meanwhile"));
        }
        if epoch < role.epoch {
            let said = format!("the primary is of epoch {epoch}, older than {}", role.epoch);
            return Err(Problem::conflict(said));
        }
        if epoch > role.epoch {
            role.epoch = epoch;
            role.write(&self.role_file).map_err(|why| self.shared.failed(&why))?;
            self.shared.same_term(role);
        }
        if lines.is_empty() {
            return Ok(());
        }
        check(&lines, self.shared.view.count()).map_err(Problem::conflict)?;
        self.append(lines).await.map_err(|why| self.shared.failed(&why))
    }

    fn promote(&mut self, epoch: u64) -> Result<(), Problem> {
        let (role, _) = self.shared.role();
        if epoch <= role.epoch {
            let said = format!("epoch {epoch} is not later than this core's {}", role.epoch);
            return Err(Problem::conflict(said));
        }
        let token = self.shared.token.read();
        if token > epoch {
            return Err(Problem::conflict(format!("fenced up to epoch {token}")));
        }
        self.change(Role { part: Part::Primary, epoch, primary: None })
    }

    fn demote(&mut self, epoch: u64, primary: Primary) -> Result<u64, Problem> {
        let (role, _) = self.shared.role();
        if epoch < role.epoch {
            let said = format!("epoch {epoch} is older than this core's {}", role.epoch);
            return Err(Problem::conflict(said));
        }
        self.change(Role { part: Part::Standby, epoch, primary: Some(primary) })?;
        Ok(self.shared.role().1)
    }

    fn change(&mut self, role: Role) -> Result<(), Problem> {
        role.write(&self.role_file).map_err(|why| self.shared.failed(&why))?;
        tracing::info!(part = role.part.word(), epoch = role.epoch, "has another role");
        self.shared.new_term(role);
        Ok(())
    }

    async fn cut(&mut self, term: u64, keep: u64) -> Result<u64, Problem> {
        let (role, now) = self.shared.role();
        if now != term || role.part != Part::Standby {
            return Err(Problem::conflict("the role changed meanwhile"));
        }
        let dropped = self.shared.view.count().saturating_sub(keep);
        if dropped > 0 {
            let view = self.shared.view.clone();
            self.on_disk(move |ledger| {
                tracing::warn!(dropped, keep, file = %ledger.path().display(), "drops entries");
                ledger.cut(&view, keep)
            })
            .await
            .map_err(|why| self.shared.failed(&why))?;
            self.shared.shrunk();
        }
        Ok(dropped)
    }
}

/// Checks that lines continue a ledger of so many entries.
fn check(lines: &[u8], next: u64) -> Result<(), String> {
    for (seq, line) in (next..).zip(lines.split_inclusive(|it| *it == b'\n')) {
        let entry: Entry = serde_json::from_slice(line)
            .map_err(|why| format!("the primary sent no entry at {seq}: {why}"))?;
        if entry.seq != seq || entry.line() != line {
            return Err(format!("the primary sent another entry where {seq} is due"));
        }
    }
    Ok(())
}

/// Whoever asked may have gone; the work is done all the same.
fn answer<T>(reply: Reply<T>, outcome: Result<T, Problem>) {
    if reply.send(outcome).is_err() {
        tracing::debug!("nobody waited for an answer");
    }
}
