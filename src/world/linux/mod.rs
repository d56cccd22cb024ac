//! The real machine.

mod belongs;
mod children;
pub mod clock;
mod command;
pub mod dial;
mod fabric;
pub mod facts;
mod files;
pub mod held;
pub mod hold;
pub mod host;
pub mod inbox;
pub mod load;
pub mod net;
pub mod powers;
pub mod proc;
mod ptrace;
pub mod secrets;
pub mod served;
pub mod state;
pub mod store;
pub mod trace;
pub mod watch;
pub mod web;

use std::{path::PathBuf, sync::Arc};

use crate::world::{
    World,
    host::HostError,
    linux::{clock::LinuxClock, dial::LinuxDial, host::LinuxHost, net::LinuxNet, web::LinuxWeb},
};

/// The world as it is. `program` is this executable: children that hold things for us run it.
pub fn world(program: PathBuf) -> Result<World, HostError> {
    Ok(World {
        host: Arc::new(LinuxHost::new(program)?),
        net: Arc::new(LinuxNet),
        web: Arc::new(LinuxWeb::new()?),
        dial: Arc::new(LinuxDial),
        wire: Arc::new(LinuxDial),
        clock: Arc::new(LinuxClock),
        mark: String::new(),
        rules: Arc::default(),
        act: 0,
        bounds: Arc::default(),
        secrets: Arc::default(),
        run_folder: None,
    })
}
