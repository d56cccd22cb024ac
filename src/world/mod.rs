//! Everything outside the program. Nothing else in the crate reaches past this wall.

pub mod asker;
pub mod clock;
pub mod dial;
pub mod dice;
pub mod discipline;
pub mod dns;
pub mod files;
pub mod folder;
pub mod host;
pub mod kept;
pub mod linux;
pub mod roots;
pub mod shelf;
pub mod sim;
pub mod stop;
pub mod store;
pub mod thread;
pub mod web;

use std::sync::Arc;

use crate::world::{clock::Clock, dial::Dial, host::Host, web::Web};

/// The hands and eyes that an action or a probe is given.
#[derive(Clone)]
pub struct World {
    /// Processes, files, commands.
    pub host: Arc<dyn Host>,
    /// Requests to services.
    pub web: Arc<dyn Web>,
    /// Conversations with services that speak no HTTP.
    pub dial: Arc<dyn Dial>,
    /// The time. For waiting, use `tokio::time`.
    pub clock: Arc<dyn Clock>,
    /// What everything bears that is made on behalf of the current act: `RUN/ACT`.
    pub mark: String,
}

impl World {
    /// The same world, for one act.
    #[must_use]
    pub fn marked(&self, run: &str, act: u32) -> Self {
        Self { mark: format!("{run}/{act}"), ..self.clone() }
    }
}
