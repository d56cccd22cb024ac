//! The main thread's runtime, and the signals that ask it to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::{cli::show, world::stop::Stop};

/// Runs `what` on this thread. SIGINT, SIGTERM and SIGHUP say stop; whoever heeds it goes back
/// first. The thread matters: children of a run die with the thread that made them.
pub(super) fn block_on<T>(stop: &Stop, what: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut hup = signal(SignalKind::hangup())?;
        // A runner that sleeps in a shell's background would be taken for one that hangs.
        let mut tstp = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
        let hear = async {
            loop {
                let which = tokio::select! {
                    _ = int.recv() => "SIGINT",
                    _ = term.recv() => "SIGTERM",
                    _ = hup.recv() => "SIGHUP",
                    _ = tstp.recv() => {
                        show::talk("not now: faults may stand; SIGINT (Ctrl-C) stops and goes back");
                        continue;
                    }
                };
                stop.say(format!("told to stop by {which}"));
            }
        };
        tokio::select! {
            done = what => Ok(done),
            () = hear => unreachable!("it listens for ever"),
        }
    })
}
