//! A Docker that has one container, `ledger`, and answers as Docker does.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

/// Its id.
const ID: &str = "8dfafdbc3a40d6c2a5a4ee9ab2a0f7e0";

/// The daemon; it answers for as long as the test's process lives.
pub(super) struct Docker(Arc<Mutex<(bool, bool)>>);

impl Docker {
    /// Listens at a socket.
    pub(super) fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let state = Arc::new(Mutex::new((true, false)));
        let it = Self(Arc::clone(&state));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that was killed is no reason to stop.
                answer(stream, &state).unwrap_or_default();
            }
        });
        it
    }

    /// How the container is.
    pub(super) fn state(&self) -> String {
        let (running, paused) = *self.0.lock().expect("no panic");
        format!("running {running}, paused {paused}")
    }
}

fn answer(mut stream: UnixStream, state: &Mutex<(bool, bool)>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|it| !it.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (name, verb) =
        path.strip_prefix("/containers/").and_then(|it| it.split_once('/')).unwrap_or_default();
    let mut state = state.lock().expect("no panic");
    let known = name == "ledger" || name == ID;
    let body = match verb {
        _ if !known => r#"{"message":"No such container"}"#.to_owned(),
        "json" => {
            let (running, paused) = *state;
            format!(r#"{{"Id":"{ID}","State":{{"Running":{running},"Paused":{paused},"Pid":7}}}}"#)
        }
        "stop" | "start" => {
            state.0 = verb == "start";
            String::new()
        }
        _ => {
            state.1 = verb == "pause";
            String::new()
        }
    };
    let status = match (known, body.is_empty()) {
        (false, _) => "404 Not Found",
        (true, true) => "204 No Content",
        (true, false) => "200 OK",
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
