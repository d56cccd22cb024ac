//! Being told to stop: by a signal, by a person, by ourselves. The first word counts.

use tokio::sync::watch;

/// A word that everybody who waits hears.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Option<String>>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Stop {
    /// Says stop; later words change nothing.
    pub fn say(&self, why: impl Into<String>) {
        self.0.send_if_modified(|said| {
            let first = said.is_none();
            if first {
                *said = Some(why.into());
            }
            first
        });
    }

    /// Why, if it was said.
    pub fn said(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Waits until it is said.
    pub async fn wait(&self) -> String {
        let mut ear = self.0.subscribe();
        loop {
            if let Some(why) = ear.borrow_and_update().clone() {
                return why;
            }
            if ear.changed().await.is_err() {
                // We hold a sender ourselves, so the channel cannot close while we wait.
                std::future::pending::<()>().await;
            }
        }
    }
}
