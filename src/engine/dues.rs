//! What falls due to be undone, and what is being undone: no act is undone twice at once.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use tokio::{sync::Notify, time::Instant};

/// Both.
#[derive(Default)]
pub(super) struct Dues {
    due: RefCell<Vec<(Instant, u32)>>,
    /// Acts that are being undone.
    going: RefCell<BTreeSet<u32>>,
    /// One of them is not any more.
    gone: Notify,
    closed: Cell<bool>,
}

impl Dues {
    /// An act is to be undone at `end`.
    pub(super) fn put(&self, act: u32, end: Instant) {
        self.due.borrow_mut().push((end, act));
    }

    /// Waits until something is due.
    pub(super) async fn next(&self) {
        let next = self.due.borrow().iter().map(|it| it.0).min();
        match next {
            Some(at) if !self.closed.get() => tokio::time::sleep_until(at).await,
            Some(_) | None => std::future::pending().await,
        }
    }

    /// Takes what is due by now.
    pub(super) fn take(&self) -> Vec<u32> {
        if self.closed.get() {
            return Vec::new();
        }
        let now = Instant::now();
        let mut due = self.due.borrow_mut();
        let over = due.iter().filter(|it| it.0 <= now).map(|it| it.1).collect();
        due.retain(|it| it.0 > now);
        over
    }

    /// Nothing falls due by itself any more; tells what is being undone.
    pub(super) fn close(&self) -> Vec<u32> {
        self.closed.set(true);
        self.going.borrow().iter().copied().collect()
    }

    /// Acts are being undone, until what is returned is dropped.
    pub(super) fn begin(&self, acts: Vec<u32>) -> Going<'_> {
        self.going.borrow_mut().extend(&acts);
        Going { dues: self, acts }
    }

    /// Whether an act is being undone.
    pub(super) fn goes(&self, act: u32) -> bool {
        self.going.borrow().contains(&act)
    }

    /// Waits until nothing is being undone any more.
    pub(super) async fn settled(&self) {
        while !self.going.borrow().is_empty() {
            self.gone.notified().await;
        }
    }
}

/// Acts that are being undone.
pub(super) struct Going<'a> {
    dues: &'a Dues,
    acts: Vec<u32>,
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.dues.going.borrow_mut().retain(|it| !self.acts.contains(it));
        self.dues.gone.notify_one();
    }
}
