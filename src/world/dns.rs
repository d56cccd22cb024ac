//! DNS on the wire (RFC 1035): a question is written, an answer is read. Pure.

use schemars::JsonSchema;
use serde::Deserialize;

/// What kind of record is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// An IPv4 address.
    #[default]
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
    /// Who takes mail.
    Mx,
    /// A name server.
    Ns,
    /// The name of an address.
    Ptr,
    /// Who is in charge.
    Soa,
    /// Where a service is.
    Srv,
    /// A text.
    Txt,
}

impl RecordType {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Ptr => 12,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The code, as `NOERROR`.
    pub rcode: String,
    /// It did not fit into a datagram.
    pub cut_short: bool,
    /// What the records of the answer hold, in the order of the answer.
    pub records: Vec<String>,
}

const CLASS_IN: u16 = 1;
/// No more pointers than this are followed within one name: more are a circle.
const HOPS_MAX: usize = 32;
const HEAD: usize = 12;

/// A question that wants recursion.
pub fn question(id: u16, name: &str, record: RecordType) -> Result<Vec<u8>, String> {
    let mut out = Vec::from(id.to_be_bytes());
    // Flags: recursion desired. One question, nothing else.
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.trim_end_matches('.');
    for label in name.split('.').filter(|_| !name.is_empty()) {
        let length = u8::try_from(label.len()).ok().filter(|it| (1..=63).contains(it));
        let length =
            length.ok_or_else(|| format!("`{name}` is no name: a label has 1 to 63 bytes"))?;
        out.push(length);
        out.extend(label.as_bytes());
    }
    out.push(0);
    if out.len() > HEAD + 255 {
        return Err(format!("`{name}` is no name: it is longer than 255 bytes"));
    }
    out.extend(record.number().to_be_bytes());
    out.extend(CLASS_IN.to_be_bytes());
    Ok(out)
}

/// The message behind its length, as TCP carries it, once it is whole.
pub fn whole(heard: &[u8]) -> Option<&[u8]> {
    let (length, rest) = heard.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// Reads an answer. An error means that it is none.
pub fn answer(bytes: &[u8]) -> Result<Answer, String> {
    read(bytes).ok_or_else(|| "the answer is no DNS message".to_owned())
}

fn read(bytes: &[u8]) -> Option<Answer> {
    let (flags, rcode) = (*bytes.get(2)?, *bytes.get(3)? & 0x0f);
    let (questions, answers) = (short(bytes, 4)?, short(bytes, 6)?);
    let mut at = HEAD;
    // A response, and not our own question sent back.
    if flags & 0x80 == 0 || bytes.len() < HEAD {
        return None;
    }
    let cut_short = flags & 0x02 != 0;
    let mut records = Vec::new();
    for _ in 0..questions {
        at = name(bytes, at)?.1 + 4;
    }
    for _ in 0..answers {
        // What was cut off is not there.
        match record(bytes, at) {
            Some((text, next)) => {
                records.push(text);
                at = next;
            }
            None if cut_short => break,
            None => return None,
        }
    }
    Some(Answer { rcode: code(rcode), cut_short, records })
}

fn code(rcode: u8) -> String {
    let word = match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        other => return format!("RCODE{other}"),
    };
    word.to_owned()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*pair))
}

/// One record's data as text, and where the next record begins.
fn record(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let head = name(bytes, at)?.1;
    let (kind, length) = (short(bytes, head)?, usize::from(short(bytes, head + 8)?));
    let from = head + 10;
    let data = bytes.get(from..from + length)?;
    let text = match (kind, data) {
        (1, [a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        (28, _) => {
            let bytes: [u8; 16] = data.try_into().ok()?;
            core::net::Ipv6Addr::from(bytes).to_string()
        }
        (2 | 5 | 12 | 6, _) => name(bytes, from)?.0,
        (15, _) => format!("{} {}", short(bytes, from)?, name(bytes, from + 2)?.0),
        (33, _) => {
            let (host, port) = (name(bytes, from + 6)?.0, short(bytes, from + 4)?);
            format!("{host}:{port}")
        }
        (16, _) => strings(data),
        _ => format!("type {kind}, {length} bytes"),
    };
    Some((text, from + length))
}

/// Character strings one after the other, as in TXT records.
fn strings(mut data: &[u8]) -> String {
    let mut text = String::new();
    while let Some((length, rest)) = data.split_first() {
        let (some, next) = rest.split_at(usize::from(*length).min(rest.len()));
        text.push_str(&String::from_utf8_lossy(some));
        data = next;
    }
    text
}

/// A name, and where it ends in the stream.
fn name(bytes: &[u8], from: usize) -> Option<(String, usize)> {
    let (mut labels, mut at, mut end) = (Vec::new(), from, None);
    for _ in 0..128 + HOPS_MAX {
        let length = *bytes.get(at)?;
        match length {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            1..=63 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(length))?;
                labels.push(String::from_utf8_lossy(label).into_owned());
                at += 1 + usize::from(length);
            }
            0xc0.. => {
                end.get_or_insert(at + 2);
                at = usize::from(short(bytes, at)? & 0x3fff);
            }
            64..=0xbf => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to a question, with records whose names point back at the question.
    fn reply(question: &[u8], flags: [u8; 2], records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = question.to_vec();
        out[2..4].copy_from_slice(&flags);
        out[7] = u8::try_from(records.len()).unwrap();
        for (kind, data) in records {
            out.extend([0xc0, 12]);
            out.extend(kind.to_be_bytes());
            out.extend([0, 1, 0, 0, 0, 60]);
            out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            out.extend(*data);
        }
        out
    }

    #[test]
    fn records_are_read_as_people_write_them() {
        let question = question(7, "Ledger.bank.example.", RecordType::A).unwrap();
        let said = reply(
            &question,
            [0x81, 0x80],
            &[
                (5, &[0xc0, 12]),
                (1, &[127, 0, 0, 9]),
                (28, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
                (15, &[0, 10, 0xc0, 12]),
                (33, &[0, 1, 0, 1, 0x1f, 0x90, 0xc0, 12]),
                (16, b"\x02ab\x01c"),
            ],
        );
        let it = answer(&said).unwrap();
        assert_eq!((it.rcode.as_str(), it.cut_short), ("NOERROR", false));
        let host = "Ledger.bank.example";
        let (mx, srv) = (format!("10 {host}"), format!("{host}:8080"));
        assert_eq!(it.records, [host, "127.0.0.9", "::1", &mx, &srv, "abc"]);
    }

    #[test]
    fn codes_and_cuts_are_told() {
        let question = question(7, "x.example", RecordType::Aaaa).unwrap();
        let code = |low: u8| answer(&reply(&question, [0x81, low], &[])).unwrap().rcode;
        assert_eq!((code(0x83), code(0x82)), ("NXDOMAIN".to_owned(), "SERVFAIL".to_owned()));
        assert!(answer(&reply(&question, [0x83, 0x80], &[])).unwrap().cut_short);
        assert!(answer(&question).is_err(), "a question is no answer");
    }

    #[test]
    fn whatever_comes_is_read_to_an_end() {
        let question = question(7, "x.example", RecordType::A).unwrap();
        let mut circle = reply(&question, [0x81, 0x80], &[(5, &[0xc0, 12])]);
        circle[12..14].copy_from_slice(&[0xc0, 12]);
        assert!(answer(&circle).is_err());
        let good = reply(&question, [0x81, 0x80], &[(1, &[1, 2, 3, 4])]);
        for end in 0..good.len() {
            assert!(answer(&good[..end]).is_err(), "cut at {end}");
        }
        assert!(super::question(1, "a..b", RecordType::A).is_err());
        assert!(super::question(1, &"a".repeat(64), RecordType::A).is_err());
    }
}
