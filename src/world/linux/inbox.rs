//! Where answers are handed in: a socket whose callers the kernel names, so that nobody can answer
//! in another's name.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the wall: the socket is here"
)]

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{ErrorKind, Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{DirBuilderExt as _, PermissionsExt as _},
            net::UnixStream as Plain,
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use crate::world::{host::HostError, linux::facts};

/// The folder of the sockets in a state folder.
pub const FOLDER: &str = "answers";
/// What is handed in is at most so long, in bytes.
pub const HANDED_MAX: u64 = 16 << 20;
/// How long a caller may take to hand in, and to take the reply.
const CALL_MAX: Duration = Duration::from_secs(5);
/// How long whoever hands in waits for the reply.
const REPLY_MAX: Duration = Duration::from_secs(20);

/// The socket of a run. It goes when this does.
#[derive(Debug)]
pub struct Inbox {
    listener: UnixListener,
    path: PathBuf,
}

/// Somebody at the door.
#[derive(Debug)]
pub struct Caller {
    /// The login name, or `uid N`.
    pub name: String,
    /// Whether it is the user that the run belongs to, or root.
    pub is_own: bool,
    stream: UnixStream,
}

/// Why nothing could be handed in.
#[derive(Debug, thiserror::Error)]
pub enum NotHeard {
    /// Nobody plays the run.
    #[error("nobody is there to hear it")]
    Nobody,
    /// The system said no.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// A path by which a socket is reached however deep its folder lies: a socket's own path is short.
fn short(folder: &Path, run: &str) -> std::io::Result<(File, PathBuf)> {
    let open = File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())).join(run);
    Ok((open, path))
}

impl Inbox {
    /// Opens the socket of a run.
    pub fn open(state: &Path, run: &str) -> Result<Self, HostError> {
        let folder = state.join(FOLDER);
        let path = folder.join(run);
        let no = |why: std::io::Error| HostError::os(format!("open {}", path.display()), why);
        DirBuilder::new().recursive(true).mode(0o755).create(&folder).map_err(no)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).map_err(no)?;
        match fs::remove_file(&path) {
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(no(why)),
            Ok(()) | Err(_) => {}
        }
        let (kept, reached) = short(&folder, run).map_err(no)?;
        let listener = UnixListener::bind(&reached).map_err(no)?;
        drop(kept);
        // Whoever the question names may knock; who it is, the kernel says.
        fs::set_permissions(&path, Permissions::from_mode(0o666)).map_err(no)?;
        Ok(Self { listener, path })
    }

    /// Waits for somebody.
    pub async fn next(&self) -> Caller {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(who) = stream.peer_cred() else { continue };
            let own = rustix::process::geteuid().as_raw();
            let is_own = who.uid() == own || who.uid() == 0;
            return Caller { name: facts::user(who.uid()), is_own, stream };
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Err(why) = fs::remove_file(&self.path) {
            tracing::debug!("{} is not removed: {why}", self.path.display());
        }
    }
}

impl Caller {
    /// What is handed in; none if it is too much, or too slow.
    pub async fn hear(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut limited = (&mut self.stream).take(HANDED_MAX + 1);
        let read = tokio::time::timeout(CALL_MAX, limited.read_to_end(&mut bytes)).await;
        let whole = u64::try_from(bytes.len()).is_ok_and(|it| it <= HANDED_MAX);
        (matches!(read, Ok(Ok(_))) && whole).then_some(bytes)
    }

    /// Replies, and closes the door.
    pub async fn reply(mut self, text: &[u8]) {
        let said = tokio::time::timeout(CALL_MAX, async {
            self.stream.write_all(text).await?;
            self.stream.shutdown().await
        });
        if !matches!(said.await, Ok(Ok(()))) {
            tracing::debug!("{} did not wait for the reply", self.name);
        }
    }
}

/// Hands something in at the socket of a run, and waits for the reply.
pub fn hand_in(state: &Path, run: &str, bytes: &[u8]) -> Result<Vec<u8>, NotHeard> {
    let folder = state.join(FOLDER);
    let what = || format!("answer at {}", folder.join(run).display());
    let no = |why: std::io::Error| match why.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => NotHeard::Nobody,
        _ => NotHeard::Host(HostError::os(what(), why)),
    };
    let (kept, reached) = short(&folder, run).map_err(no)?;
    let mut stream = Plain::connect(&reached).map_err(no)?;
    drop(kept);
    let mut reply = Vec::new();
    stream
        .set_read_timeout(Some(REPLY_MAX))
        .and_then(|()| stream.set_write_timeout(Some(REPLY_MAX)))
        .and_then(|()| stream.write_all(bytes))
        .and_then(|()| stream.shutdown(std::net::Shutdown::Write))
        .and_then(|()| stream.read_to_end(&mut reply))
        .map_err(|why| NotHeard::Host(HostError::os(what(), why)))?;
    Ok(reply)
}
