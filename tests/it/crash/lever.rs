//! A service with a lever: GET tells how it is, PUT changes it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Map, Value, json};

/// The service; it answers for as long as the test's process lives.
pub(super) struct Lever {
    pub(super) at: SocketAddr,
    settings: Arc<Mutex<Map<String, Value>>>,
}

impl Lever {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let first =
            Map::from_iter([("role".to_owned(), json!("usual")), ("n".to_owned(), json!(7))]);
        let settings = Arc::new(Mutex::new(first));
        let shared = Arc::clone(&settings);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that was killed is no reason to stop.
                answer(stream, &shared).unwrap_or_default();
            }
        });
        Self { at, settings }
    }

    /// How it is.
    pub(super) fn state(&self) -> String {
        Value::Object(self.settings.lock().expect("no panic").clone()).to_string()
    }
}

fn answer(mut stream: TcpStream, settings: &Mutex<Map<String, Value>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head)? > 2 {
        let line = head.lines().last().unwrap_or_default().to_lowercase();
        let said = line.strip_prefix("content-length:").and_then(|it| it.trim().parse().ok());
        length = said.unwrap_or(length);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut settings = settings.lock().expect("no panic");
    if head.starts_with("PUT") {
        let change: Map<String, Value> = serde_json::from_slice(&body)?;
        settings.extend(change);
    }
    let body = Value::Object(settings.clone()).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
