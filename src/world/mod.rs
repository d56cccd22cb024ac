//! Everything outside the program. Nothing else in the crate reaches past this wall.

pub mod asker;
pub mod bounds;
pub mod bus;
pub mod calls;
pub mod clock;
pub mod dial;
pub mod dice;
pub mod discipline;
pub mod dns;
pub mod fabric;
pub mod files;
pub mod folder;
pub mod host;
pub mod kept;
mod knowing;
pub mod linux;
pub mod net;
pub mod netlink;
pub mod promql;
pub mod roots;
pub mod rules;
pub mod secrets;
pub mod shelf;
pub mod sim;
pub mod stop;
pub mod store;
pub mod tasks;
pub mod text;
pub mod thread;
pub mod web;
pub mod wire;

use std::sync::Arc;

use crate::world::{
    bounds::Bounds, clock::Clock, dial::Dial, dice::Dice, host::Host, knowing::Knowing, net::Net,
    rules::Rules, secrets::Secrets, web::Web, wire::Wire,
};

/// The hands and eyes that an action or a probe is given.
#[derive(Clone)]
pub struct World {
    /// Processes, files, commands.
    pub host: Arc<dyn Host>,
    /// Packets and connections.
    pub net: Arc<dyn Net>,
    /// Requests to services.
    pub web: Arc<dyn Web>,
    /// Conversations with services that speak no HTTP.
    pub dial: Arc<dyn Dial>,
    /// Lines that stay open, to databases and programs.
    pub wire: Arc<dyn Wire>,
    /// The time. For waiting, use `tokio::time`.
    pub clock: Arc<dyn Clock>,
    /// What everything bears that is made on behalf of the current act: `RUN/ACT`.
    pub mark: String,
    /// What is allowed here.
    pub rules: Arc<Rules>,
    /// The number of the current act in its run, from 1; 0 outside of an act.
    pub act: u32,
    /// What bounds the run.
    pub bounds: Arc<Bounds>,
    /// What nobody may write down.
    pub secrets: Arc<Secrets>,
    /// The run's folder, for files that belong to its evidence; none outside of a run.
    pub run_folder: Option<Arc<str>>,
}

impl World {
    /// The same world, for one act.
    #[must_use]
    pub fn marked(&self, run: &str, act: u32) -> Self {
        Self { mark: format!("{run}/{act}"), act, ..self.clone() }
    }

    /// The same world, within these bounds.
    #[must_use]
    pub fn bounded(&self, bounds: Bounds) -> Self {
        Self { bounds: Arc::new(bounds), ..self.clone() }
    }

    /// The same world, for the run whose folder this is.
    #[must_use]
    pub fn kept_in(self, run_folder: &std::path::Path) -> Self {
        Self { run_folder: Some(run_folder.display().to_string().into()), ..self }
    }

    /// The current act's dice for one purpose: the same seed rolls the same.
    pub fn dice(&self, purpose: &str) -> Dice {
        self.bounds.dice(self.act, purpose)
    }

    /// The same world, where these rules are in force.
    #[must_use]
    pub fn ruled(self, rules: Rules) -> Self {
        Self { rules: Arc::new(rules), ..self }
    }

    /// The same world, which knows these secrets by their names.
    #[must_use]
    pub fn knowing(self, secrets: Arc<Secrets>) -> Self {
        if secrets.is_empty() {
            return self;
        }
        Self {
            host: self.host.knowing(&secrets),
            web: Arc::new(Knowing { inner: self.web, secrets: Arc::clone(&secrets) }),
            dial: Arc::new(Knowing { inner: self.dial, secrets: Arc::clone(&secrets) }),
            wire: Arc::new(Knowing { inner: self.wire, secrets: Arc::clone(&secrets) }),
            secrets,
            ..self
        }
    }
}
