//! A program that answers each line with a line.
#![expect(
    clippy::disallowed_types,
    reason = "this is the wall: effects on the real machine are here"
)]

use std::{io, process::Stdio};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::world::{
    dial::DialError,
    linux::command::environment,
    wire::{LINE_MAX, Program},
};

/// Starts it. Its complaints go where ours go.
pub(super) fn program(argv: Vec<String>) -> Result<Box<dyn Program>, DialError> {
    let (known, argv) = environment(argv);
    let mut argv = argv.into_iter();
    let none = || DialError::NotACall("no program is named".to_owned());
    let name = argv.next().ok_or_else(none)?;
    let mut command = Command::new(&name);
    command
        .envs(known)
        .args(argv)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let no = |why: &dyn std::fmt::Display| DialError::NotACall(format!("`{name}`: {why}"));
    let mut child = command.kill_on_drop(true).spawn().map_err(|why| no(&why))?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(no(&"it has no input and output"));
    };
    Ok(Box::new(Running { child, input, output: BufReader::new(output) }))
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program for Running {
    fn stands(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn ask(&mut self, line: String) -> BoxFuture<'_, io::Result<String>> {
        async move {
            self.input.write_all(format!("{line}\n").as_bytes()).await?;
            self.input.flush().await?;
            let mut answer = String::new();
            let max = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
            (&mut self.output).take(max).read_line(&mut answer).await?;
            match answer.strip_suffix('\n') {
                Some(it) => Ok(it.to_owned()),
                None if answer.is_empty() => Err(io::Error::other("it ended")),
                None => Err(io::Error::other("it said no whole line")),
            }
        }
        .boxed()
    }
}
