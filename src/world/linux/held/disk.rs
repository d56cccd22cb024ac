//! Takes space on a file system, in a file that has no name: it is gone with the process.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the wall: a held child touches the real machine here"
)]

use std::{
    convert::Infallible,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
};

use rustix::{
    fs::{CWD, FallocateFlags, Mode, OFlags, fallocate, openat, statvfs},
    io::Errno,
};

use super::{rest, stands};
use crate::units::{Percent, Size};

/// So much is taken at once, so that nobody waits long for the file system.
const CHUNK: u64 = 256 << 20;
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// How much is to be taken.
#[derive(Debug, Clone, Copy)]
pub enum Want {
    /// So many bytes.
    Bytes(u64),
    /// So much that this share of the file system is in use, in percent.
    Used(u64),
}

impl std::str::FromStr for Want {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let Some(share) = word.strip_suffix('%') else {
            return word.parse::<Size>().map(|it| Self::Bytes(it.get()));
        };
        let share = share.parse::<u64>().map_err(|why| format!("`{word}`: {why}"))?;
        Percent::try_from(share).map(|it| Self::Used(it.get().into()))
    }
}

/// Takes `want` in `folder`, and leaves `reserve` bytes to others. `name` is where a file lies for
/// an instant where the file system knows no files without names.
pub fn fill((folder, name): (&str, &str), want: Want, reserve: u64) -> Result<Infallible, String> {
    let no = |why: io::Error| format!("could not take space in {folder}: {why}");
    let mut file = nameless(folder, name).map_err(no)?;
    let mut have = 0_u64;
    loop {
        let it = statvfs(folder).map_err(|why| no(why.into()))?;
        let used = it.f_blocks.saturating_sub(it.f_bfree).saturating_mul(it.f_frsize);
        let free = it.f_bavail.saturating_mul(it.f_frsize);
        let wanted = match want {
            Want::Bytes(it) => it,
            Want::Used(share) => {
                let others = u128::from(used.saturating_sub(have));
                let all = (u128::from(used) + u128::from(free)) * u128::from(share) / 100;
                u64::try_from(all.saturating_sub(others)).unwrap_or(u64::MAX)
            }
        };
        let allowed = have.saturating_add(free).saturating_sub(reserve);
        let next = wanted.min(allowed);
        // A share is held within a block or two; moving at every small change would be a load.
        let far = next.abs_diff(have) > it.f_frsize.saturating_mul(16) || have == 0;
        if far && next > have {
            let until = next.min(have.saturating_add(CHUNK));
            match take(&mut file, have, until) {
                Ok(()) => have = until,
                Err(why) if why.kind() == io::ErrorKind::StorageFull => {}
                Err(why) => return Err(no(why)),
            }
            if have < next && have == until {
                continue;
            }
        } else if far || have > allowed {
            file.set_len(next).map_err(no)?;
            have = next;
        }
        stands(format!("{have} bytes of {folder} are taken"));
        rest();
    }
}

/// A file in `folder` that has no name.
pub(super) fn nameless(folder: &str, name: &str) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(it) => Ok(it.into()),
        // Some file systems (NFS, vfat) have no such files: then its name is taken away at once.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let mut options = fs::OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(name)?;
            fs::remove_file(name)?;
            Ok(file)
        }
        Err(why) => Err(why.into()),
    }
}

fn take(file: &mut File, from: u64, to: u64) -> io::Result<()> {
    match fallocate(&*file, FallocateFlags::empty(), from, to - from) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => {
            let mut left = to - from;
            while left > 0 {
                let some = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
                file.write_all(ZEROS.get(..some).unwrap_or(&ZEROS))?;
                left -= u64::try_from(some).unwrap_or(left);
            }
            Ok(())
        }
        Err(why) => Err(why.into()),
    }
}
