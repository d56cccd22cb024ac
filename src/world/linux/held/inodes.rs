//! Takes inodes of a file system, by files that have no names.
#![expect(clippy::disallowed_types, reason = "this is the wall: a held child holds real files")]

use std::{convert::Infallible, fs::File, io};

use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit, setrlimit},
};

use super::{disk::nameless, rest, stands};

/// Takes so many inodes of `folder`'s file system, and leaves `reserve` to others.
pub fn fill((folder, name): (&str, &str), count: u64, reserve: u64) -> Result<Infallible, String> {
    let no = |why: io::Error| format!("could not take inodes of {folder}: {why}");
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(|why| no(why.into()))?;
    let mut files: Vec<File> = Vec::new();
    for _ in 0..count {
        let free = statvfs(folder).map_err(|why| no(why.into()))?.f_favail;
        if free <= reserve {
            break;
        }
        match nameless(folder, name) {
            Ok(it) => files.push(it),
            Err(why) if why.kind() == io::ErrorKind::StorageFull => break,
            Err(why) => return Err(no(why)),
        }
    }
    stands(format!("{} inodes of {folder} are taken", files.len()));
    loop {
        rest();
    }
}

/// How many files one child may hold open.
pub fn each_max() -> u64 {
    // A few are needed for other things.
    getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20).saturating_sub(32)
}
