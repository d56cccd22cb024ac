//! Everything outside the program. Nothing else in the crate reaches past this wall.

pub mod asker;
pub mod calls;
pub mod clock;
pub mod dice;
pub mod discipline;
pub mod folder;
pub mod host;
pub mod kept;
pub mod linux;
pub mod net;
pub mod roots;
pub mod rules;
pub mod shelf;
pub mod sim;
pub mod stop;
pub mod store;
pub mod thread;
pub mod web;

use std::sync::Arc;

use crate::world::{clock::Clock, host::Host, net::Net, rules::Rules, web::Web};

/// The hands and eyes that an action or a probe is given.
#[derive(Clone)]
pub struct World {
    /// Processes, files, commands.
    pub host: Arc<dyn Host>,
    /// Packets and connections.
    pub net: Arc<dyn Net>,
    /// Requests to services.
    pub web: Arc<dyn Web>,
    /// The time. For waiting, use `tokio::time`.
    pub clock: Arc<dyn Clock>,
    /// What everything bears that is made on behalf of the current act: `RUN/ACT`.
    pub mark: String,
    /// What is allowed here.
    pub rules: Arc<Rules>,
}

impl World {
    /// The same world, for one act.
    #[must_use]
    pub fn marked(&self, run: &str, act: u32) -> Self {
        Self { mark: format!("{run}/{act}"), ..self.clone() }
    }

    /// The same world, where these rules are in force.
    #[must_use]
    pub fn ruled(self, rules: Rules) -> Self {
        Self { rules: Arc::new(rules), ..self }
    }
}
