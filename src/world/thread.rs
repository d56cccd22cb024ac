//! Threads of our own: each has a name, and whoever starts one holds its handle.
#![expect(clippy::disallowed_methods, reason = "the one place that starts threads and naps")]

use std::{io, thread::JoinHandle, time::Duration};

/// Starts a named thread.
pub fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Sleeps this thread; for those who have no runtime, or not yet.
pub fn nap(length: Duration) {
    std::thread::sleep(length);
}
