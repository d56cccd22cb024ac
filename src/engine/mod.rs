//! Plays scripts, and takes back what they did.

pub mod act;
pub mod back;
pub mod conditions;
pub mod desk;
pub mod guardian;
pub mod index;
pub mod kit;
mod load;
pub mod observe;
mod perform;
pub mod play;
pub mod recover;
mod rows;
pub mod run;
mod sample;
mod veil;
mod witness;
