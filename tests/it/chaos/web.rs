//! A service that answers with what it was told, good or bad, and remembers who asked.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// It answers for as long as the test's process lives.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<String>>,
    lever: Arc<Mutex<String>>,
}

impl Echo {
    /// Listens. `/lever` keeps the JSON that is put there; elsewhere the answer is the request.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(String::new()));
        let lever = Arc::new(Mutex::new(r#"{"mode":"well"}"#.to_owned()));
        let it = Self { address, heard: Arc::clone(&heard), lever: Arc::clone(&lever) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, lever) = (Arc::clone(&heard), Arc::clone(&lever));
                // A client that was killed is no reason to stop.
                thread::spawn(move || answer(stream, &heard, &lever).unwrap_or_default());
            }
        });
        it
    }

    /// All requests so far.
    pub(crate) fn heard(&self) -> String {
        self.heard.lock().expect("no panic").clone()
    }

    /// What the lever keeps.
    pub(crate) fn lever(&self) -> String {
        self.lever.lock().expect("no panic").clone()
    }
}

fn answer(
    mut stream: TcpStream,
    heard: &Mutex<String>,
    lever: &Mutex<String>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(it) = line.to_lowercase().strip_prefix("content-length:") {
            length = it.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    heard.lock().expect("no panic").extend([&head, "\n", &body, "\n\n"]);
    let said = if head.contains(" /lever") {
        let mut lever = lever.lock().expect("no panic");
        if head.starts_with("PUT") {
            *lever = body;
        }
        lever.clone()
    } else {
        format!("{body}\n{head}")
    };
    let length = said.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{said}")
}
