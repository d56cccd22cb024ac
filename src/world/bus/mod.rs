//! The system's message bus (D-Bus), over its socket: questions and answers, nothing else.

pub mod wire;
pub mod writer;

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use self::{
    wire::{Kind, MESSAGE_MAX, Message},
    writer::Writer,
};
use super::roots::Unread;

/// So many questions are asked before their answers are awaited.
const AT_ONCE: usize = 32;
/// What the bus says while it decides whether to let us in is no longer.
const GREETING_MAX: usize = 4096;
/// So much is read at once.
const PIECE: usize = 16 << 10;

/// A question about an object.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whose object it is.
    pub of: &'a str,
    /// Which object.
    pub path: &'a str,
    /// The object's interface.
    pub interface: &'a str,
    /// The method.
    pub member: &'a str,
    /// Its arguments, which are texts.
    pub args: &'a [&'a str],
}

/// Who asked gets an answer, or the name of an error and what it says.
pub type Answered = Result<Message, String>;

/// A connection that stays.
#[derive(Debug)]
pub struct Bus {
    path: PathBuf,
    stream: UnixStream,
    serial: u32,
    /// What came in and was not looked at yet.
    inbox: Vec<u8>,
    patience: Duration,
}

impl Bus {
    /// Opens one. This, and each round of questions later, takes no longer than the patience.
    pub fn connect(path: &Path, patience: Duration) -> Result<Self, Unread> {
        let not = |why: io::Error| Unread::new(path, why);
        let stream = UnixStream::connect(path).map_err(not)?;
        let path = path.to_owned();
        let mut bus = Self { path, stream, serial: 0, inbox: Vec::new(), patience };
        let until = Instant::now() + patience;
        bus.enter(until).map_err(|why| bus.not(why))?;
        let hello = Question {
            of: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member: "Hello",
            args: &[],
        };
        let answers = bus.ask(&[hello])?;
        match answers.into_iter().next() {
            Some(Ok(_)) => Ok(bus),
            Some(Err(why)) => Err(bus.not(io::Error::other(why))),
            None => Err(bus.not(io::Error::other("it does not greet back"))),
        }
    }

    fn not(&self, why: io::Error) -> Unread {
        Unread::new(&self.path, why)
    }

    /// Says who we are; the socket knows whether it is true.
    fn enter(&mut self, until: Instant) -> io::Result<()> {
        let user = rustix::process::geteuid().as_raw().to_string();
        // Hexadecimal, of each digit's code.
        let user: String = user.chars().flat_map(|digit| ['3', digit]).collect();
        self.send(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes(), until)?;
        let end = loop {
            if let Some(end) = self.inbox.windows(2).position(|it| it == b"\r\n") {
                break end;
            }
            if self.inbox.len() > GREETING_MAX {
                return Err(io::Error::other("it talks too much"));
            }
            self.receive(until)?;
        };
        let line: Vec<u8> = self.inbox.drain(..end + 2).collect();
        if !line.starts_with(b"OK ") {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it lets us not in"));
        }
        self.send(b"BEGIN\r\n", until)
    }

    fn send(&mut self, bytes: &[u8], until: Instant) -> io::Result<()> {
        self.stream.set_write_timeout(Some(left(until)?))?;
        self.stream.write_all(bytes)
    }

    fn receive(&mut self, until: Instant) -> io::Result<()> {
        self.stream.set_read_timeout(Some(left(until)?))?;
        let mut piece = [0; PIECE];
        match self.stream.read(&mut piece) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.inbox.extend(piece.iter().take(length));
                Ok(())
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                Err(io::ErrorKind::TimedOut.into())
            }
            Err(why) => Err(why),
        }
    }

    /// Asks; the answers come in the order of the questions. After an error, the connection is of
    /// no more use.
    pub fn ask(&mut self, questions: &[Question<'_>]) -> Result<Vec<Answered>, Unread> {
        let until = Instant::now() + self.patience;
        let mut all = Vec::with_capacity(questions.len());
        for some in questions.chunks(AT_ONCE) {
            let answers = self.exchange(some, until).map_err(|why| self.not(why))?;
            all.extend(answers);
        }
        // The list of all units is long, and the rest is not.
        self.inbox.shrink_to(PIECE);
        Ok(all)
    }

    fn exchange(
        &mut self,
        questions: &[Question<'_>],
        until: Instant,
    ) -> io::Result<Vec<Answered>> {
        let first = self.serial.wrapping_add(1).max(1);
        let (mut bytes, mut serial) = (Vec::new(), first);
        for question in questions {
            bytes.extend(question.message(serial).bytes());
            self.serial = serial;
            serial = serial.checked_add(1).ok_or_else(|| io::Error::other("it is worn out"))?;
        }
        self.send(&bytes, until)?;
        let mut answers: Vec<Option<Answered>> = questions.iter().map(|_| None).collect();
        let mut missing = answers.len();
        while missing > 0 {
            let message = self.next(until)?;
            let at = message.answers.checked_sub(first).and_then(|it| usize::try_from(it).ok());
            let place = at.and_then(|at| answers.get_mut(at)).filter(|it| it.is_none());
            let Some(place) = place else { continue };
            *place = match message.kind {
                // Nobody asked for signals, and nobody asks us.
                Kind::Signal | Kind::Call => continue,
                Kind::Answer => Some(Ok(message)),
                Kind::Error => Some(Err(said(&message))),
            };
            missing -= 1;
        }
        Ok(answers.into_iter().flatten().collect())
    }

    fn next(&mut self, until: Instant) -> io::Result<Message> {
        loop {
            if let Some((message, length)) = Message::read(&self.inbox).map_err(io::Error::other)? {
                self.inbox.drain(..length);
                return Ok(message);
            }
            if self.inbox.len() > MESSAGE_MAX + MESSAGE_MAX / 16 {
                return Err(io::Error::other("a message is too long"));
            }
            self.receive(until)?;
        }
    }
}

/// An error's name and text.
fn said(message: &Message) -> String {
    let text = message.reader().text().ok().filter(|_| message.signature.starts_with('s'));
    text.map_or_else(|| message.error.clone(), |it| format!("{}: {it}", message.error))
}

/// How long there is still time.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

impl Question<'_> {
    fn message(&self, serial: u32) -> Message {
        let mut body = Writer::default();
        for arg in self.args {
            body.text(arg);
        }
        Message {
            serial,
            path: self.path.to_owned(),
            interface: self.interface.to_owned(),
            member: self.member.to_owned(),
            destination: self.of.to_owned(),
            signature: "s".repeat(self.args.len()),
            body: body.bytes,
            ..Message::default()
        }
    }
}
