//! Keeps a disk busy.
#![expect(clippy::disallowed_types, reason = "this is the wall: a held child writes real files")]

use std::{convert::Infallible, fs::File, io, os::unix::fs::FileExt as _};

use rustix::fs::{Advice, fadvise, fdatasync};

use super::{disk::nameless, stands};
use crate::world::{clock::Clock as _, linux::clock::LinuxClock};

/// What is written or read at once, and how many of it between two syncs.
const BLOCK: u64 = 64 << 10;
const SYNC_EVERY: u64 = 16;
/// How often it says how it gets on, in microseconds.
const SAY_EVERY_US: u64 = 100_000;

/// Writes, syncs and reads back a file of `size` bytes without a name in `folder`, round and round.
pub fn churn((folder, name): (&str, &str), size: u64) -> Result<Infallible, String> {
    let no = |why: io::Error| format!("could not write in {folder}: {why}");
    let file = nameless(folder, name).map_err(no)?;
    let blocks = (size / BLOCK).max(1);
    let mut block = vec![0x5A_u8; usize::try_from(BLOCK).unwrap_or(1)];
    let (mut n, mut said_us) = (0_u64, LinuxClock.now_us());
    let (begun_us, mut bytes) = (said_us, 0_u64);
    loop {
        let at = (n % blocks) * BLOCK;
        // Every block differs from the last, so that nothing on the way can save the work.
        block.iter_mut().step_by(4_096).for_each(|it| *it = it.wrapping_add(1));
        file.write_all_at(&block, at).map_err(no)?;
        n += 1;
        bytes += BLOCK;
        if n.is_multiple_of(SYNC_EVERY) || n.is_multiple_of(blocks) {
            fdatasync(&file).map_err(|why| no(why.into()))?;
            bytes += read_back(&file, (n.saturating_sub(SYNC_EVERY) % blocks) * BLOCK, &mut block)
                .map_err(no)?;
        }
        let now_us = LinuxClock.now_us();
        if now_us - said_us >= SAY_EVERY_US {
            let rate = bytes.saturating_mul(1_000_000) / (now_us - begun_us).max(1);
            stands(format!("{bytes} bytes written and read, {} KiB/s", rate >> 10));
            said_us = now_us;
        }
    }
}

/// Reads a block from the disk, and not from the kernel's memory of it.
fn read_back(file: &File, at: u64, block: &mut [u8]) -> io::Result<u64> {
    fadvise(file, at, std::num::NonZeroU64::new(BLOCK), Advice::DontNeed)?;
    let read = file.read_at(block, at)?;
    Ok(u64::try_from(read).unwrap_or(0))
}
