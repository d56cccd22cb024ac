//! D-Bus messages as bytes: what systemd and its clients say to each other. Pure.
//!
//! Only what is needed to ask for properties and lists of plain things. Everything that comes in
//! has a bound, and nothing in it is believed before it is checked.

use super::writer::{Writer, length};

/// A message is no longer, by far; the specification allows eight times as much.
pub const MESSAGE_MAX: usize = 16 << 20;
/// The fields of its header are no longer.
const FIELDS_MAX: usize = 64 << 10;
/// What every message begins with, up to the fields of its header.
const FIXED: usize = 16;

/// Why bytes are no message; completes "could not …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("understand a message: {0}")]
pub struct Garbled(&'static str);

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A question.
    Call,
    /// What answers it.
    Answer,
    /// Why there is no answer.
    Error,
    /// Nobody asked.
    Signal,
}

/// A message. An empty text stands for a field that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Its sender's number for it; never 0.
    pub serial: u32,
    /// The number of the question that it answers, or 0.
    pub answers: u32,
    /// The object.
    pub path: String,
    /// The object's interface.
    pub interface: String,
    /// The method or signal.
    pub member: String,
    /// The name of an error.
    pub error: String,
    /// Who shall have it.
    pub destination: String,
    /// Who sent it, as the bus says.
    pub sender: String,
    /// The types of what it holds.
    pub signature: String,
    /// What it holds.
    pub body: Vec<u8>,
    /// Its numbers have the greatest byte first.
    pub is_big: bool,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            kind: Kind::Call,
            serial: 1,
            answers: 0,
            path: String::new(),
            interface: String::new(),
            member: String::new(),
            error: String::new(),
            destination: String::new(),
            sender: String::new(),
            signature: String::new(),
            body: Vec::new(),
            is_big: false,
        }
    }
}

/// Nobody is to be started to answer.
const NO_AUTO_START: u8 = 2;

impl Message {
    /// As it goes over the wire, with the least byte first.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let kind = match self.kind {
            Kind::Call => 1,
            Kind::Answer => 2,
            Kind::Error => 3,
            Kind::Signal => 4,
        };
        out.bytes.extend([b'l', kind, NO_AUTO_START, 1]);
        out.number(length(self.body.len()));
        out.number(self.serial);
        out.array(8, |out| {
            let texts = [
                (1, "o", &self.path),
                (2, "s", &self.interface),
                (3, "s", &self.member),
                (4, "s", &self.error),
                (6, "s", &self.destination),
            ];
            for (code, signature, text) in texts {
                if !text.is_empty() {
                    out.field(code, signature).text(text);
                }
            }
            if self.answers > 0 {
                out.field(5, "u").number(self.answers);
            }
            if !self.signature.is_empty() {
                out.field(8, "g").signature(&self.signature);
            }
        });
        out.align(8);
        out.bytes.extend(&self.body);
        out.bytes
    }

    /// The message that the bytes begin with, and its length; nothing while they are too few.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Garbled> {
        let Some(fixed) = bytes.get(..FIXED) else { return Ok(None) };
        let is_big = match fixed.first() {
            Some(b'l') => false,
            Some(b'B') => true,
            Some(_) | None => return Err(Garbled("it has no byte order")),
        };
        let mut head = Reader { bytes: fixed, at: 4, is_big };
        let [body, serial, fields] = [head.number()?, head.number()?, head.number()?];
        let (body, fields) = (usize_of(body), usize_of(fields));
        if fields > FIELDS_MAX || body > MESSAGE_MAX {
            return Err(Garbled("it is too long"));
        }
        let start = (FIXED + fields).next_multiple_of(8);
        let Some(whole) = bytes.get(..start + body) else { return Ok(None) };
        let kind = match fixed.get(1) {
            Some(1) => Kind::Call,
            Some(2) => Kind::Answer,
            Some(3) => Kind::Error,
            Some(4) => Kind::Signal,
            Some(_) | None => return Err(Garbled("it is of an unknown kind")),
        };
        let body = whole.get(start..).unwrap_or_default().to_vec();
        let mut message = Self { kind, serial, body, is_big, ..Self::default() };
        let bytes = whole.get(..FIXED + fields).unwrap_or_default();
        let mut reader = Reader { bytes, at: FIXED, is_big };
        while reader.at < bytes.len() {
            message.take_field(&mut reader)?;
        }
        Ok(Some((message, whole.len())))
    }

    fn take_field(&mut self, reader: &mut Reader<'_>) -> Result<(), Garbled> {
        reader.align(8)?;
        let code = reader.byte()?;
        match (code, reader.variant()?) {
            (1, Value::Text(text)) => self.path = text,
            (2, Value::Text(text)) => self.interface = text,
            (3, Value::Text(text)) => self.member = text,
            (4, Value::Text(text)) => self.error = text,
            (5, Value::Whole(number)) => {
                let odd = || Garbled("it answers no number");
                self.answers = u32::try_from(number).map_err(|_| odd())?;
            }
            (6, Value::Text(text)) => self.destination = text,
            (7, Value::Text(text)) => self.sender = text,
            (8, Value::Text(text)) => self.signature = text,
            // Of newer specifications: to be passed over.
            (_, Value::Text(_) | Value::Whole(_) | Value::Signed(_) | Value::Real(_)) => {}
        }
        Ok(())
    }

    /// Reads what it holds.
    pub fn reader(&self) -> Reader<'_> {
        Reader { bytes: &self.body, at: 0, is_big: self.is_big }
    }
}

/// A plain thing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, a path or a signature.
    Text(String),
    /// A number that is not negative; true is 1.
    Whole(u64),
    /// A number that may be negative.
    Signed(i64),
    /// Any number.
    Real(f64),
}

/// Takes things out of bytes, one after the other.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    is_big: bool,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        self.align(N)?;
        let short = Garbled("it is cut off");
        let some = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>).ok_or(short)?;
        self.at += N;
        Ok(*some)
    }

    /// Goes on to a multiple of so many bytes.
    pub fn align(&mut self, to: usize) -> Result<(), Garbled> {
        self.at = self.at.next_multiple_of(to.max(1));
        if self.at > self.bytes.len() { Err(Garbled("it is cut off")) } else { Ok(()) }
    }

    /// A byte.
    pub fn byte(&mut self) -> Result<u8, Garbled> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// A number of 16 bits.
    fn short(&mut self) -> Result<u16, Garbled> {
        let bytes = self.take()?;
        Ok(if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    /// A number of 32 bits.
    pub fn number(&mut self) -> Result<u32, Garbled> {
        let bytes = self.take()?;
        Ok(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// A number of 64 bits.
    fn long(&mut self) -> Result<u64, Garbled> {
        let bytes = self.take()?;
        Ok(if self.is_big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    fn said(&mut self, length: usize) -> Result<String, Garbled> {
        let end = self.at.saturating_add(length);
        let bytes = self.bytes.get(self.at..end).ok_or(Garbled("it is cut off"))?;
        if self.bytes.get(end) != Some(&0) {
            return Err(Garbled("a text has no end"));
        }
        self.at = end + 1;
        let text = std::str::from_utf8(bytes).map_err(|_| Garbled("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// A text, or an object's path.
    pub fn text(&mut self) -> Result<String, Garbled> {
        let length = usize_of(self.number()?);
        self.said(length)
    }

    /// Types.
    pub fn signature(&mut self) -> Result<String, Garbled> {
        let length = usize::from(self.byte()?);
        self.said(length)
    }

    /// A plain thing and its type.
    pub fn variant(&mut self) -> Result<Value, Garbled> {
        let signature = self.signature()?;
        Ok(match signature.as_str() {
            "s" | "o" => Value::Text(self.text()?),
            "g" => Value::Text(self.signature()?),
            "y" => Value::Whole(self.byte()?.into()),
            "q" => Value::Whole(self.short()?.into()),
            "b" | "u" => Value::Whole(self.number()?.into()),
            "t" => Value::Whole(self.long()?),
            "n" => Value::Signed(self.short()?.cast_signed().into()),
            "i" => Value::Signed(self.number()?.cast_signed().into()),
            "x" => Value::Signed(self.long()?.cast_signed()),
            "d" => Value::Real(f64::from_bits(self.long()?)),
            _ => return Err(Garbled("a thing is not plain")),
        })
    }

    /// The things of a list, whose first byte is a multiple of `to`.
    pub fn list<T>(
        &mut self,
        to: usize,
        mut each: impl FnMut(&mut Self) -> Result<T, Garbled>,
    ) -> Result<Vec<T>, Garbled> {
        let length = usize_of(self.number()?);
        self.align(to)?;
        let end = self.at.saturating_add(length);
        if end > self.bytes.len() {
            return Err(Garbled("a list is cut off"));
        }
        let mut all = Vec::new();
        while self.at < end {
            let before = self.at;
            self.align(to)?;
            all.push(each(self)?);
            if self.at == before {
                return Err(Garbled("a list holds nothing for ever"));
            }
        }
        if self.at == end { Ok(all) } else { Err(Garbled("a list ends amid a thing")) }
    }
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written_and_not_before_it_is_whole() {
        let mut body = Writer::default();
        body.text("a.b");
        body.signature("s");
        let message = Message {
            serial: 7,
            path: "/a".to_owned(),
            member: "Get".to_owned(),
            signature: "sg".to_owned(),
            body: body.bytes,
            ..Message::default()
        };
        let bytes = message.bytes();
        for at in 0..bytes.len() {
            assert_eq!(Message::read(&bytes[..at]), Ok(None), "{at}");
        }
        let more = [bytes.clone(), b"l".to_vec()].concat();
        assert_eq!(Message::read(&more), Ok(Some((message.clone(), bytes.len()))));
        let mut reader = message.reader();
        assert_eq!(reader.text().as_deref(), Ok("a.b"));
        assert_eq!(reader.signature().as_deref(), Ok("s"));
        assert!(reader.byte().is_err());
    }

    #[test]
    fn a_list_that_lies_about_its_length_is_refused() {
        let reader = |bytes: &'static [u8]| Reader { bytes, at: 0, is_big: false };
        assert!(reader(&[8, 0, 0, 0, 1, 0, 0, 0]).list(4, Reader::number).is_err());
        assert!(reader(&[3, 0, 0, 0, 1, 0, 0, 0]).list(4, Reader::number).is_err());
        assert!(reader(&[1, 0, 0, 0, 0]).list(1, |_| Ok(())).is_err());
        assert_eq!(reader(&[4, 0, 0, 0, 1, 0, 0, 0]).list(4, Reader::number), Ok(vec![1]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Message::read(&bytes));
            let mut like = Message { body: bytes.clone(), ..Message::default() }.bytes();
            for (place, byte) in like.iter_mut().zip(&bytes) {
                *place ^= byte & 3;
            }
            if let Ok(Some((message, _))) = Message::read(&like) {
                drop(message.reader().variant());
                drop(message.reader().list(8, Reader::variant));
            }
        }
    }
}
