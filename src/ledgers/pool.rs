//! Lines that are lent out one at a time, so that a write that hangs holds its own line only.

use std::sync::{Mutex, PoisonError};

/// Idle lines.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    /// With none.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// An idle line that fits, the one that was used last; those that do not are hung up.
    pub(super) fn take(&self, fits: impl Fn(&mut T) -> bool) -> Option<T> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut it) = idle.pop() {
            if fits(&mut it) {
                return Some(it);
            }
        }
        None
    }

    /// Puts a line back that is ready for more.
    pub(super) fn put(&self, line: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
