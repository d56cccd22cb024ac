//! Files, looked into on threads of their own: a file system whose server is gone hangs them.
#![expect(
    clippy::disallowed_types,
    reason = "this is the wall: looks at the real machine are here"
)]

use std::{
    fs, io,
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    sync::Arc,
};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::world::{
    files::{File, FileState, Opened},
    host::HostError,
};

struct LinuxFile {
    path: String,
    file: Arc<fs::File>,
}

/// Opens a file to look into it; none if it is not there.
pub(super) async fn open(path: String) -> Result<Option<File>, HostError> {
    let what = format!("open {path}");
    let name = path.clone();
    let opened = aside(what, move || {
        // A pipe without a writer must not keep us waiting.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        match fs::File::options().read(true).custom_flags(flags).open(name) {
            Ok(it) if it.metadata()?.is_file() => Ok(Some(it)),
            Ok(_) => Err(io::Error::other("it is no regular file")),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(why),
        }
    });
    let found = opened.await?;
    Ok(found.map(|it| -> File { Arc::new(LinuxFile { path, file: Arc::new(it) }) }))
}

impl Opened for LinuxFile {
    fn state(&self) -> BoxFuture<'_, Result<FileState, HostError>> {
        let file = Arc::clone(&self.file);
        let look = move || {
            let it = file.metadata()?;
            let seconds = u64::try_from(it.mtime()).unwrap_or(0);
            let nanos = u64::try_from(it.mtime_nsec()).unwrap_or(0);
            let modified_us = seconds.saturating_mul(1_000_000) + nanos / 1_000;
            Ok(FileState { which: (it.dev(), it.ino()), size: it.size(), modified_us })
        };
        aside(format!("look at {}", self.path), look).boxed()
    }

    fn piece(&self, from: u64, max: usize) -> BoxFuture<'_, Result<Vec<u8>, HostError>> {
        let file = Arc::clone(&self.file);
        let read = move || {
            let mut bytes = vec![0; max];
            let mut filled = 0;
            while let Some(room) = bytes.get_mut(filled..).filter(|it| !it.is_empty()) {
                let at = from + u64::try_from(filled).unwrap_or(0);
                match file.read_at(room, at) {
                    Ok(0) => break,
                    Ok(more) => filled += more,
                    Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                    Err(why) => return Err(why),
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        };
        aside(format!("read {}", self.path), read).boxed()
    }
}

async fn aside<T: Send + 'static>(
    what: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, HostError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|why| HostError::os(what, why)),
        Err(why) => Err(HostError::os(what, why)),
    }
}
