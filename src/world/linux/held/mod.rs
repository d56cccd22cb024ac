//! What held children do: each takes something that the kernel takes back when the child ends.

pub mod disk;
pub mod inodes;
pub mod memory;
pub mod port;
pub mod skewed;
pub mod still;
pub mod stress;

use std::{str::FromStr, time::Duration};

use crate::world::{host::Told, linux::hold, thread};

/// How often a child holds what there is against what there should be.
const EVERY: Duration = Duration::from_millis(50);

/// The `n`th thing that a fault told its child.
pub fn arg<T: FromStr>(args: &[String], n: usize) -> Result<T, String> {
    args.get(n).and_then(|it| it.parse().ok()).ok_or_else(|| format!("argument {n} is missing"))
}

/// Says that it stands, and how.
fn stands(how: String) {
    hold::tell(&Told::Stands(how));
}

/// Until the next look.
fn rest() {
    thread::nap(EVERY);
}
