//! The real machine.

mod children;
pub mod clock;
pub mod facts;
pub mod hold;
pub mod host;
pub mod load;
pub mod net;
mod proc;
mod ptrace;
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
    linux::{clock::LinuxClock, host::LinuxHost, net::LinuxNet, web::LinuxWeb},
};

/// The world as it is. `program` is this executable: children that hold things for us run it.
pub fn world(program: PathBuf) -> Result<World, HostError> {
    Ok(World {
        host: Arc::new(LinuxHost::new(program)?),
        net: Arc::new(LinuxNet),
        web: Arc::new(LinuxWeb::new()?),
        clock: Arc::new(LinuxClock),
        mark: String::new(),
        rules: Arc::default(),
    })
}
