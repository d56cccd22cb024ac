//! Plays scripts, and takes back what they did.

pub mod act;
pub(crate) mod ask;
pub mod back;
pub mod claim;
pub mod conditions;
pub mod counter;
mod course;
pub mod desk;
pub mod guardian;
pub mod handed;
pub mod index;
pub mod kit;
mod load;
pub mod observe;
pub mod past;
mod perform;
pub mod play;
pub mod recover;
pub mod residue;
pub mod resume;
mod rows;
pub mod run;
mod sample;
mod sites;
mod veil;
mod windows;
mod witness;
