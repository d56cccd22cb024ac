//! Commands, run to their end.
#![expect(
    clippy::disallowed_types,
    reason = "this is the wall: effects on the real machine are here"
)]

use std::{io::PipeReader, process::Stdio, time::Duration};

use tokio::{io::AsyncReadExt as _, net::unix::pipe::Receiver};

use crate::world::{host::Finished, secrets::assignment};

/// The most that is kept of what a command says, in bytes.
const SAID_MAX: usize = 8 * 1024;

/// Cuts a command into what goes into its environment, and its program and arguments.
pub(super) fn environment(argv: Vec<String>) -> (Vec<(String, String)>, Vec<String>) {
    let (mut known, mut words) = (Vec::new(), Vec::new());
    for word in argv {
        match assignment(&word).filter(|_| words.is_empty()) {
            Some((name, value)) => known.push((name.to_owned(), value.to_owned())),
            None => words.push(word),
        }
    }
    (known, words)
}

/// Runs a command; it is killed when the future is dropped.
pub(super) async fn run(
    known: Vec<(String, String)>,
    argv: Vec<String>,
) -> std::io::Result<Finished> {
    let mut argv = argv.into_iter();
    let program = argv.next().ok_or_else(|| std::io::Error::other("no program is named"))?;
    let (output, write) = std::io::pipe()?;
    let (errors, complain) = std::io::pipe()?;
    let mut command = tokio::process::Command::new(program);
    command.envs(known).args(argv).stdin(Stdio::null()).kill_on_drop(true);
    command.stdout(write).stderr(complain);
    let mut child = command.spawn()?;
    // Our own copies of the pipes' write ends live in `command`.
    drop(command);
    let mut pipes = Pipes::new(output, errors)?;
    let status = tokio::select! {
        status = child.wait() => status?,
        () = pipes.drain() => child.wait().await?,
    };
    // What it said last may still be in a pipe; a grandchild may hold it open for ever.
    let rest = Duration::from_millis(50);
    if tokio::time::timeout(rest, pipes.drain()).await.is_err() {
        tracing::debug!("a grandchild keeps a pipe open");
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Finished { code: status.code(), said: text(&pipes.said), output: text(&pipes.put_out) })
}

/// Both streams of a command, and what came of them so far.
struct Pipes {
    output: Option<Receiver>,
    errors: Option<Receiver>,
    said: Vec<u8>,
    put_out: Vec<u8>,
}

impl Pipes {
    fn new(output: PipeReader, errors: PipeReader) -> std::io::Result<Self> {
        let open = |it: PipeReader| Receiver::from_owned_fd(it.into()).map(Some);
        let (said, put_out) = (Vec::new(), Vec::new());
        Ok(Self { output: open(output)?, errors: open(errors)?, said, put_out })
    }

    /// Reads until both have ended. Cut off at any moment, it has kept all that it read.
    async fn drain(&mut self) {
        let (mut out, mut err) = ([0; 4096], [0; 4096]);
        loop {
            let (some, is_output) = tokio::select! {
                it = more(self.output.as_mut(), &mut out), if self.output.is_some() => (it, true),
                it = more(self.errors.as_mut(), &mut err), if self.errors.is_some() => (it, false),
                else => return,
            };
            match (some, is_output) {
                (Some(some), _) => {
                    keep(&mut self.said, some);
                    if is_output {
                        keep(&mut self.put_out, some);
                    }
                }
                (None, true) => self.output = None,
                (None, false) => self.errors = None,
            }
        }
    }
}

/// What comes next; none at the end.
async fn more<'a>(pipe: Option<&mut Receiver>, room: &'a mut [u8]) -> Option<&'a [u8]> {
    match pipe?.read(room).await {
        Ok(n @ 1..) => room.get(..n),
        Ok(0) | Err(_) => None,
    }
}

fn keep(all: &mut Vec<u8>, some: &[u8]) {
    all.extend_from_slice(some);
    let over = all.len().saturating_sub(SAID_MAX);
    all.drain(..over);
}
